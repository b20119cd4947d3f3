"""A report as Markdown, CSV and JSON."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from ..core.cleaning import for_csv
from ..core.documents import to_builtins
from ..core.measured import ColdStart
from ..core.types import Record
from .columns import FRONT_MARK, Cell, Column, table
from .labels import host_line, labels, packages
from .rows import Estimate, MemoryParts, Report, Row, Top1

Field = str | float | None
NESTED: dict[str, type[Record]] = {
    "latency_s": Estimate,
    "images_per_s": Estimate,
    "accuracy": Top1,
    "memory_bytes": MemoryParts,
    "cold_start": ColdStart,
}
NOTES = (
    "Latency is the median over runs of one batch; ranges are 95 % intervals.",
    f"{FRONT_MARK}: on the Pareto front. Among the rows of its machine, batch, data set and state of the caches, none "
    "is at least as fast and as accurate, and better in one of the two.",
    "Memory is what the runtime and the model took at the peak, beyond the interpreter and the inputs.",
)


def markdown_text(report: Report) -> str:
    """The table, what holds for all its rows, the warnings with advice, and the command behind each row."""
    found = table(report.rows)
    hosts = [f"{host_line(host)}; {packages(host)}" for host in report.hosts]
    lines = hosts if len(hosts) == 1 else [f"Host {i}: {line}" for i, line in enumerate(hosts, 1)]
    parts = ["  \n".join(map(_escaped, lines)), _table(found.columns, found.cells)]
    if found.same:
        parts.append("All rows: " + ", ".join(f"{title} {_escaped(text)}" for title, text in found.same) + ".")
    parts.append("\n".join(f"- {note}" for note in notes(report)))
    if lines := _warnings(report):
        parts += ["## Warnings", "\n".join(lines)]
    commands = dict.fromkeys(row.command for row in report.rows)
    parts += ["## How to repeat it", "\n".join(f"    {line}" for line in "\n".join(commands).splitlines())]
    return "\n\n".join(parts) + "\n"


def notes(report: Report) -> list[str]:
    """How the table is to be read."""
    scores = [row.accuracy for row in report.rows if row.accuracy]
    counted = sorted({f"{its.where} (n = {its.n:,})" for its in scores})
    accuracy = [f"Accuracy is top-1 on {', '.join(counted)}."] if scores else []
    if any(its.is_shared for its in scores):
        accuracy.append("It was counted in one scenario, and stands in all rows of the same artifact and runtime.")
    return [*NOTES, " ".join(accuracy)] if accuracy else list(NOTES)


def split_of(row: Row) -> str:
    """ "cifar10/test": what its accuracy was counted on; "" without one."""
    return row.accuracy.where if row.accuracy else ""


def splits(rows: Sequence[Row]) -> list[str]:
    """What the rows' accuracies were counted on, in the rows' order. A plot shows one of them."""
    return list(dict.fromkeys(split_of(row) for row in rows if row.accuracy))


def csv_text(report: Report) -> str:
    """A line for each row, every figure in full, in the units that the header names."""
    buffer = io.StringIO()
    records = [_record(row) for row in report.rows]
    writer = csv.DictWriter(buffer, fieldnames=list(records[0]))
    writer.writeheader()
    writer.writerows(
        {name: for_csv(value) if isinstance(value, str) else value for name, value in record.items()}
        for record in records
    )
    return buffer.getvalue()


def json_rows(report: Report) -> dict[str, object]:
    """The hosts and the rows as plain data; the samples stay in the measurements."""
    return {
        "schema": report.schema.newest,
        "hosts": [to_builtins(host) for host in report.hosts],
        "rows": [to_builtins(row) for row in report.rows],
    }


def _table(columns: Sequence[Column], cells: Iterable[Iterable[Cell]]) -> str:
    lines = [
        [column.title for column in columns],
        ["---:" if column.is_number else ":---" for column in columns],
        *[[_markdown_cell(cell) for cell in row] for row in cells],
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _markdown_cell(cell: Cell) -> str:
    return _escaped(cell.text) + (f" ({_escaped(cell.note)})" if cell.note else "")


def _escaped(text: str) -> str:
    """As text in Markdown: no tag, link, emphasis or new cell can begin in it."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*\[\]|])", r"\\\1", text)


def _warnings(report: Report) -> list[str]:
    """A list of what was seen, with what to do about it, and under it a list of the rows."""
    advice = {warning.kind: warning.advice for row in report.rows for warning in row.warnings}
    named = list(zip(labels(report.rows), report.rows, strict=True))
    lines = []
    for kind in advice:
        lines.append(f"- {kind.replace('_', ' ')}. {_escaped(advice[kind])}")
        seen = [(name, warning.detail) for name, row in named for warning in row.warnings if warning.kind == kind]
        lines += [f"  - {_escaped(f'{name}: {detail}')}" for name, detail in seen]
    return lines


def _record(row: Row) -> dict[str, Field]:
    """A row as flat fields, the same for every row: `latency_s.value`, `latency_s.low`, `memory_bytes.model`, ..."""
    record: dict[str, Field] = {}
    for name in Row.__struct_fields__:
        value = getattr(row, name)
        if kind := NESTED.get(name):
            record |= {f"{name}.{part}": getattr(value, part, None) for part in kind.__struct_fields__}
        else:
            record[name] = value
    record["warnings"] = "; ".join(f"{warning.kind}: {warning.detail}" for warning in row.warnings)
    record["pareto"] = " ".join(row.pareto)
    return record
