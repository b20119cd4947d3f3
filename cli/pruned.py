"""What `reszoo prune` shows: what is left of the network, how fast it is, and what it still knows."""

from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..core.measured import Accuracy
    from ..core.types import Checkpoint, ModelSpec
    from .pruning import Made


def show(made: "Made", json: bool) -> None:
    accuracies = _accuracies(made)
    if json:
        output.print_json(_record(made, accuracies))
        return
    _print_sizes(made)
    _print_stages(made.parent.spec, made.result.spec)
    say = output.console().print
    folder = made.result.weights_path.parent
    say(f"{made.result.ref} is in {folder}", markup=False)
    if made.verdict:
        say(f"{made.verdict.told} of its parent's latency on {made.verdict.scenario}", markup=False)
    for what, accuracy in accuracies.items():
        say(f"val accuracy {what}: {_told(accuracy.value, accuracy.n, accuracy.dataset)}", markup=False)
    for metric in made.result.metrics:  # of a network that was trained: its only look at test
        told = _told(metric.value, metric.n, metric.dataset)
        say(f"{metric.split} accuracy: {told}", markup=False)
    say(f"Next: {_next(made)}", markup=False)


def _accuracies(made: "Made") -> "dict[str, Accuracy]":
    """On val, which no network's choice was made by here, but on which the parent may have been trained."""
    from .. import datasets
    from ..train.evaluate import accuracy_of

    if not datasets.is_installed(made.parent.dataset):
        return {}
    networks = {"of the parent": made.parent, "as it was cut": made.cut, "fine-tuned": made.tuned}
    return {what: accuracy_of(network, "val") for what, network in networks.items() if network}


def _print_sizes(made: "Made") -> None:
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
    for stage in range(len(before.depths)):
        columns = zip(_stage(before, stage), _stage(after, stage), strict=True)
        table.add_row(str(stage), *(a if a == b else f"{a} -> {b}" for a, b in columns))
    output.console().print(table)


def _stage(spec: "ModelSpec", stage: int) -> tuple[str, str, str]:
    """Its units, its outputs' channels, and those between its convolutions: from the fewest to the most."""
    from ..models.channels import layout

    units = [unit for unit in layout(spec).units if unit.stage == stage]
    outputs = [unit.target.width for unit in units]
    inner = [space.width for unit in units for space in unit.inner]
    return str(len(units)), _span(outputs), _span(inner)


def _span(widths: list[int]) -> str:
    if not widths:
        return "none"
    low, high = min(widths), max(widths)
    return str(low) if low == high else f"{low} to {high}"


def _told(accuracy: float, n: int, dataset: str) -> str:
    from ..core.statistics import proportion_interval

    low, high = proportion_interval(round(accuracy * n), n)
    return f"{accuracy:.4f} on {n:,} images of {dataset} (95 % interval {low:.4f} to {high:.4f})"


def _next(made: "Made") -> str:
    if made.tuned is None:
        return "the same command with --finetune prune_finetune and another --out, to win accuracy back"
    return f"reszoo quantize {made.tuned.weights_path.parent}"


def _record(made: "Made", accuracies: "dict[str, Accuracy]") -> dict[str, object]:
    record: dict[str, object] = {
        "checkpoint": made.result,
        "parent": made.parent.ref,
        "before": _sizes(made.parent),
        "after": _sizes(made.result),
        "val": accuracies,
    }
    if made.verdict:
        record["latency"] = {"scenario": made.verdict.scenario, **made.verdict.ratio._asdict()}
    return record
