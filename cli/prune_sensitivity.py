"""What `reszoo prune --sensitivity` shows: accuracy against the share of channels dropped, space by space."""

from pathlib import Path
from typing import TYPE_CHECKING

from . import output
from .explain import PLOTS, check_plot

if TYPE_CHECKING:
    from ..core.types import Checkpoint
    from ..prune import PruneConfig
    from ..prune.sensitivity import Row

RATIOS = (0.25, 0.5, 0.75)


def show(source: "Checkpoint", config: "PruneConfig", plot: Path | None, json: bool) -> None:
    from ..core.files import write_atomic
    from ..prune.planning import prunable
    from ..train.evaluate import accuracy_of
    from ..workflows.pruning.sensitivity_plot import sensitivity_plot

    path = plot or Path(f"{source.ref}-sensitivity.svg")
    check_plot(path)
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
    write_atomic(path, sensitivity_plot(source.ref, whole.value, rows, PLOTS[path.suffix]))
    output.err_console().print(f"wrote {path}", markup=False)


def _rows(source: "Checkpoint", config: "PruneConfig", spaces: int) -> "list[Row]":
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    from ..prune.sensitivity import sensitivity

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "left", TimeRemainingColumn())
    with output.progress(*columns) as bar:
        task = bar.add_task(f"pruning {source.ref}", total=spaces * len(RATIOS))
        rows = []
        for row in sensitivity(source, config, RATIOS):
            rows.append(row)
            bar.advance(task)
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
