"""What the harness and its worker say to each other: one JSON document a line, a request down, its reply up.

The harness writes a `Request` to the worker's standard input and reads lines from its standard output until the
request is answered; only `Evaluate` sends `Progress` before its answer. `Load` comes first. The worker ends when its
input does. What a runtime prints goes to standard error. A worker that ends in the middle of a request has failed.
"""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from ..core.measured import Accuracy, ColdStart, Pages, Scenario
from ..core.types import FileRecord
from ..datasets.classes import ClassMap
from ..datasets.info import Split

if TYPE_CHECKING:
    import numpy as np


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """A numpy array: `data` is its bytes in the order of C, through zlib, in base64."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, array: "np.ndarray") -> "Array":
        return cls(dtype=array.dtype.name, shape=array.shape, data=zlib.compress(array.tobytes(), 1))

    def numpy(self) -> "np.ndarray":
        import numpy as np

        return np.frombuffer(zlib.decompress(self.data), self.dtype).reshape(self.shape)


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of all requests."""


class Load(Request, frozen=True, kw_only=True):
    """Import the runtime, load the model, run it once. Answered by `Loaded`.

    sha256        the artifact's that is meant: what lies in the folder when the worker looks must be it
    spawned_at    time.monotonic() when the harness started the worker
    flush_bytes   written over before every run, to empty the CPU's caches; 0 does not
    inputs        a .npy file of batches, as the artifact wants them, to run in turn; None: the worker makes its own
    """

    artifact: Path
    sha256: str
    scenario: Scenario
    spawned_at: float
    flush_bytes: int
    inputs: Path | None = None


class Sample(Request, frozen=True, kw_only=True):
    """Run `settle` times unseen, then take samples for `seconds`, at least one. Answered by `Sampled`.

    Each sample is the mean of `runs_per_sample` runs.
    """

    seconds: float
    runs_per_sample: int
    settle: int


class ReadMemory(Request, frozen=True, kw_only=True):
    """Answered by `MemoryRead`."""


class Evaluate(Request, frozen=True, kw_only=True):
    """Predict a whole split, `batch` images at a time; the predictions go to a file. Answered by `Evaluated`.

    `classes_file` is what `classes` was read from, if it was.
    """

    dataset: str
    split: Split
    batch: int
    predictions: Path
    classes: ClassMap
    classes_file: FileRecord | None = None


class Predict(Request, frozen=True, kw_only=True):
    """Run one batch, as the artifact wants it. Answered by `Predicted`."""

    batch: Array


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of all replies."""


class Loaded(Reply, frozen=True, kw_only=True):
    cold_start: ColdStart
    started: Pages
    imported: Pages
    loaded: Pages
    first_run: Pages
    clock: Literal["host", "cuda_events"]


class Sampled(Reply, frozen=True, kw_only=True):
    """`samples_s` of all streams, in the order in which they ended; the streams were at work for `seconds`."""

    samples_s: tuple[float, ...]
    seconds: float


class MemoryRead(Reply, frozen=True, kw_only=True):
    steady: Pages
    peak_bytes: int
    allocator_bytes: int | None


class Progress(Reply, frozen=True, kw_only=True):
    """`done` of `total` images are behind us."""

    done: int
    total: int


class Evaluated(Reply, frozen=True, kw_only=True):
    accuracy: Accuracy


class Predicted(Reply, frozen=True, kw_only=True):
    """`logits` are float32 (N, classes)."""

    logits: Array


class Refusal(Reply, frozen=True, kw_only=True):
    """The worker cannot do what was asked, and knows why. It ends."""

    reason: str


def encode(message: Request | Reply) -> bytes:
    return msgspec.json.encode(message, enc_hook=str) + b"\n"


def decode_request(line: bytes) -> Request:
    return msgspec.json.decode(line, type=Load | Sample | ReadMemory | Evaluate | Predict, dec_hook=_path)


def decode_reply(line: bytes) -> Reply:
    return msgspec.json.decode(
        line, type=Loaded | Sampled | MemoryRead | Progress | Evaluated | Predicted | Refusal, dec_hook=_path
    )


def _path(kind: type, value: str) -> Path:
    return Path(value)
