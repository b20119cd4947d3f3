"""Accuracy lost against a reference, image by image, and a gate on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.cleaning import for_csv
from ..core.errors import ReszooError, UnavailableError
from ..core.measured import Measurement, Scenario
from ..core.types import Artifact, Checkpoint

if TYPE_CHECKING:
    from ..bench.accuracy import Paired, Verdict
    from ..bench.plan import AccuracyRequest, Planned
    from ..bench.predictions import Predictions
    from .benchmarking import Outcome


class Loss(NamedTuple):
    """A candidate against the reference; `verdict` where there is a gate."""

    candidate: str
    paired: "Paired"
    verdict: "Verdict | None"


def reference(base: Checkpoint | Artifact, common: Scenario, request: "AccuracyRequest") -> "Planned":
    """The reference's own measurement: a checkpoint in PyTorch, an artifact on the first runtime that runs it."""
    from msgspec.structs import replace

    from ..bench.plan import Planned, plan
    from ..export.contract.runtime import runtimes
    from .benchmarking import own_batch

    format_name = base.format if isinstance(base, Artifact) else "torch"
    runtime = next(name for name, runtime in runtimes().items() if format_name in runtime.formats)
    scenario = replace(common, runtime=runtime, streams=1)
    (item,) = plan(base, scenario, [1], [own_batch(base)], request)
    if isinstance(item, Planned):
        return item
    name = base.source_ref if isinstance(base, Artifact) else base.ref
    raise UnavailableError(f"the reference {name} cannot be measured: {item.reason}", item.fix)


def losses(outcomes: "Sequence[Outcome]", out: Path, max_drop: float | None) -> list[Loss]:
    """Every accuracy that was measured against the first outcome's, which is the reference; none if that failed."""
    from ..bench.accuracy import compare_predictions, drop_verdict

    found = []
    for base in with_accuracy(outcomes[:1]):
        expected = predictions(base, out)
        for m in with_accuracy(outcomes[1:]):
            paired = compare_predictions(expected, predictions(m, out))
            found.append(Loss(name_of(m), paired, None if max_drop is None else drop_verdict(paired, max_drop)))
    return found


def with_accuracy(outcomes: "Sequence[Outcome]") -> list[Measurement]:
    """The measurements that have one."""
    return [m for m in outcomes if isinstance(m, Measurement) and m.accuracy]


def predictions(m: Measurement, out: Path) -> "Predictions":
    """Those that were kept beside the measurement in the folder `out`."""
    from ..bench.predictions import Predictions

    return Predictions.read(out / file_of(m))


def file_of(m: Measurement) -> str:
    """The file of its predictions."""
    if m.accuracy and m.accuracy.predictions:
        return m.accuracy.predictions.name
    raise ReszooError(f"no predictions were kept of {name_of(m)}")


def name_of(m: Measurement) -> str:
    """ "resnet20_v1.akamaster_cifar10 onnx fp32"."""
    from ..bench.table import subject_name

    return subject_name(m.subject)


def write_confusion(found: "Predictions", path: Path) -> None:
    """As CSV: a row for each true class, a column for each that it was taken for."""
    import csv
    import io

    from ..bench.accuracy import confusion
    from ..core.files import write_atomic

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["true class", *map(for_csv, found.classes)])
    for name, counts in zip(found.classes, confusion(found).tolist(), strict=True):
        rows.writerow([for_csv(name), *counts])
    write_atomic(path, text.getvalue().encode())
