"""What `reszoo prune --sensitivity` shows: accuracy against the share of channels dropped, by channel group."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import output

if TYPE_CHECKING:
    from ..core.types import Checkpoint
    from ..prune import PruneConfig
    from ..prune.sensitivity import Row

RATIOS = (0.25, 0.5, 0.75)


def show(
    ref: str, data: str | None, how: dict[str, Any], of_pruning: dict[str, object], plot: Path | None, json: bool
) -> None:
    """`how` are options that go with it, `of_pruning` those of pruning, which it does not do."""
    from ..core.files import write_atomic
    from ..core.refs import inside
    from ..prune.planning import prunable
    from ..training.evaluate import accuracy_of
    from ..workflows.class_names import with_data
    from ..workflows.pruning.prune import check, config_for, refuse
    from ..workflows.pruning.sensitivity_plot import sensitivity_plot
    from ..workflows.references import checkpoint
    from ..workflows.reporting import plot_format

    refuse(of_pruning, "`sensitivity=True` makes no network")
    config, _ = config_for({**how, "round_to": 1})
    with output.bar() as progress:
        source = with_data(checkpoint(ref, progress), data)
    check(source, config)
    path = plot or inside(Path(), f"{source.ref}-sensitivity.svg")
    kind = plot_format(path)
    output.check_writable(path.parent)
    groups = [group.name for group in prunable(source.spec, config.exclude)]
    rows = _rows(source, config, len(groups))
    if unscored := [name for name in groups if name not in {row.group for row in rows}]:
        output.err_console().print(f"{config.method} does not score {', '.join(unscored)}", markup=False)
    unpruned = accuracy_of(source, "val", rows[0].accuracy.n)
    if json:
        output.print_json({"ref": source.ref, "val": unpruned, "rows": rows})
    else:
        _print(source.ref, unpruned.value, rows)
    write_atomic(path, sensitivity_plot(source.ref, unpruned.value, rows, kind))
    output.err_console().print(f"wrote {path}", markup=False)


def _rows(source: "Checkpoint", config: "PruneConfig", groups: int) -> "list[Row]":
    from ..prune.sensitivity import sensitivity

    rows = []
    with output.bar(source.ref) as progress:
        for row in sensitivity(source, config, RATIOS):
            rows.append(row)
            progress("pruning", len(rows), groups * len(RATIOS))
    return rows


def _print(ref: str, unpruned: float, rows: "list[Row]") -> None:
    """A line for each channel group, with the accuracy at each ratio."""
    headers = [f"{100 * ratio:g} % dropped" for ratio in RATIOS]
    table = output.table("channel group", "channels", *headers, right=("channels", *headers))
    title = f"{ref}: val accuracy {unpruned:.4f} (it may have been trained on val); one channel group pruned at a time"
    table.title = title
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(row.group, []).append(row)
    for group, of_group in lines.items():
        table.add_row(group, str(of_group[0].channels), *(f"{row.accuracy.value:.4f}" for row in of_group))
    output.console().print(table)
