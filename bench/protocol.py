"""What the harness and its worker say to each other.

The harness writes one `Job` as a line of JSON to the worker's standard input. The worker writes lines of JSON to
its standard output, each a `Progress` (what it is doing, how far it is) and the last a `Result`. What a runtime prints
goes to standard error. A worker that ends without a `Result` has failed.
"""

from pathlib import Path
from typing import Literal

import msgspec

from ..core.types import Accuracy, ColdStart, Memory, Scenario


class EvaluationJob(msgspec.Struct, frozen=True, kw_only=True):
    """Measure top-1 accuracy on this split of this data set, `batch` images at a time."""

    dataset: str
    split: Literal["val", "test"]
    batch: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`sha256` is the artifact's that is meant: what lies in the folder when the worker looks must be it."""

    artifact: Path
    sha256: str
    scenario: Scenario
    evaluation: EvaluationJob | None


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`done` of `total` steps of `stage` are behind us."""

    stage: str
    done: int
    total: int


class Result(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    samples_s: tuple[float, ...]
    cold_start: ColdStart
    memory: Memory
    accuracy: Accuracy | None


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The worker cannot do the job, and knows why."""

    reason: str


Message = Progress | Result | Refusal


def encode(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value, enc_hook=str) + b"\n"


def decode_job(line: bytes) -> Job:
    return msgspec.json.decode(line, type=Job, dec_hook=_path)


def decode_message(line: bytes) -> Message:
    message: Message = msgspec.json.decode(line, type=Message)
    return message


def _path(kind: type, value: str) -> Path:
    return Path(value)
