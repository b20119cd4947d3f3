"""`reszoo sbom`: an artifact's bill of materials."""

from typing import Annotated

import typer

from . import output


def sbom(
    refs: Annotated[list[str], typer.Argument(metavar="ARTIFACT...", help="Folders of artifacts.")],
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the weights.", show_default="its source's, if that is here", rich_help_panel="SBOM"
        ),
    ] = None,
) -> None:
    """Write sbom.cdx.json (CycloneDX) into artifacts' folders: their files, and the versions of all that made them.

    Example: reszoo sbom r20 r20-int8
    """
    from ..workflows.trusting import write_sbom
    from .doctor import artifact_in

    for artifact in [artifact_in(ref) for ref in refs]:
        output.console().print(f"wrote {write_sbom(artifact, licence=licence)}", markup=False)
