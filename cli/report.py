"""`reszoo report`: measurements as a table, a page and a plot."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import UsageError
from . import options, output

PLOTS: dict[str, Literal["png", "svg"]] = {".png": "png", ".svg": "svg"}


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Measurements (JSON), and folders that reszoo bench wrote.")
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="One page with tables and plots; needs no network.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="The table as Markdown.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="All figures in full, a line for each row.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Accuracy against latency, as .png or .svg.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Report on measurements: as Markdown on standard output, or as whatever is asked for.

    Example: reszoo report results --html page.html --plot pareto.svg
    """
    from ..core.files import write_atomic
    from ..report import build
    from ..report.page import html_page
    from ..report.plot import pareto_plot
    from ..report.runs import read
    from ..report.text import csv_text, json_rows, markdown_text

    if plot and plot.suffix not in PLOTS:
        raise UsageError(f"--plot {plot} is neither a .png nor a .svg file", "Write it as --plot pareto.svg.")
    found = read(runs)
    for other in found.others:
        output.err_console().print(f"{other} is a comparison, not a measurement: left out", markup=False)
    made = build(found.measurements)
    files: dict[Path, bytes] = {}  # all are made before any is written
    if html:
        files[html] = html_page(made).encode()
    if markdown:
        files[markdown] = markdown_text(made).encode()
    if csv:
        files[csv] = csv_text(made).encode()
    if plot:
        files[plot] = pareto_plot(made, PLOTS[plot.suffix])
    for path, data in files.items():
        write_atomic(path, data)
        output.err_console().print(f"wrote {path}", markup=False)
    if json:
        output.print_json(json_rows(made))
    elif not files:
        typer.echo(markdown_text(made), nl=False)
