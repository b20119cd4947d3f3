"""What `reszoo prune --sensitivity` shows: accuracy against the share of channels dropped, space by space."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import output

if TYPE_CHECKING:
    from ..core.types import Checkpoint
    from ..prune import PruneConfig
    from ..prune.sensitivity import Row

RATIOS = (0.25, 0.5, 0.75)


def show(ref: str, how: dict[str, Any], makes_one: dict[str, object], plot: Path | None, json: bool) -> None:
    """`how` are options that go with it, `makes_one` those that are about making a network."""
    from ..core.files import write_atomic
    from ..prune.planning import prunable
    from ..training.evaluate import accuracy_of
    from ..workflows.pruning.prune import check, config_for, refuse
    from ..workflows.pruning.sensitivity_plot import sensitivity_plot
    from ..workflows.references import checkpoint
    from ..workflows.reporting import plot_format

    refuse(makes_one, "`sensitivity=True` makes no network")
    config, _ = config_for(round_to=1, **how)
    with output.bar() as progress:
        source = checkpoint(ref, progress)
    check(source, config)
    path = plot or Path(f"{source.ref}-sensitivity.svg")
    kind = plot_format(path)
    output.check_writable(path.parent)
    spaces = [space.name for space in prunable(source.spec, config.exclude)]
    rows = _rows(source, config, len(spaces))
    if unjudged := [name for name in spaces if name not in {row.space for row in rows}]:
        output.err_console().print(f"{config.method} does not judge {', '.join(unjudged)}", markup=False)
    whole = accuracy_of(source, "val", rows[0].accuracy.n)
    if json:
        output.print_json({"ref": source.ref, "val": whole, "rows": rows})
    else:
        _print(source.ref, whole.value, rows)
    write_atomic(path, sensitivity_plot(source.ref, whole.value, rows, kind))
    output.err_console().print(f"wrote {path}", markup=False)


def _rows(source: "Checkpoint", config: "PruneConfig", spaces: int) -> "list[Row]":
    from ..prune.sensitivity import sensitivity

    rows = []
    with output.bar(source.ref) as progress:
        for row in sensitivity(source, config, RATIOS):
            rows.append(row)
            progress("pruning", len(rows), spaces * len(RATIOS))
    return rows


def _print(ref: str, whole: float, rows: "list[Row]") -> None:
    """A line for each space, with the accuracy left at each ratio."""
    headers = [f"{100 * ratio:g} % dropped" for ratio in RATIOS]
    table = output.table("space", "channels", *headers, right=("channels", *headers))
    title = f"{ref}: val accuracy {whole:.4f}, of images that it may have been trained on; one space pruned at a time"
    table.title, table.title_justify = title, "left"
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(row.space, []).append(row)
    for space, found in lines.items():
        table.add_row(space, str(found[0].channels), *(f"{row.accuracy.value:.4f}" for row in found))
    output.console().print(table)
