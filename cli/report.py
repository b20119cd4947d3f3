"""`reszoo report`: measurements as a table, a page and a plot."""

from pathlib import Path
from typing import Annotated

import typer

from . import options, output


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
    from ..reporting.text import json_rows, markdown_text
    from ..workflows.reporting import report as run

    made = run(
        runs,
        html=html,
        markdown=markdown,
        csv=csv,
        plot=plot,
        on_left_out=lambda other: output.err_console().print(
            f"{other} is a comparison, not a measurement: left out", markup=False
        ),
    )
    files = [path for path in (html, markdown, csv, plot) if path]
    for path in files:
        output.err_console().print(f"wrote {path}", markup=False)
    if json:
        output.print_json(json_rows(made))
    elif not files:
        output.echo(markdown_text(made), end="")
