"""`reszoo study`: claims about residual networks, decided by measurements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..core.registry import listed
from . import options, output

if TYPE_CHECKING:
    from ..studies import StudyResult

STUDIES = listed(Path(__file__).resolve().parents[1] / "studies")


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"The study: {', '.join(STUDIES)}.")],
    scale: Annotated[
        Literal["smoke", "cpu", "gpu"],
        typer.Option(
            help="smoke: seconds. cpu: minutes to hours on two cores. gpu: on a CUDA GPU.", rich_help_panel="Study"
        ),
    ] = "cpu",
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Runs of each condition.", show_default="the scale's own number", rich_help_panel="Study"
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="digits or cifar10.", show_default="digits", rich_help_panel="Study")
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes on this machine; studies that measure time use one.",
            rich_help_panel="Machines",
        ),
    ] = 2,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler, as tcp://HOST:PORT, whose workers are used instead.",
            rich_help_panel="Machines",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study in --out.", rich_help_panel="Output")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the runs, the plots and the page go.",
            show_default="studies-out/NAME",
            rich_help_panel="Output",
        ),
    ] = None,
    track: options.Track = None,
    json: options.Json = False,
) -> None:
    """Measure what is said of residual networks. Every finished run is kept, and --resume goes on from them.

    Example: reszoo study gradient-flow --scale smoke
    """
    from ..workflows.studying import FOLDER
    from ..workflows.studying import study as run

    with output.bar() as progress:
        result = run(
            name,
            scale=scale,
            seeds=seeds,
            data=data,
            out=out,
            workers=workers,
            dask=dask,
            resume=resume,
            progress=progress,
            trackers=track or (),
        )
    if json:
        output.print_json(result)
    else:
        _print(result)
    page = output.nearby((out or FOLDER / name) / "README.md")
    output.err_console().print(f"Everything is in {page}.", markup=False)


def _print(result: "StudyResult") -> None:
    table = output.table("claim", "verdict", "hypothesis")
    for finding in result.findings:
        table.add_row(finding.claim.key, finding.verdict, finding.claim.hypothesis)
    output.console().print(result.question, markup=False)
    output.console().print(table)
    for checked in result.controls:
        if checked.is_wrong:
            output.err_console().print(
                f"The control {checked.control.key} came out wrong: no verdict stands.", markup=False
            )
    output.console().print(
        f"{result.runs} runs, {result.core_minutes:.1f} core-minutes, {result.images:,} images", markup=False
    )
