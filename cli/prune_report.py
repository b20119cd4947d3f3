"""What `reszoo prune` shows: what is left of the network, how fast it is, and what it still knows."""

from typing import TYPE_CHECKING

from . import output
from .show import stages

if TYPE_CHECKING:
    from ..core.measured import Accuracy
    from ..core.types import Checkpoint, ModelSpec, Unavailable
    from ..workflows.pruning.steps import Pruned

VAL_IMAGES = 5000  # of a val that has more, so many are drawn
SMALL = 64  # pixels: the recipes for fine-tuning are for small images
NOT_UNSEEN = "the parent may have been trained on val; test is what counts"


def show(made: "Pruned", json: bool) -> None:
    if json:
        output.print_json(_record(made))
        return
    say = output.console().print
    _print_sizes(made)
    _print_stages(made.parent.spec, made.result.spec)
    if (multiple := _multiple(made)) and multiple > 1:
        say(f"channels are kept in multiples of {multiple}, or all")
    say(f"{made.result.ref} is in {output.nearby(made.result.weights_path.parent)}", markup=False)
    if made.verdict:
        say(f"{made.verdict.told} of its parent's latency on {made.verdict.scenario}", markup=False)
        output.tell_warnings(made.verdict.warnings)
    _print_accuracies(made)
    say(f"Next: {_next(made)}", markup=False)


def _print_sizes(made: "Pruned") -> None:
    before, after = _sizes(made.parent), _sizes(made.result)
    table = output.table("", "before", "after", "share", right=("before", "after", "share"))
    for name, title in (("macs", "multiply-adds"), ("params", "parameters")):
        table.add_row(title, output.count(before[name]), output.count(after[name]), f"{after[name] / before[name]:.3f}")
    output.console().print(table)


def _sizes(checkpoint: "Checkpoint") -> dict[str, int]:
    from ..models.cost import cost_of

    cost = cost_of(checkpoint.spec)
    return {"macs": cost.macs, "params": cost.params}


def _print_stages(before: "ModelSpec", after: "ModelSpec") -> None:
    table = output.table("stage", "units", "channels", "inner channels")
    for number, columns in enumerate(zip(stages(before), stages(after), strict=True)):
        table.add_row(str(number), *(a if a == b else f"{a} -> {b}" for a, b in zip(*columns, strict=True)))
    output.console().print(table)


def _multiple(made: "Pruned") -> int | None:
    """As it was given, or chosen by `auto`; None for units."""
    found = made.cut.provenance[-1].config.get("round_to")
    return int(found) if found else None


def _print_accuracies(made: "Pruned") -> None:
    from ..core.measured import Accuracy

    say = output.console().print
    for what, found in _on_val(made).items():
        if isinstance(found, Accuracy):
            say(f"val accuracy {what}: {_told(found)}", markup=False)
        else:
            say(f"val accuracy {what}: not measured, {found.reason}", markup=False)
    say(f"({NOT_UNSEEN})")
    if on_test := _on_test(made):
        say(f"test accuracy: {_told(on_test)}", markup=False)


def _on_val(made: "Pruned") -> "dict[str, Accuracy | Unavailable]":
    """Of the parent and of the network as it was cut by looking; of the fine-tuned one as its training saw it."""
    from ..core.errors import ReszooError
    from ..core.types import Unavailable
    from ..training.evaluate import accuracy_of

    networks = {"of the parent": made.parent, "as it was cut": made.cut}
    found: dict[str, Accuracy | Unavailable] = {}
    with output.bar() as progress:
        for what, network in networks.items():
            progress(f"val accuracy {what}")
            try:
                found[what] = accuracy_of(network, "val", VAL_IMAGES)
            except ReszooError as error:  # without these images; the network is made all the same
                found[what] = Unavailable(what=what, reason=error.problem, fix=error.fix)
    if made.tuned:
        found["fine-tuned"] = _as_trained(made.tuned)
    return found


def _as_trained(tuned: "Checkpoint") -> "Accuracy | Unavailable":
    from .. import datasets
    from ..core.measured import Accuracy
    from ..core.types import Unavailable
    from ..training.result import val_accuracy

    if (share := val_accuracy(tuned)) is None:
        return Unavailable(what="fine-tuned", reason="it was trained on val", fix="Add --set train_on=train.")
    n = datasets.info.info(tuned.dataset).counts["val"]
    return Accuracy(dataset=tuned.dataset, split="val", n=n, correct=round(share * n))


def _on_test(made: "Pruned") -> "Accuracy | None":
    """Of a network that was trained: its only look at test."""
    from ..core.measured import Accuracy

    for metric in made.result.metrics:
        correct = round(metric.value * metric.n)
        return Accuracy(dataset=metric.dataset, split=metric.split, n=metric.n, correct=correct)
    return None


def _told(accuracy: "Accuracy") -> str:
    low, high = _interval(accuracy)
    n, dataset = accuracy.n, accuracy.dataset
    return f"{accuracy.value:.4f} on {n:,} images of {dataset} (95 % interval {low:.4f} to {high:.4f})"


def _interval(accuracy: "Accuracy") -> tuple[float, float]:
    from ..core.statistics import proportion_interval

    return proportion_interval(accuracy.correct, accuracy.n)


def _next(made: "Pruned") -> str:
    if made.tuned:
        return f"reszoo quantize {made.tuned.weights_path.parent}"
    small = max(made.parent.spec.input[1:]) <= SMALL
    recipe = "digits" if made.parent.dataset == "digits" else "prune-finetune" if small else "a recipe of yours"
    return f"the same command with --finetune {recipe} and another --out, to win accuracy back"


def _record(made: "Pruned") -> dict[str, object]:
    from ..core.documents import to_builtins
    from ..core.measured import Accuracy

    def told(found: Accuracy) -> dict[str, object]:
        return {**to_builtins(found), "interval": _interval(found)}

    record: dict[str, object] = {
        "checkpoint": made.result,
        "parent": made.parent.ref,
        "before": _sizes(made.parent),
        "after": _sizes(made.result),
        "multiple": _multiple(made),
        "val": {what: told(found) if isinstance(found, Accuracy) else found for what, found in _on_val(made).items()},
    }
    if on_test := _on_test(made):
        record["test"] = told(on_test)
    if verdict := made.verdict:
        record["latency"] = {"scenario": verdict.scenario, **verdict.ratio._asdict(), "warnings": verdict.warnings}
    return record
