"""`reszoo verify`: what an artifact, a card, a measurement or a search claims, measured again."""

from pathlib import Path
from typing import Annotated

import typer

from . import options, output


def verify(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH|REF...",
            help="Folders of artifacts, searches and measurements, their files, and names of checkpoints.",
        ),
    ],
    latency: Annotated[bool, typer.Option(help="Measure latencies too, where the claim is of this machine.")] = True,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM",
            help="The public key that the artifacts were signed with: check their signatures, and run nothing that is "
            "not what was signed.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Measure again what is claimed: hashes, sizes, parity, accuracies, latencies and their ratios, and signatures.

    Example: reszoo verify resnet8_v1.reszoo_digits
    """
    from ..workflows.verifying import check_verified
    from ..workflows.verifying import verify as run

    with output.bar() as progress:
        found = run(*targets, latency=latency, key=key, progress=progress)
    if json:
        output.print_json([each._asdict() for each in found])
    else:
        table = output.table("claim", "claimed", "found", "outcome", "by")
        for each in found:
            table.add_row(*each)
        output.console().print(table)
    check_verified(found)
