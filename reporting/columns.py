"""The table's columns, for Markdown and for the page: what a cell says, and what it is sorted by."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..bench.rounding import figure, milliseconds
from .rounding import interval, megabytes, percent
from .rows import Row

FRONT_MARK = "★"


class Cell(NamedTuple):
    """`note` stands small beside the text; most often it is an interval. A `value` of None is sorted last."""

    value: float | str | None
    text: str
    note: str = ""


class Column(NamedTuple):
    """One figure or one setting.

    is_setting  if all rows have the same, it is said once and not in a column
    names_row   it is part of what tells one row from another, which a narrow page says under the model
    """

    title: str
    cell: Callable[[Row], Cell]
    is_number: bool = True
    is_setting: bool = False
    names_row: bool = False


class Table(NamedTuple):
    """`same` holds what all rows have in common: (title, text)."""

    columns: list[Column]
    cells: list[list[Cell]]
    same: list[tuple[str, str]]


def table(rows: Sequence[Row]) -> Table:
    """The columns that say something about these rows."""
    shown, same = [], []
    for column in COLUMNS:
        texts = {column.cell(row).text for row in rows}
        if texts == {""}:
            continue
        if column.is_setting and len(texts) == 1:
            same.append((column.title, texts.pop()))
        else:
            shown.append(column)
    return Table(shown, [[column.cell(row) for column in shown] for row in rows], same)


def _text(read: Callable[[Row], str]) -> Callable[[Row], Cell]:
    return lambda row: Cell(read(row), read(row))


def _number(read: Callable[[Row], float]) -> Callable[[Row], Cell]:
    return lambda row: Cell(read(row), f"{read(row):,}")


def _runtime(row: Row) -> Cell:
    return Cell(row.runtime, row.runtime, row.format if row.format != row.runtime else "")


def _latency(row: Row) -> Cell:
    return Cell(row.latency_s.value, milliseconds(row.latency_s.value), interval(row.latency_s, unit=1e-3))


def _tail(row: Row) -> Cell:
    if row.p90_s is None:
        return Cell(None, "")
    return Cell(row.p90_s, milliseconds(row.p90_s), f"p99 {milliseconds(row.p99_s)}" if row.p99_s else "")


def _throughput(row: Row) -> Cell:
    its = row.images_per_s
    return Cell(its.value, figure(its.value), interval(its)) if its else Cell(None, "")


def _accuracy(row: Row) -> Cell:
    its = row.accuracy
    return Cell(its.value, percent(its.value), interval(its, unit=0.01, decimals=2)) if its else Cell(None, "")


def _artifact(row: Row) -> Cell:
    return Cell(row.artifact_bytes, megabytes(row.artifact_bytes), f"{megabytes(row.compressed_bytes)} packed")


def _cold_start(row: Row) -> Cell:
    start = row.cold_start
    seconds = start.start_s + start.import_s + start.load_s + start.first_run_s
    return Cell(seconds, milliseconds(seconds))


def _cache(row: Row) -> Cell:
    text = "cold" if row.cold_cache else "warm"
    return Cell(text, text)


def _warnings(row: Row) -> Cell:
    kinds = dict.fromkeys(warning.kind.replace("_", " ") for warning in row.warnings)
    return Cell(len(row.warnings), ", ".join(kinds))


COLUMNS = (
    Column("model", _text(lambda row: row.model), is_number=False),
    Column("runtime", _runtime, is_number=False, names_row=True),
    Column("device", _text(lambda row: row.device), is_number=False, is_setting=True, names_row=True),
    Column("precision", _text(lambda row: row.precision), is_number=False, is_setting=True, names_row=True),
    Column("input", _text(lambda row: row.input_dtype), is_number=False, is_setting=True, names_row=True),
    Column("batch", _number(lambda row: row.batch), names_row=True),
    Column("threads", _number(lambda row: row.threads), names_row=True),
    Column("streams", _number(lambda row: row.streams), is_setting=True, names_row=True),
    Column("cache", _cache, is_number=False, is_setting=True, names_row=True),
    Column("host", _number(lambda row: row.host + 1), is_setting=True, names_row=True),
    Column("target", _text(lambda row: row.target), is_number=False, is_setting=True, names_row=True),
    Column("figures", _text(lambda row: row.way), is_number=False, is_setting=True, names_row=True),
    Column("latency, ms", _latency),
    Column("accuracy, %", _accuracy),
    Column("front", lambda row: Cell(int("latency" in row.pareto), FRONT_MARK * ("latency" in row.pareto))),
    Column("p90, ms", _tail),
    Column("images/s", _throughput),
    Column("artifact, MB", _artifact),
    Column("memory, MB", lambda row: Cell(row.memory_bytes.taken, megabytes(row.memory_bytes.taken))),
    Column("cold start, ms", _cold_start),
    Column("samples", _number(lambda row: row.n_samples)),
    Column("warnings", _warnings, is_number=False, is_setting=True),
)
