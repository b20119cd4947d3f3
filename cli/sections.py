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
    from rich.text import Text

    from .tables import aligned

    console = output.console()
    lines = list(aligned([[Text.from_markup(cell) for cell in row] for row in rows], console.width))
    if lines:
        console.print(f"[bold]{title}[/bold]", *lines, "", sep="\n")
