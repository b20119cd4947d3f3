"""`reszoo sign`: an artifact's signature."""

import os
from pathlib import Path
from typing import Annotated

import typer

from . import output

PASSWORD = "RESZOO_KEY_PASSWORD"  # noqa: S105 - the variable's name


def sign(
    ref: Annotated[str, typer.Argument(metavar="ARTIFACT", help="An artifact's folder, or hf://OWNER/NAME.")],
    key: Annotated[Path, typer.Option(metavar="PEM", help="The private key.")],
) -> None:
    """Sign an artifact's folder, for `reszoo verify --key` to find changes. RESZOO_KEY_PASSWORD opens a locked key.

    Example: reszoo sign r20-int8 --key key.pem, and where it is used: reszoo verify r20-int8 --key public.pem
    """
    from ..workflows import trusting
    from .doctor import artifact_in

    artifact = artifact_in(ref)
    made = trusting.sign(artifact, key, password=os.environ.get(PASSWORD) or None)
    output.console().print(f"signed: {made}", markup=False)
