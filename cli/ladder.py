"""What `reszoo quantize --max-drop` shows: the damage of each layer, and the ladder that was climbed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..workflows.quantization.fit import Fit, Rung
    from ..workflows.quantization.sensitivity import Damage

SHOWN = 10  # layers in the table of damages
NAMED = 3  # layers in float whose names fit into the table


def print_damages(damages: "Sequence[Damage]") -> None:
    """The worst layers; the others are counted."""
    if not damages:
        return
    table = output.table("layer", "operator", "multiply-adds", "KL divergence", "answers changed")
    table.title, table.title_justify = "Each layer quantized alone, against the float model", "left"
    for layer, kl, flips, n in damages[:SHOWN]:
        table.add_row(layer.name, layer.op, output.count(layer.macs), f"{kl:.2g} nats", f"{flips} of {n}")
    output.console().print(table)
    if rest := damages[SHOWN:]:
        output.console().print(f"{len(rest)} other layers have at most {rest[0].kl:.2g} nats each")


def print_ladder(rungs: "Sequence[Rung]", chosen: "Rung | None" = None) -> None:
    table = output.table("rung", "in float", "of macs", "points lost", "95 % interval", "budget", "layers")
    table.title, table.title_justify = "Layers in float, and what is lost on val against the float model", "left"
    for number, rung in enumerate(rungs, start=1):
        low, high = rung.paired.drop_interval
        table.add_row(
            str(number),
            str(len(rung.kept)),
            f"{rung.kept_macs:.1%}",
            f"{100 * rung.paired.drop:z.2f}",
            f"{100 * low:z.2f} to {100 * high:z.2f}",
            "chosen" if rung is chosen else "met" if rung.meets else "refused" if rung.is_within else "missed",
            " ".join(rung.kept) if len(rung.kept) <= NAMED else "",
        )
    output.console().print(table)
    for number, rung in enumerate(rungs, start=1):
        if rung.refused and rung.is_within:
            output.console().print(f"export would refuse rung {number}: {rung.refused}", markup=False)


def as_records(fit: "Fit") -> list[dict[str, object]]:
    """The same for machines."""
    return records(fit.damages, fit.rungs, fit.chosen)


def records(
    damages: "Sequence[Damage]", rungs: "Sequence[Rung]", chosen: "Rung | None" = None
) -> list[dict[str, object]]:
    """The damages, then the rungs."""
    first: list[dict[str, object]] = [
        {"kind": "damage", **damage.layer._asdict(), "kl": damage.kl, "flips": damage.flips, "n": damage.n}
        for damage in damages
    ]
    then: list[dict[str, object]] = [
        {
            "kind": "rung",
            "keep_float": rung.kept,
            "kept_macs": rung.kept_macs,
            **rung.paired._asdict(),
            "drop": rung.paired.drop,
            "drop_interval": rung.paired.drop_interval,
            "max_drop": rung.verdict.max_drop,
            "refused": rung.refused,
            "meets": rung.meets,
            "chosen": rung is chosen,
            "verdict": rung.verdict.outcome,
            "images_needed": rung.verdict.images_needed,
        }
        for rung in rungs
    ]
    return first + then
