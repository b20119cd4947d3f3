"""What the checks of the harness measure, and how they are told where to write."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ...core.documents import to_builtins
from ...core.files import write_atomic
from ...core.hosts import describe
from ...core.measured import Measurement, Scenario
from ...core.types import Artifact
from ..affinity import choose_cores
from ..harness import measure
from ..targets.local import LocalTarget

KNOWN = LocalTarget(f"{__package__}.worker")
REF = "resnet8_v1.reszoo_cifar10"


def artifact(ref: str = REF, batch: int | None = None) -> Artifact:
    """A bundled checkpoint as ONNX, from the cache; its batch is dynamic, or fixed."""
    from ... import zoo
    from ...export.contract.options import ExportOptions
    from ...export.exporting import exported

    return exported(zoo.load(ref), "onnx", ExportOptions(batch=batch))


def scenario(runtime: str, variant: str = "", **changes: Any) -> Scenario:
    """One thread, one image, bound to one core."""
    plain = Scenario(runtime=runtime, variant=variant, device="cpu", batch=1, threads=1, cores=choose_cores(1))
    return replace(plain, **changes)


def measured(what: Artifact, how: Scenario) -> Measurement:
    outcome = measure(what, how, target=KNOWN)
    if isinstance(outcome, Measurement):
        return outcome
    raise RuntimeError(f"{outcome.what}: {outcome.reason}\n{outcome.output}")


def arguments(doc: str | None, **counts: int) -> argparse.Namespace:
    """--out FILE, and a number for each of `counts`."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--out", type=Path, help="write the raw figures as JSON")
    for name, default in counts.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    return parser.parse_args()


def finish(out: Path | None, figures: Mapping[str, Any]) -> None:
    """Print what a reader wants to see, and write all of it."""
    document = {"host": to_builtins(describe()), **figures}
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, json.dumps(document, indent=1).encode() + b"\n")
