"""`reszoo doctor`: this machine, what works on it, and what makes measurements on it unreliable."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from . import output

if TYPE_CHECKING:
    from ..bench.doctor import Tool
    from ..core.measured import Host

GOOD, BAD, LACKING, WARN = "[green]✓[/green]", "[red]✗[/red]", "[dim]–[/dim]", "[yellow]![/yellow]"
MIB = 1 << 20


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show this machine, the runtimes and formats that work on it, and what makes its measurements unreliable.

    Example: reszoo doctor
    """
    from ..bench.doctor import examine

    diagnosis = examine()
    if json:
        output.print_json(diagnosis)
        return
    _section("Machine", _machine(diagnosis.host))
    _section("Runtimes", (row for tool in diagnosis.runtimes for row in _tool(tool)))
    _section("Formats", (row for tool in diagnosis.formats for row in _tool(tool)))
    _section("Int8", ((GOOD if each.present else LACKING, each.name, each.meaning) for each in diagnosis.int8))
    doubts = [row for each in diagnosis.doubts for row in ((WARN, each.what), ("", _aside(each.advice)))]
    _section("Measuring here, now", doubts or [(GOOD, "nothing found that would disturb a measurement")])


def _machine(host: "Host") -> "Iterator[tuple[str, str]]":
    cache = f", {host.last_level_cache_bytes / MIB:.0f} MiB last-level cache" if host.last_level_cache_bytes else ""
    yield "cpu", f"{host.cpu}, {host.cores} cores{cache}"
    yield "instructions", ", ".join(host.instruction_sets) or "unknown"
    yield "clock", _clock(host)
    limit = f", of which this process may use {output.size(host.memory_limit_bytes)}" if host.memory_limit_bytes else ""
    yield "memory", f"{output.size(host.memory_bytes)}{limit}"
    yield "gpu", host.gpu or "no NVIDIA GPU"
    yield "system", f"{host.os}; Python {host.python}"
    yield "reszoo", host.versions.get("reszoo", "not installed") + (f", commit {host.commit}" if host.commit else "")


def _clock(host: "Host") -> str:
    """ "up to 4700 MHz, governor performance, turbo on"."""
    facts = [
        f"up to {host.max_mhz:.0f} MHz" if host.max_mhz else None,
        f"governor {host.governor}" if host.governor else None,
        None if host.turbo is None else f"turbo {'on' if host.turbo else 'off'}",
    ]
    return ", ".join(filter(None, facts)) or "not told by this machine"


def _tool(tool: "Tool") -> "Iterator[tuple[str, ...]]":
    yield GOOD if tool.works else BAD, tool.name, tool.version or "", ", ".join(tool.devices)
    for why in tool.missing:
        yield "", "", "", _aside(f"{why.what.removeprefix(f'{tool.name} on ')}: {why.reason}")
        yield "", "", "", _aside(why.fix)


def _aside(text: str) -> str:
    from rich.markup import escape

    return f"[dim]{escape(text)}[/dim]"


def _section(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Aligned columns under a bold title; nothing at all without rows."""
    from rich.padding import Padding
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for row in rows:
        grid.add_row(*row)
    if grid.row_count:
        output.console().print(f"[bold]{title}[/bold]", Padding(grid, (0, 0, 1, 2)), sep="\n")
