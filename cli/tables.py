"""Tables and texts that can be read at any width: words stay whole, so that a name or a path can be copied."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from .spelling import spelled

INDENT, GAP = 2, 2
WORD = re.compile(r"\s*\S+")


class PlainTable(Table):
    """Columns under a header. Cells and the title are text: a class may be called "[other]", which would be markup.

    Where the words do not fit side by side, the columns named in `optional` are left out, one after another, which is
    said; where that is not enough, the rows stand below each other.
    """

    def __init__(self, headers: Sequence[str], right: Sequence[str] = (), optional: Sequence[str] = ()) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
        self.optional = optional
        for header in headers:
            self.add_column(header, justify="right" if header in right else "left", overflow="fold")

    def add_row(self, *cells: Any, **options: Any) -> None:
        plain = (escape(spelled(cell)) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*plain, **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        title, everything = self.title, self.columns
        try:
            self.title = None  # which would be as narrow as the table
            if title is not None:
                yield from hanging(Text(spelled(str(title)), style="bold"), options.max_width)
            yield from self._fitted(console, options, everything)
        finally:
            self.title, self.columns = title, everything

    def _fitted(self, console: Console, options: ConsoleOptions, everything: list[Column]) -> RenderResult:
        sizes = [_size(column, console, options) for column in everything]
        for count in range(len(self.optional) + 1):
            shown = [at for at, column in enumerate(everything) if column.header not in self.optional[:count]]
            room = options.max_width - GAP * len(shown)  # between columns, and at both edges
            if sum(sizes[at].minimum for at in shown) <= room:
                widths = _widths([sizes[at] for at in shown], room)
                self.columns = [
                    replace(everything[at], width=width, _index=place)  # by which the last one knows that it is
                    for place, (at, width) in enumerate(zip(shown, widths, strict=True))
                ]
                yield from super().__rich_console__(console, options)
                if count:
                    columns = ", ".join(f'"{header}"' for header in self.optional[:count])
                    yield from hanging(Text(f"left out at this width: {columns}", style="dim"), options.max_width)
                return
        yield from self._as_list(options.max_width)

    def _as_list(self, width: int) -> RenderResult:
        """A paragraph for each row: its first cell, and below it the others behind their columns' headers."""
        labels = [Text.from_markup(str(column.header)) for column in self.columns[1:]]
        for first, *others in zip(*(column.cells for column in self.columns), strict=True):
            yield ""
            yield from hanging(Text.from_markup(str(first), style="bold"), width)
            cells = [Text.from_markup(str(cell)) for cell in others]
            yield from aligned(([label, cell] for label, cell in zip(labels, cells, strict=True) if cell), width)


def aligned(rows: Iterable[Sequence[Text]], width: int) -> Iterator[Text]:
    """Rows of cells below each other, indented, whose last ones wrap.

    A row whose last cell is its only one is a remark on the row above, and stands right behind the first column.
    """
    found = list(rows)
    full = [row[:-1] for row in found if any(row[:-1])]
    widths = [max(cell.cell_len for cell in column) for column in zip(*full, strict=True)]
    remark = Text(" " * (INDENT + (widths[0] if widths else 0) + GAP))
    for *first, last in found:
        lead = Text(" " * INDENT)
        for cell, size in zip(first, widths, strict=True):
            lead += cell + " " * (size - cell.cell_len + GAP)
        yield from hanging(last, width, lead if any(first) else remark)


def hanging(text: Text, width: int, lead: Text | None = None) -> Iterator[Text]:
    """Lines of at most `width`, but for longer words; all are indented as far as `lead`, with which they begin."""
    lead = lead or Text()
    below = " " * lead.cell_len
    if lead.plain.strip() and width - lead.cell_len < min(_longest_word(text), width // 2):
        lead.rstrip()
        yield _line(lead)
        lead, below = Text(" " * 2 * INDENT), " " * 2 * INDENT
    for number, line in enumerate(wrapped(text, width - len(below))):
        yield _line((lead if number == 0 else Text(below)) + line)


def wrapped(text: Text, width: int) -> Iterator[Text]:
    """Its lines, broken between words only: one that is longer than `width` has a line of its own."""
    for line in text.split("\n", allow_blank=True):
        breaks, used = [], 0
        for match in WORD.finditer(line.plain):
            word = Text(match[0])
            if used and used + word.cell_len > width:
                breaks.append(match.start() + len(match[0]) - len(match[0].lstrip()))
                used = Text(match[0].lstrip()).cell_len
            else:
                used += word.cell_len
        *first, last = line.divide(breaks)
        for part in first:
            part.rstrip()
        yield from (*first, last)


def _line(text: Text) -> Text:
    text.rstrip()
    text.no_wrap, text.overflow = True, "ignore"
    return text


def _longest_word(text: Text) -> int:
    return max((Text(word).cell_len for word in text.plain.split()), default=0)


def _size(column: Column, console: Console, options: ConsoleOptions) -> Measurement:
    """The narrowest that breaks no word, nor a figure from its unit, and the narrowest that breaks no line."""
    header, *cells = (
        Measurement.get(console, options.update(max_width=10_000), cell) for cell in (column.header, *column.cells)
    )
    if column.justify == "right":
        cells = [Measurement(cell.maximum, cell.maximum) for cell in cells]
    return Measurement(*(max(sizes) for sizes in zip(header, *cells, strict=True)))


def _widths(sizes: Sequence[Measurement], room: int) -> list[int]:
    """As wide as they are by nature, the least demanding columns first: figures stay whole, and sentences wrap."""
    widths = [size.minimum for size in sizes]
    for at in sorted(range(len(sizes)), key=lambda at: sizes[at].span):
        widths[at] += min(sizes[at].span, room - sum(widths))
    return widths
