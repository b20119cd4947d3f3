"""`reszoo target`: the devices that are measured on."""

from typing import Annotated

import typer

from . import output

app = typer.Typer(no_args_is_help=True, help="Look after the devices that are measured on.")


@app.callback()
def _group() -> None:
    """So that its only command has a name."""


@app.command()
def clean(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The device, as ssh://pi@board.")],
) -> None:
    """Remove the artifacts and inputs that measurements have left on a device, so that they need not be sent again.

    Example: reszoo target clean ssh://pi@board
    """
    from ..bench.target import parse_target

    with parse_target(target) as place:
        removed = place.clean()
    output.console().print(f"{output.size(removed)} removed from {target}.", markup=False)
