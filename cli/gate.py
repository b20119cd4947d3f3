"""What `reszoo bench` says about accuracy image by image: losses against a reference, a gate on them, classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ReszooError, UnavailableError, UsageError
from . import output

if TYPE_CHECKING:
    from ..bench.accuracy import Paired, Verdict
    from ..bench.plan import AccuracyWish, Planned
    from ..bench.predictions import Predictions
    from ..bench.table import Outcome
    from ..core.measured import Measurement, Scenario


def check_options(
    accuracy: str | None, reference: str | None, max_drop: str | None, per_class: bool, json: bool
) -> None:
    if per_class and json:
        raise UsageError("--per-class prints a table", "Leave --json away.")
    if (reference or per_class) and not accuracy:
        option = "--reference" if reference else "--per-class"
        raise UsageError(f"{option} needs an accuracy", "Add --accuracy DATASET.")
    if max_drop and not reference:
        raise UsageError("--max-drop needs something to lose against", "Add --reference REF.")


def planned(reference: str, common: "Scenario", wish: "AccuracyWish") -> "Planned":
    """The reference's own measurement: a checkpoint in PyTorch, an artifact on the first runtime that runs it."""
    from msgspec.structs import replace

    from ..bench.plan import Planned, plan
    from ..core.types import Artifact
    from ..export.contract import runtimes
    from .targets import target

    base = target(reference)
    format_name = base.format if isinstance(base, Artifact) else "torch"
    runtime = next(name for name, runtime in runtimes().items() if format_name in runtime.formats)
    scenario = replace(common, runtime=runtime, streams=1)
    batch = base.input.batch_limits[0] if isinstance(base, Artifact) else 1
    (item,) = plan(base, scenario, [1], [batch], wish)
    if isinstance(item, Planned):
        return item
    raise UnavailableError(f"the reference {reference} cannot be measured: {item.reason}", item.fix)


class Loss(NamedTuple):
    """A candidate against the reference; `verdict` where there is a gate."""

    candidate: str
    paired: "Paired"
    verdict: "Verdict | None"


def losses(outcomes: "Sequence[Outcome]", out: Path, max_drop: float | None) -> list[Loss]:
    """Every accuracy that was measured against the first outcome's, which is the reference; none if that failed."""
    from ..bench.accuracy import compare, judge

    found = []
    for reference in _with_accuracy(outcomes[:1]):
        base = _predictions(reference, out)
        for m in _with_accuracy(outcomes[1:]):
            paired = compare(base, _predictions(m, out))
            found.append(Loss(_name(m), paired, None if max_drop is None else judge(paired, max_drop)))
    return found


def print_losses(found: Sequence[Loss], reference: str) -> None:
    output.console().print(f" Against {reference}, image by image:", markup=False)
    for candidate, paired, verdict in found:
        low, high = paired.drop_interval
        loss = f"{100 * paired.drop:+.2f} points lost (95 %: {100 * low:+.2f} to {100 * high:+.2f})"
        rest = f"McNemar p = {paired.p_value:.2g}, same answer on {100 * paired.agreement:.2f} %, n = {paired.n}"
        output.console().print(f"   {candidate}: {loss}; {rest}", markup=False)
        if verdict:
            output.console().print(f"     {verdict}", markup=False)


def as_records(found: Sequence[Loss]) -> list[dict[str, object]]:
    """The same for machines."""
    return [
        {
            "kind": "loss",
            "candidate": candidate,
            **paired._asdict(),
            "drop": paired.drop,
            "drop_interval": paired.drop_interval,
            "p_value": paired.p_value,
            "verdict": verdict.outcome if verdict else None,
            "images_needed": verdict.images_needed if verdict else None,
        }
        for candidate, paired, verdict in found
    ]


def print_classes(outcomes: "Sequence[Outcome]", out: Path) -> None:
    """A table of the classes for each accuracy; who was taken for whom goes to a file."""
    from ..bench.accuracy import per_class

    for m in _with_accuracy(outcomes):
        predictions = _predictions(m, out)
        table = output.table("class", "n", "accuracy", "95 % interval", "most often taken for", right=("n", "accuracy"))
        table.title, table.title_justify = _name(m), "left"
        for line in per_class(predictions):
            interval = f"{100 * line.interval.low:.1f} – {100 * line.interval.high:.1f} %"
            taken = f"{line.taken_for} ({line.times_taken})" if line.taken_for else ""
            table.add_row(line.name, str(line.n), f"{100 * line.accuracy:.1f} %", interval, taken)
        output.console().print(table)
        file = _write_confusion(predictions, out / _file(m))
        output.err_console().print(f"The whole confusion matrix is in {file}.", markup=False)


def _write_confusion(predictions: "Predictions", beside: Path) -> Path:
    """A row for each true class, a column for each that it was taken for."""
    import csv
    import io

    from ..bench.accuracy import confusion
    from ..core.files import write_atomic

    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["true class", *predictions.classes])
    for name, counts in zip(predictions.classes, confusion(predictions).tolist(), strict=True):
        rows.writerow([name, *counts])
    path = beside.with_name(beside.name.removesuffix(".predictions.safetensors") + ".confusion.csv")
    write_atomic(path, text.getvalue().encode())
    return path


def _with_accuracy(outcomes: "Sequence[Outcome]") -> "list[Measurement]":
    from ..core.measured import Measurement

    return [m for m in outcomes if isinstance(m, Measurement) and m.accuracy]


def _file(m: "Measurement") -> str:
    if m.accuracy and m.accuracy.predictions:
        return m.accuracy.predictions.name
    raise ReszooError(f"no predictions were kept of {_name(m)}")


def _predictions(m: "Measurement", out: Path) -> "Predictions":
    from ..bench.predictions import Predictions

    return Predictions.read(out / _file(m))


def _name(m: "Measurement") -> str:
    from ..bench.table import subject_name

    return subject_name(m.subject)
