"""`reszoo list`: the catalogue."""

from typing import Annotated

import typer

from . import output


def list_(
    patterns: Annotated[list[str] | None, typer.Argument(help="Names with wildcards; all when left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the checkpoints of the catalogue, and whether they are on this machine.

    Example: reszoo list 'resnet*_v2*'
    """
    from .. import zoo

    refs = [ref for pattern in patterns or ["*"] for ref in zoo.resolve(pattern)]
    entries = [zoo.summary(ref) for ref in dict.fromkeys(refs)]
    if json:
        output.print_json(entries)
        return
    table = output.table("ref", "data set", "top-1", "accuracy is", "licence", "here", right=("top-1",))
    for entry in entries:
        accuracy = "" if entry.accuracy is None else f"{100 * entry.accuracy:.2f} %"
        table.add_row(entry.ref, entry.dataset, accuracy, entry.origin, entry.licence, entry.where)
    output.console().print(table)
