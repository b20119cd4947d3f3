"""`reszoo list`: the catalogue, and the architectures that have a name."""

from typing import Annotated

import typer

from . import output

RIGHT = ("top-1", "params", "MACs")
OPTIONAL = ("accuracy is", "licence", "params", "MACs")  # `show` has them, too


def list_(
    patterns: Annotated[list[str] | None, typer.Argument(help="Names with wildcards; all when left out.")] = None,
    arch: Annotated[bool, typer.Option("--arch", help="List architectures instead, which have no weights.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the checkpoints of the catalogue and those that were made here, and which are on this machine.

    A wildcard without a dot is of the architecture, so that v2 is a family; 'resnet20*.akamaster*' is of both.

    Example: reszoo list 'resnet*_v2*'
    """
    from .. import zoo

    if arch:
        _list_architectures(patterns or ["*"], json)
        return
    found = {card.ref: card for pattern in patterns or ["*"] for card in zoo.list_models(pattern)}
    entries = list(found.values())
    if json:
        output.print_json(entries)
        return
    headers = ("ref", "data set", "top-1", "accuracy is", "params", "MACs", "licence", "here")
    table = output.table(*headers, right=RIGHT, optional=OPTIONAL)
    for entry in entries:
        accuracy = "" if entry.accuracy is None else f"{100 * entry.accuracy:.2f} %"
        sizes = output.count(entry.params), output.count(entry.macs)
        table.add_row(entry.ref, entry.dataset, accuracy, entry.origin, *sizes, entry.licence, entry.where)
    output.console().print(table)


def _list_architectures(patterns: list[str], json: bool) -> None:
    from fnmatch import fnmatchcase

    from ..core.registry import unknown
    from ..models import names, spec_of
    from ..models.network import summary

    known = names()
    found = [name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not found:
        raise unknown(patterns[0], known, "architecture")
    specs = {name: spec_of(name) for name in found}
    if json:
        output.print_json([{"name": name, "spec": spec} for name, spec in specs.items()])
        return
    table = output.table("architecture", "input", "classes", "it is", right=("classes",))
    for name, spec in specs.items():
        table.add_row(name, " x ".join(map(str, spec.input)), str(spec.num_classes), summary(spec))
    output.console().print(table)
