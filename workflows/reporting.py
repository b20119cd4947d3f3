"""`report`: measurements as a table, a page and a plot."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.errors import UsageError
from ..core.measured import Measurement

if TYPE_CHECKING:
    from ..reporting import Report

PLOTS: dict[str, Literal["png", "svg"]] = {".png": "png", ".svg": "svg"}


def report(
    measurements: "Measurement | str | os.PathLike[str] | Sequence[Measurement | str | os.PathLike[str]]",
    *,
    html: "str | os.PathLike[str] | None" = None,
    markdown: "str | os.PathLike[str] | None" = None,
    csv: "str | os.PathLike[str] | None" = None,
    plot: "str | os.PathLike[str] | None" = None,
    on_left_out: Callable[[Path], None] = lambda path: None,
) -> "Report":
    """Put measurements into one report, and write it in whatever form is asked for.

    Args:
        measurements: One or several measurements, files of them, and folders of such files.
        html: A file for one page with tables and plots, which needs no network.
        markdown: A file for the table as Markdown.
        csv: A file for all figures in full, a line for each row.
        plot: A .png or .svg file for accuracy against latency.
        on_left_out: Is told of a file that is a comparison.

    Returns:
        The report, a row for each measurement.

    Raises:
        UsageError: There is no measurement, a file is none, or the plot's name tells no picture format.
    """
    from ..core.files import write_atomic
    from ..reporting import build
    from ..reporting.page import html_page
    from ..reporting.plot import pareto_plot
    from ..reporting.runs import read
    from ..reporting.text import csv_text, markdown_text

    kind = plot_format(Path(plot)) if plot is not None else "svg"
    several = [measurements] if isinstance(measurements, Measurement | str | os.PathLike) else list(measurements)
    paths = [Path(each) for each in several if not isinstance(each, Measurement)]
    given = [each for each in several if isinstance(each, Measurement)]
    found = read(paths) if paths else None
    for other in found.others if found else ():
        on_left_out(other)
    made = build([*given, *(found.measurements if found else ())])
    files: dict[Path, bytes] = {}  # all are made before any is written
    if html is not None:
        files[Path(html)] = html_page(made).encode()
    if markdown is not None:
        files[Path(markdown)] = markdown_text(made).encode()
    if csv is not None:
        files[Path(csv)] = csv_text(made).encode()
    if plot is not None:
        files[Path(plot)] = pareto_plot(made, kind)
    for path, data in files.items():
        write_atomic(path, data)
    return made


def plot_format(path: Path) -> Literal["png", "svg"]:
    """By the file's name. Raises UsageError for one that tells no picture format."""
    if path.suffix not in PLOTS:
        raise UsageError(f"{path} is neither a .png nor a .svg file", f"Write it as `plot={path.with_suffix('.svg')}`.")
    return PLOTS[path.suffix]
