"""A report as one HTML file that needs no network: its data, our script and style, and the plotting library, inlined.

Everything that came from outside (names, details, hosts) travels as JSON and is shown as text only. A content
security policy allows the page's own scripts, by their hashes, and no connection to anywhere.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

import msgspec

from ..bench.rounding import figure
from ..core.measured import Measurement
from ..core.palette import COLOURS
from .columns import Cell, table
from .labels import host_facts, host_line, labels, settings
from .pareto import AXES, MEASURES, group
from .rounding import interval, percent
from .rows import Axis, Estimate, Report, Row
from .text import notes, split_of, splits

MOST_SAMPLES = 500
ASSETS = Path(__file__).parent
MEMORY_PARTS = ("runtime", "model", "first run", "later, to the peak")
COLD_START_PARTS = ("process start", "runtime import", "model load", "first run")

Span = tuple[float, float | None, float | None]


class AxisText(msgspec.Struct, frozen=True):
    """`unit` is what a row's figure is divided by before it is drawn."""

    title: str
    unit: float


AXIS_TEXTS: dict[Axis, AxisText] = {
    "latency": AxisText("latency of a batch, ms", 1e-3),
    "throughput": AxisText("throughput, images/s", 1.0),
    "size": AxisText("artifact, MB", 1e6),
    "memory": AxisText("memory taken, MB", 1e6),
}


class Texts(NamedTuple):
    """What a row is called: in full, beside its point, and its settings alone."""

    label: str
    name: str
    settings: str


class PageRow(msgspec.Struct, rename="camel"):
    """What the page knows of a row. Texts are final; numbers are in the units that the page prints beside them.

    name          beside its point: what the colour and the symbol do not say
    settings      under its model, where the columns that hold them are not shown
    x             (value, low, high) on each axis
    accuracy      (value, low, high) in per cent
    split         the data set that it was counted on, or ""
    group         rows with the same number are comparable
    quantiles_ms  the samples, or some of them, from the fastest to the slowest
    warnings      (kind, detail)
    """

    label: str
    name: str
    settings: str
    model: str
    runtime: str
    batch: int
    threads: int
    cells: list[Cell]
    hover: list[str]
    x: dict[Axis, Span]
    accuracy: Span | None
    split: str
    group: int | None
    pareto: tuple[Axis, ...]
    quantiles_ms: list[float]
    memory_mb: list[float]
    cold_start_ms: list[float]
    warnings: list[tuple[str, str]]
    command: str


class Page(msgspec.Struct, rename="camel"):
    """All that `page.js` reads.

    columns     (title, whether numbers, whether it is part of the row's name)
    splits      the data sets of the accuracies; a plot shows one
    host_facts  a line for each fact: its name, then each host's
    """

    title: str
    hosts: list[str]
    when: str
    columns: list[tuple[str, bool, bool]]
    same: list[str]
    notes: list[str]
    axes: dict[Axis, str]
    splits: list[str]
    memory_parts: tuple[str, ...]
    cold_start_parts: tuple[str, ...]
    advice: dict[str, str]
    host_facts: list[list[str]]
    most_samples: int
    rows: list[PageRow]


def html_page(report: Report) -> str:
    """The whole file."""
    page = _page(report)
    return filled("page", page.title, page)


def filled(name: str, title: str, page: msgspec.Struct) -> str:
    """The frame around the page of that name, with its script, the data, and all that they need."""
    from plotly.offline import get_plotlyjs

    script, plotly = _asset("base.js") + _asset(f"{name}.js"), get_plotlyjs()
    return Template(_asset("frame.html")).substitute(
        main=_asset(f"{name}.html"),
        title=escape(title),
        script_hashes=f"{_hash_source(plotly)} {_hash_source(script)}",
        style=f":root {{ {_palette()} }}\n{_asset('page.css')}",
        plotly=plotly,
        data=_inert(msgspec.json.encode(page).decode()),
        script=script,
    )


def _page(report: Report) -> Page:
    found = table(report.rows)
    groups = [group(row, report.hosts) for row in report.rows]
    facts = [host_facts(host) for host in report.hosts]
    dates = sorted({row.started_at[:10] for row in report.rows})
    models = len({row.model for row in report.rows})
    return Page(
        title=f"{_counted(len(report.rows), 'measurement')} of {_counted(models, 'model')}",
        hosts=[host_line(host) for host in report.hosts],
        when=dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}",
        columns=[(column.title, column.is_number, column.names_row) for column in found.columns],
        same=[f"{title} {text}" for title, text in found.same],
        notes=notes(report),
        axes={axis: AXIS_TEXTS[axis].title for axis in AXES},
        splits=splits(report.rows),
        memory_parts=MEMORY_PARTS,
        cold_start_parts=COLD_START_PARTS,
        advice={warning.kind: warning.advice for row in report.rows for warning in row.warnings},
        host_facts=[[key, *(its[key] for its in facts)] for key in facts[0]],
        most_samples=MOST_SAMPLES,
        rows=[
            _page_row(row, m, texts, cells, groups.index(its) if its else None)
            for row, m, texts, cells, its in zip(
                report.rows, report.measurements, _texts(report.rows), found.cells, groups, strict=True
            )
        ],
    )


def _texts(rows: Sequence[Row]) -> Iterator[Texts]:
    said = [settings(row) for row in rows]
    differing = [key for key in said[0] if key != "format" and len({its[key] for its in said}) > 1]
    named = labels(rows), labels(rows, without=("runtime", "batch"))
    for label, name, its in zip(*named, said, strict=True):
        yield Texts(label, name, ", ".join(its[key] for key in differing))


def _page_row(row: Row, m: Measurement, texts: Texts, cells: list[Cell], group_index: int | None) -> PageRow:
    memory, cold = row.memory_bytes, row.cold_start
    return PageRow(
        label=texts.label,
        name=texts.name,
        settings=texts.settings,
        model=row.model,
        runtime=row.runtime,
        batch=row.batch,
        threads=row.threads,
        cells=cells,
        hover=_hover(row, texts.label),
        x={axis: _span(its, AXIS_TEXTS[axis].unit) for axis in AXES if (its := MEASURES[axis](row))},
        accuracy=_span(row.accuracy, 0.01) if row.accuracy else None,
        split=split_of(row),
        group=group_index,
        pareto=row.pareto,
        quantiles_ms=quantiles_ms(m.samples_s),
        memory_mb=[part / 1e6 for part in (memory.runtime, memory.model, memory.first_run, memory.later)],
        cold_start_ms=[1e3 * part for part in (cold.start_s, cold.import_s, cold.load_s, cold.first_run_s)],
        warnings=[(warning.kind, warning.detail) for warning in row.warnings],
        command=row.command,
    )


def quantiles_ms(samples_s: Sequence[float]) -> list[float]:
    """The samples in order; of more than MOST_SAMPLES, as many evenly spaced ones, with the first and the last."""
    ordered, n = sorted(samples_s), min(len(samples_s), MOST_SAMPLES)
    return [1e3 * ordered[i * (len(ordered) - 1) // max(n - 1, 1)] for i in range(n)]


def _span(estimate: Estimate, unit: float) -> Span:
    low, high = (None if end is None else end / unit for end in (estimate.low, estimate.high))
    return estimate.value / unit, low, high


def _hover(row: Row, label: str) -> list[str]:
    """What stands beside a point that is pointed at: the row, in four lines."""
    latency = f"{figure(1e3 * row.latency_s.value)} ms ({interval(row.latency_s, unit=1e-3) or 'no interval'})"
    rate = f"{figure(row.images_per_s.value)} images/s, " if row.images_per_s else ""
    bytes_ = f"artifact {figure(row.artifact_bytes / 1e6)} MB, memory {figure(row.memory_bytes.taken / 1e6)} MB"
    lines = [label, latency, rate + bytes_]
    if row.accuracy:
        its = row.accuracy
        ends = interval(its, unit=0.01, decimals=2)
        lines.append(f"{percent(its.value)} % ({ends}) of {its.n:,} images of {its.where}")
    return lines + (["with warnings: see below"] if row.warnings else [])


def _palette() -> str:
    return " ".join(f"--c{number}: {colour};" for number, colour in enumerate(COLOURS))


def _counted(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n > 1)}"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash_source(script: str) -> str:
    """How a content security policy names an inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _inert(json: str) -> str:
    """JSON that no HTML parser can take for anything else: without "<", so without "</script" and "<!--"."""
    return json.replace("<", r"\u003c").replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")
