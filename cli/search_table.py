"""What `reszoo quantize --max-drop` shows: the damage of each layer, and the trials of the search."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..workflows.quantization.budget_search import SearchResult, SearchTrial
    from ..workflows.quantization.layer_damage import Damage

SHOWN = 10  # layers in the table of damages
NAMED = 3  # layers in float whose names fit into the table


def print_damages(damages: "Sequence[Damage]") -> None:
    """The worst layers; the others are counted."""
    if not damages:
        return
    table = output.table("layer", "operator", "multiply-adds", "KL divergence", "answers changed")
    table.title = "Each layer quantized alone, against the float model"
    for layer, kl, flips, n in damages[:SHOWN]:
        table.add_row(layer.name, layer.op, output.count(layer.macs), f"{kl:.2g} nats", f"{flips} of {n}")
    output.console().print(table)
    if rest := damages[SHOWN:]:
        output.console().print(f"{len(rest)} other layers have at most {rest[0].kl:.2g} nats each")


def print_trials(trials: "Sequence[SearchTrial]", chosen: "SearchTrial | None" = None) -> None:
    table = output.table("trial", "in float", "of macs", "points lost", "95 % interval", "budget", "layers")
    table.title = "Layers in float, and what is lost on val against the float model"
    for number, trial in enumerate(trials, start=1):
        low, high = trial.paired.drop_interval
        table.add_row(
            str(number),
            str(len(trial.kept)),
            f"{trial.kept_macs:.1%}",
            f"{100 * trial.paired.drop:z.2f}",
            f"{100 * low:z.2f} to {100 * high:z.2f}",
            "chosen" if trial is chosen else "met" if trial.meets else "refused" if trial.is_within else "missed",
            " ".join(trial.kept) if len(trial.kept) <= NAMED else "",
        )
    output.console().print(table)
    for number, trial in enumerate(trials, start=1):
        if trial.refused and trial.is_within:
            output.console().print(f"export would refuse trial {number}: {trial.refused}", markup=False)


def as_records(search: "SearchResult") -> list[dict[str, object]]:
    """The same for machines."""
    return records(search.damages, search.trials, search.chosen)


def records(
    damages: "Sequence[Damage]", trials: "Sequence[SearchTrial]", chosen: "SearchTrial | None" = None
) -> list[dict[str, object]]:
    """The damages, then the trials."""
    first: list[dict[str, object]] = [
        {"kind": "damage", **damage.layer._asdict(), "kl": damage.kl, "flips": damage.flips, "n": damage.n}
        for damage in damages
    ]
    then: list[dict[str, object]] = [
        {
            "kind": "trial",
            "keep_float": trial.kept,
            "kept_macs": trial.kept_macs,
            **trial.paired._asdict(),
            "drop": trial.paired.drop,
            "drop_interval": trial.paired.drop_interval,
            "max_drop": trial.verdict.max_drop,
            "refused": trial.refused,
            "meets": trial.meets,
            "chosen": trial is chosen,
            "verdict": trial.verdict.outcome,
            "images_needed": trial.verdict.images_needed,
        }
        for trial in trials
    ]
    return first + then
