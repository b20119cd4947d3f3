"""What `reszoo quantize --max-drop` shows: the damage of each layer, and the ladder that was climbed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..core.types import Checkpoint
    from ..export.contract import ExportOptions
    from ..workflows.quantization.fit import Fit, Rung, Watch
    from ..workflows.quantization.sensitivity import Damage

SHOWN = 10  # layers in the table of damages
NAMED = 3  # layers in float whose names fit into the table


def within_budget(
    source: "Checkpoint", format_name: str, options: "ExportOptions", max_drop: float, *, json: bool
) -> "Fit":
    """Fit the options into the budget with a progress bar, and show how, unless JSON is to be printed.

    Whatever ends it early, a budget that cannot be met or an interrupt, what was measured is printed all the same.
    """
    from ..workflows.quantization.fit import fit

    damages: list[Damage] = []
    rungs: list[Rung] = []
    try:
        with _progress(source.ref) as watch:
            found = fit(
                source, format_name, options, max_drop, watch=watch, on_damages=damages.extend, on_rung=rungs.append
            )
    except BaseException as error:
        if rungs and json:
            reason = str(error) or type(error).__name__
            output.print_json([{"source": source.ref, "error": reason, "ladder": records(damages, rungs)}])
        elif rungs:
            print_damages(damages)
            print_ladder(rungs)
        raise
    if not json:
        print_damages(found.damages)
        print_ladder(found.rungs, found.chosen)
        output.console().print(f"{source.ref} on val: {found.chosen.verdict}", markup=False)
    return found


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


@contextmanager
def _progress(ref: str) -> "Iterator[Watch]":
    """One bar, begun anew with every stage and every rung."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "left", TimeRemainingColumn())
    with output.progress(*columns) as bar:
        task = bar.add_task(ref, total=None)
        before: tuple[str, int] = ("", 0)

        def watch(stage: str, done: int, total: int) -> None:
            nonlocal before
            if stage != before[0] or done < before[1]:
                bar.reset(task, description=f"{ref}: {stage}", total=total)
            before = stage, done
            bar.update(task, completed=done, total=total)

        yield watch
