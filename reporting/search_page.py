"""A search as one HTML file that needs no network: the front, the rounds, the funnel, and why each candidate lost."""

from collections.abc import Sequence

import msgspec

from ..bench.rounding import figure
from .columns import Cell
from .page import Span, filled
from .rounding import interval, megabytes, percent
from .rows import Estimate
from .search import STAGES, Search, SearchRow

AXES = {"latency": "latency of a batch, ms", "size": "artifact, MB", "memory": "memory taken, MB"}
UNITS = {"latency": 1e-3, "size": 1e6, "memory": 1e6}
COLUMNS = (  # title, whether numbers
    ("candidate", False),
    ("", False),
    ("latency, ms", True),
    ("times the choice", True),
    ("top-1 on val, %", True),
    ("points lost", True),
    ("artifact, MB", True),
    ("memory, MB", True),
    ("why", False),
)


class Point(msgspec.Struct, rename="camel"):
    """A candidate. `x` is (value, low, high) on each axis; `accuracy` the same in per cent."""

    key: str
    name: str
    colour: str
    symbol: str
    status: str
    cells: list[Cell]
    x: dict[str, Span]
    accuracy: Span | None
    is_sources: bool
    hover: list[str]


class Page(msgspec.Struct, rename="camel"):
    """All that `search.js` reads."""

    outcome: str
    title: str
    reason: str
    asked: str
    gives: list[str]
    facts: list[str]
    axes: dict[str, str]
    columns: tuple[tuple[str, bool], ...]
    longest_ms: float | None
    rows: list[Point]
    rounds: list[tuple[int, dict[str, float]]]
    funnel: list[tuple[str, int]]
    machine: dict[str, str]
    warnings: tuple[str, ...]


def search_page(search: Search) -> str:
    """The whole file."""
    title = f"{search.outcome}: {search.choice or search.nearest or 'nothing'}"
    page = Page(
        outcome=search.outcome,
        title=title,
        reason=search.reason,
        asked=f"Asked for: {'; '.join(search.limits) or 'no limit'}; the best {search.objective}.",
        gives=list(search.gives),
        facts=_facts(search),
        axes=AXES,
        columns=COLUMNS,
        longest_ms=1e3 * search.longest_s if search.longest_s else None,
        rows=[_point(row, _names(search.rows)) for row in search.rows],
        rounds=[(r.number, {key: 1e3 * s for key, s in r.latencies_s.items()}) for r in search.rounds],
        funnel=_funnel(search.rows),
        machine=search.machine,
        warnings=search.warnings,
    )
    return filled("search", title, page)


def _facts(search: Search) -> list[str]:
    facts = []
    if test := search.test:
        lost = f"{percent(test.drop.value)} points lost (95 %: {interval(test.drop, unit=0.01, decimals=2)})"
        facts.append(
            f"On the {test.n:,} images of {test.split}, which chose nothing: {percent(test.accuracy.value)} %, "
            f"its source {percent(test.source_accuracy.value)} %; {lost}."
        )
    elif search.max_drop is None and search.objective != "accuracy":
        facts.append("No accuracy was measured: only what gives its source's answers took part.")
    facts += search.notes
    rounds = f"{len(search.rounds)} rounds of fresh processes"
    facts.append(f"{len(search.rows)} candidates, {rounds}, {search.minutes:.1f} minutes.")
    return facts


def _names(rows: Sequence[SearchRow]) -> bool:
    """Whether a network has to be named: there are several, or pruned ones."""
    return len({(row.network, row.plan) for row in rows if row.network}) > 1


def _point(row: SearchRow, has_several: bool) -> Point:
    network = f"{row.network.partition('.')[0]} {row.plan}".strip() + ", " if has_several and row.network else ""
    threads = f", {row.threads} threads" if row.threads > 1 else ""
    name = f"{network}{row.runtime} {row.how}{threads}" if row.runtime else row.key
    x = {
        "latency": _span(row.latency_s, "latency"),
        "size": _exact(row.size_bytes, "size"),
        "memory": _exact(row.memory_bytes, "memory"),
    }
    accuracy = row.accuracy and (row.accuracy.value, row.accuracy.low, row.accuracy.high)
    return Point(
        key=row.key,
        name=name,
        colour=row.runtime.partition(":")[0],
        symbol=row.how,
        status=row.status,
        cells=_cells(row, name),
        x={axis: span for axis, span in x.items() if span},
        accuracy=tuple(None if end is None else 100 * end for end in accuracy) if accuracy else None,  # type: ignore[arg-type]
        is_sources=row.is_sources,
        hover=[name, *_hover(row), row.why],
    )


def _cells(row: SearchRow, name: str) -> list[Cell]:
    return [
        Cell(name, name, f"{row.format}, {row.rounds} rounds" if row.rounds else row.format),
        Cell(row.status, row.status),
        _number(row.latency_s, 1e-3),
        _number(row.ratio, 1.0),
        _number(row.accuracy, 0.01, 2, "its source's" if row.is_sources else ""),
        _number(row.drop, 0.01, 2),
        Cell(row.size_bytes, megabytes(row.size_bytes) if row.size_bytes else ""),
        Cell(row.memory_bytes, megabytes(row.memory_bytes) if row.memory_bytes else ""),
        Cell(row.why, row.why, row.fix),
    ]


def _number(its: Estimate | None, unit: float, decimals: int | None = None, note: str = "") -> Cell:
    if its is None:
        return Cell(None, "")
    value = its.value / unit
    text = figure(value) if decimals is None else f"{value:.{decimals}f}"
    return Cell(its.value, text, note or interval(its, unit=unit, decimals=decimals))


def _hover(row: SearchRow) -> list[str]:
    lines = []
    if row.latency_s:
        ends = interval(row.latency_s, unit=1e-3)
        lines.append(f"{figure(1e3 * row.latency_s.value)} ms{f' ({ends})' if ends else ''}")
    if row.accuracy:
        ends = interval(row.accuracy, unit=0.01, decimals=2)
        lines.append(f"{percent(row.accuracy.value)} % ({ends}) of {row.images:,} images of val")
    return lines


def _funnel(rows: Sequence[SearchRow]) -> list[tuple[str, int]]:
    """How many came so far, and no fewer at an earlier stage."""
    return [(stage, sum(STAGES.index(row.stage) >= at for row in rows)) for at, stage in enumerate(STAGES)]


def _span(its: Estimate | None, axis: str) -> Span | None:
    if its is None:
        return None
    low, high = (None if end is None else end / UNITS[axis] for end in (its.low, its.high))
    return its.value / UNITS[axis], low, high


def _exact(value: float | None, axis: str) -> Span | None:
    return None if value is None else (value / UNITS[axis], None, None)
