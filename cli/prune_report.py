"""What `reszoo prune` shows: the pruned network's size, its speed check and its accuracy."""

from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..core.measured import Accuracy
    from ..core.types import Checkpoint, ModelSpec, Unavailable
    from ..workflows.pruning.steps import Pruned

VAL_IMAGES = 5000  # of a val that has more, so many are drawn
NEAR = 0.96  # of what was asked for: a network below that could have kept more
SMALL = 64  # pixels: the recipes for fine-tuning are for small images
NETWORKS = {"parent": "of the parent", "pruned": "after pruning", "finetuned": "after fine-tuning"}
NOT_UNSEEN = "the parent may have been trained on val; test is what counts"


def show(pruning: "Pruned", json: bool) -> None:
    if json:
        output.print_json(_record(pruning))
        return
    say = output.console().print
    _print_sizes(pruning)
    _print_stages(pruning.parent.spec, pruning.result.spec)
    if (multiple := _multiple(pruning)) and multiple > 1:
        say(f"channels are kept in multiples of {multiple}, or all")
        if gap := _gap(pruning):
            say(f"{gap}: --round-to 1 comes nearer, kernels like multiples", markup=False)
    output.tell_checkpoint(pruning.result)
    if check := pruning.speed_check:
        say(f"{check.ratio} of its parent's latency on {check.place}", markup=False)
        output.tell_warnings(check.warnings)
    _print_accuracies(pruning)
    say(f"Next: {_next(pruning)}", markup=False)


def _print_sizes(pruning: "Pruned") -> None:
    before, after = _sizes(pruning.parent), _sizes(pruning.result)
    table = output.table("", "before", "after", "share", right=("before", "after", "share"))
    for name, title in (("macs", "multiply-adds"), ("params", "parameters")):
        table.add_row(title, output.count(before[name]), output.count(after[name]), f"{after[name] / before[name]:.3f}")
    output.console().print(table)


def _sizes(checkpoint: "Checkpoint") -> dict[str, int]:
    from ..models.cost import cost_of

    cost = cost_of(checkpoint.spec)
    return {"macs": cost.macs, "params": cost.params}


def _print_stages(before: "ModelSpec", after: "ModelSpec") -> None:
    from ..models.pruning import stages

    table = output.table("stage", "blocks", "channels", "inner channels")
    for number, columns in enumerate(zip(stages(before), stages(after), strict=True)):
        table.add_row(str(number), *(a if a == b else f"{a} -> {b}" for a, b in zip(*columns, strict=True)))
    output.console().print(table)


def _multiple(pruning: "Pruned") -> int | None:
    """As it was given, or chosen by `auto`; None for blocks."""
    multiple = pruning.pruned.provenance[-1].config.get("round_to")
    return int(multiple) if multiple else None


def _gap(pruning: "Pruned") -> str:
    """What rounding cost, where the network is far from what was asked for: "0.389 of the macs are left, not 0.5"."""
    before, after = _sizes(pruning.parent), _sizes(pruning.pruned)
    for name, limit in pruning.pruned.provenance[-1].config.items():
        if name in before and limit.startswith("at most "):
            asked, left = float(limit.removeprefix("at most ")) / before[name], after[name] / before[name]
            if left < NEAR * asked:
                return f"{left:.3f} of the {name} are left where {asked:.3g} was asked for"
    return ""


def _print_accuracies(pruning: "Pruned") -> None:
    from ..core.measured import Accuracy

    say = output.console().print
    for name, accuracy in _on_val(pruning).items():
        if isinstance(accuracy, Accuracy):
            say(f"val accuracy {NETWORKS[name]}: {_sentence(accuracy)}", markup=False)
        else:
            say(f"val accuracy {NETWORKS[name]}: not measured, {accuracy.reason}", markup=False)
    say(f"({NOT_UNSEEN})")
    if on_test := _on_test(pruning):
        say(f"test accuracy: {_sentence(on_test)}", markup=False)


def _on_val(pruning: "Pruned") -> "dict[str, Accuracy | Unavailable]":
    """Of the parent and of the pruned network measured here; of the fine-tuned one as its training measured it."""
    from ..core.errors import ReszooError
    from ..core.types import Unavailable
    from ..training.evaluate import accuracy_of

    networks = {"parent": pruning.parent, "pruned": pruning.pruned}
    accuracies: dict[str, Accuracy | Unavailable] = {}
    with output.bar() as progress:
        for name, network in networks.items():
            progress(f"val accuracy {NETWORKS[name]}")
            try:
                accuracies[name] = accuracy_of(network, "val", VAL_IMAGES)
            except ReszooError as error:  # the images are missing; the network is there all the same
                accuracies[name] = Unavailable(what=name, reason=error.problem, fix=error.fix)
    if pruning.finetuned:
        accuracies["finetuned"] = _as_trained(pruning.finetuned)
    return accuracies


def _as_trained(finetuned: "Checkpoint") -> "Accuracy | Unavailable":
    from .. import datasets
    from ..core.measured import Accuracy
    from ..core.types import Unavailable
    from ..training.result import val_accuracy

    if (share := val_accuracy(finetuned)) is None:
        return Unavailable(what="finetuned", reason="it was trained on val", fix="Add --set train_on=train.")
    n = datasets.info.info(finetuned.dataset).counts["val"]
    return Accuracy(dataset=finetuned.dataset, split="val", n=n, correct=round(share * n))


def _on_test(pruning: "Pruned") -> "Accuracy | None":
    """Of a network that was trained: its only look at test."""
    from ..core.measured import Accuracy

    for metric in pruning.result.metrics:
        correct = round(metric.value * metric.n)
        return Accuracy(dataset=metric.dataset, split=metric.split, n=metric.n, correct=correct)
    return None


def _sentence(accuracy: "Accuracy") -> str:
    low, high = _interval(accuracy)
    n, dataset = accuracy.n, accuracy.dataset
    return f"{accuracy.value:.4f} on {n:,} images of {dataset} (95 % interval {low:.4f} to {high:.4f})"


def _interval(accuracy: "Accuracy") -> tuple[float, float]:
    from ..core.statistics import proportion_interval

    return proportion_interval(accuracy.correct, accuracy.n)


def _next(pruning: "Pruned") -> str:
    """A command; to regain accuracy first, where nothing was trained."""
    import shlex

    name = output.called(pruning.result)
    if pruning.finetuned:
        return shlex.join(["reszoo", "quantize", name])
    small = max(pruning.parent.spec.input[1:]) <= SMALL
    recipe = "digits" if pruning.parent.dataset == "digits" else "prune-finetune" if small else "RECIPE.toml"
    of = ["--data", pruning.parent.dataset or "DATASET", "--recipe", recipe]
    return shlex.join(["reszoo", "train", "--from", name, "--teacher", output.called(pruning.parent), *of])


def _record(pruning: "Pruned") -> dict[str, object]:
    from ..core.documents import to_builtins
    from ..core.measured import Accuracy

    def with_interval(accuracy: Accuracy) -> dict[str, object]:
        return {**to_builtins(accuracy), "interval": _interval(accuracy)}

    record: dict[str, object] = {
        "checkpoint": pruning.result,
        "parent": pruning.parent.ref,
        "before": _sizes(pruning.parent),
        "after": _sizes(pruning.result),
        "multiple": _multiple(pruning),
        "val": {name: with_interval(a) if isinstance(a, Accuracy) else a for name, a in _on_val(pruning).items()},
    }
    if on_test := _on_test(pruning):
        record["test"] = with_interval(on_test)
    if check := pruning.speed_check:
        seen = {"scenario": check.scenario, "precision": check.precision, **check.ratio._asdict()}
        record["speed_check"] = {**seen, "warnings": check.warnings}
    return record
