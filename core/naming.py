"""How the nodes of an exported graph are named: by the network's modules, whatever the exporter numbers.

stages.2.0.convs.1       the node that a module makes
stages.2.0.act_1         the second node of the same module and kind, in the order of the graph
stages.2.0.shortcut.pad  a node of a module that makes several kinds: with its kind
preprocess.mul           the same in front of the network
cast                     a node of no module
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

NETWORK = "model"  # the network in the module that is exported


class Origin(NamedTuple):
    """The path of the module that made a node, "" for none, and what kind of node it is."""

    path: str
    kind: str


def named(origins: Sequence[Origin]) -> list[str]:
    """A name for each node of a graph, in its order; no two are equal."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for path, kind in origins:
        kinds[path].add(kind)
    seen: Counter[str] = Counter()
    names = []
    for path, kind in origins:
        name = path if path and len(kinds[path]) == 1 else f"{path}.{kind}".lstrip(".")
        names.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def in_network(path: str) -> str:
    """A path in the exported module as the network's own state dict has it."""
    return "" if path == NETWORK else path.removeprefix(f"{NETWORK}.")
