"""What `reszoo bench` says about accuracy image by image: losses against a reference, a gate on them, classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ReszooError, UsageError
from . import output

if TYPE_CHECKING:
    from ..workflows.benchmarking import Outcome
    from ..workflows.losses import Loss


def check_options(
    accuracy: str | None,
    reference: str | None,
    max_drop: str | None,
    per_class: bool,
    json: bool,
    classes: Path | None = None,
    among: str | None = None,
) -> None:
    if per_class and json:
        raise UsageError("--per-class prints a table", "Leave --json away.")
    about = {"--reference": reference, "--per-class": per_class, "--classes": classes, "--among": among}
    if accuracy is None and (option := next((option for option, given in about.items() if given), None)):
        raise UsageError(f"{option} needs an accuracy", "Add --accuracy DATASET.")
    if max_drop and not reference:
        raise UsageError("--max-drop needs something to lose against", "Add --reference REF.")


def tell_without_effect(outcomes: "Sequence[Outcome]", among: str) -> None:
    """That no network knows classes which the data set has not."""
    from ..workflows import losses

    if all(m.accuracy and m.accuracy.among is None for m in losses.with_accuracy(outcomes)):
        output.tell_without_effect(among)


def check(losses: "Sequence[Loss]", outcomes: "Sequence[Outcome]", longest_s: float | None) -> None:
    """Raises one ReszooError for all gates that are not met."""
    from ..workflows.benchmarking import check_latency

    is_lost = any(loss.verdict and loss.verdict.outcome != "pass" for loss in losses)
    problems, fix = ["the accuracy gate is not met"] if is_lost else [], ""
    if longest_s is not None:
        try:
            check_latency(outcomes, longest_s)
        except ReszooError as error:
            problems.append(error.problem)
            fix = error.fix
    if problems:
        raise ReszooError("; ".join(problems), fix)


def print_losses(found: "Sequence[Loss]", reference: str) -> None:
    output.console().print(f" Against {reference}, image by image:", markup=False)
    for candidate, paired, verdict in found:
        low, high = paired.drop_interval
        loss = f"{100 * paired.drop:+.2f} points lost (95 %: {100 * low:+.2f} to {100 * high:+.2f})"
        rest = f"McNemar p = {paired.p_value:.2g}, same answer on {100 * paired.agreement:.2f} %, n = {paired.n}"
        output.console().print(f"   {candidate}: {loss}; {rest}", markup=False)
        if verdict:
            output.console().print(f"     {verdict}", markup=False)


def as_records(found: "Sequence[Loss]") -> list[dict[str, object]]:
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
    from ..workflows import losses

    for m in losses.with_accuracy(outcomes):
        predictions = losses.predictions(m, out)
        table = output.table("class", "n", "accuracy", "95 % interval", "most often taken for", right=("n", "accuracy"))
        table.title = losses.name_of(m)
        for line in per_class(predictions):
            interval = f"{100 * line.interval.low:.1f} – {100 * line.interval.high:.1f} %"
            taken = f"{line.taken_for} ({line.times_taken})" if line.taken_for else ""
            table.add_row(line.name, str(line.n), f"{100 * line.accuracy:.1f} %", interval, taken)
        output.console().print(table)
        file = out / f"{losses.file_of(m).removesuffix('.predictions.safetensors')}.confusion.csv"
        losses.write_confusion(predictions, file)
        output.err_console().print(f"The whole confusion matrix is in {file}.", markup=False)
