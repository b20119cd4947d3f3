"""Aligned rows under a title, each with a sign: what `reszoo doctor` prints."""

from collections.abc import Iterable

from . import output

GOOD, BAD, LACKING, WARN = "[green]✓[/green]", "[red]✗[/red]", "[dim]–[/dim]", "[yellow]![/yellow]"


def aside(text: str) -> str:
    from rich.markup import escape

    from .spelling import spelled

    return f"[dim]{escape(spelled(text))}[/dim]"


def section(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Aligned columns under a bold title; nothing at all without rows."""
    from rich.padding import Padding
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for row in rows:
        grid.add_row(*row)
    if grid.row_count:
        output.console().print(f"[bold]{title}[/bold]", Padding(grid, (0, 0, 1, 2)), sep="\n")
