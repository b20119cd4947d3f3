"""`reszoo list`: the catalogue."""

from typing import Annotated

import typer

from . import output

RIGHT = ("top-1", "params", "MACs")


def list_(
    patterns: Annotated[list[str] | None, typer.Argument(help="Names with wildcards; all when left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the checkpoints of the catalogue, and whether they are on this machine.

    Example: reszoo list 'resnet*_v2*'
    """
    from .. import zoo

    found = {card.ref: card for pattern in patterns or ["*"] for card in zoo.list_models(pattern)}
    entries = list(found.values())
    if json:
        output.print_json(entries)
        return
    table = output.table("ref", "data set", "top-1", "accuracy is", "params", "MACs", "licence", "here", right=RIGHT)
    for entry in entries:
        accuracy = "" if entry.accuracy is None else f"{100 * entry.accuracy:.2f} %"
        sizes = output.count(entry.params), output.count(entry.macs)
        table.add_row(entry.ref, entry.dataset, accuracy, entry.origin, *sizes, entry.licence, entry.where)
    output.console().print(table)
