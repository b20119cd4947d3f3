"""`reszoo view`: an artifact's graph in a viewer of models."""

from typing import Annotated, Literal

import typer

from . import output


def view(
    ref: Annotated[
        str, typer.Argument(metavar="ARTIFACT", help="An artifact's folder, or hf://OWNER/NAME.", show_default=False)
    ],
    viewer: Annotated[
        Literal["model-explorer", "netron"] | None,
        typer.Option(help="Which.", show_default="the first that is installed", rich_help_panel="Viewer"),
    ] = None,
    overlay: Annotated[
        bool,
        typer.Option(
            help="Profile an ONNX artifact first, and show each node's time and wrong integers.",
            rich_help_panel="Viewer",
        ),
    ] = True,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Of this machine.", show_default="a free one", rich_help_panel="Viewer"),
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser.", rich_help_panel="Viewer")] = True,
) -> None:
    """Show an artifact's graph in Model Explorer or Netron, until Ctrl-C.

    Example: reszoo view resnet20_v1.akamaster_cifar10-onnx-int8
    """
    from ..workflows.viewing import view as run
    from .doctor import artifact_in

    with output.bar() as progress:
        shown = run(artifact_in(ref), viewer=viewer, overlay=overlay, port=port, browse=browser, progress=progress)
    what = f", with {' and '.join(overlay.title for overlay in shown.overlays)}" if shown.overlays else ""
    output.console().print(f"{shown.viewer} shows {ref} at {shown.url}{what}; Ctrl-C ends it", markup=False)
    output.console().file.flush()
    shown.wait()
