"""`reszoo sign`: an artifact's signature, made and checked."""

import os
from pathlib import Path
from typing import Annotated

import typer

from . import output

PASSWORD = "RESZOO_KEY_PASSWORD"  # noqa: S105 - the variable's name


def sign(
    ref: Annotated[str, typer.Argument(metavar="ARTIFACT", help="An artifact's folder, or hf://OWNER/NAME.")],
    key: Annotated[
        Path,
        typer.Option(metavar="PEM", help="The private key; with --check, the public one.", rich_help_panel="Signature"),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Sign nothing, check the signature.", rich_help_panel="Signature")
    ] = False,
) -> None:
    """Sign an artifact's folder, or check that it is what was signed. RESZOO_KEY_PASSWORD opens a locked key.

    Example: reszoo sign r20-int8 --key key.pem, and where it is used: reszoo sign r20-int8 --key public.pem --check
    """
    from ..workflows import trusting
    from .doctor import artifact_in

    artifact = artifact_in(ref)
    if check:
        trusting.check_signature(artifact, key)
        output.console().print(f"{artifact.path} is what was signed with {key}", markup=False)
        return
    made = trusting.sign(artifact, key, password=os.environ.get(PASSWORD) or None)
    output.console().print(f"signed: {made}", markup=False)
