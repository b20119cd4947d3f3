"""The names in LiteRT's file: `core.naming`'s for operators and what they write, and for weights

    stages.2.0.convs.1.weight  what a convolution or the classifier reads, as in the state dict
    pool.constant              any other constant: what it is read by first

The converter notes in a tensor's name which modules were running, each as its class and its attribute, and where it
fused operations it joins their notes by ";;", the first operation's last.
"""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core.naming import Origin, in_network, named

if TYPE_CHECKING:
    from torch import nn

ROLES: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), ("weight", "bias")
)


def name_by_modules(model: Any, exported: "nn.Module") -> None:
    """Rename all tensors of the schema's `ModelT` but its input, in place. `exported` is what was converted."""
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = model.subgraphs
    by_number = {number: kind for kind, number in vars(schema.BuiltinOperator).items()}
    kinds = [by_number[model.operatorCodes[op.opcodeIndex].builtinCode] for op in graph.operators]
    notes = [tensor.name.decode() for tensor in graph.tensors]
    paths = [
        in_network(_path([notes[i] for i in (*op.outputs, *op.inputs[1:])], kind, exported))
        for kind, op in zip(kinds, graph.operators, strict=True)
    ]
    names: dict[int, str] = {}
    for kind, op, name in zip(kinds, graph.operators, named(list(_origins(kinds, paths))), strict=True):
        names |= {i: name if place == 0 else f"{name}:{place}" for place, i in enumerate(op.outputs)}
        for role, i in zip(ROLES.get(kind, ()) or ("constant",) * len(op.inputs), op.inputs[1:], strict=False):
            if i >= 0:
                names.setdefault(i, f"{name}.{role}")
    seen: Counter[str] = Counter()
    for i, tensor in enumerate(graph.tensors):
        if i in names and i not in graph.inputs:
            name = names[i]
            tensor.name = f"{name}_{seen[name]}" if seen[name] else name
            seen[name] += 1


def _origins(kinds: list[str], paths: list[str]) -> Iterator[Origin]:
    """A layer has its module's path for itself: the padding in front of it is `convs.0.pad`."""
    layers = {path for path, kind in zip(paths, kinds, strict=True) if kind in ROLES}
    for path, kind in zip(paths, kinds, strict=True):
        is_beside = path in layers and kind not in ROLES
        yield Origin(f"{path}.{kind.lower()}" if is_beside else path, kind.lower())


def _path(notes: list[str], kind: str, exported: "nn.Module") -> str:
    """The module that the first note is of, for the graph's own output has none; "" where no note is of any."""
    root = _class(exported)
    for note in notes:
        head, *modules = note.rpartition(";;")[2].partition(";")[0].split("/")
        if head == root:
            found = [("", exported)]
            for module in modules:
                found = [inner for path, outer in found for inner in _children(outer, path, module)]
            # a norm that is written as a convolution has a list of its own beside that of the convolutions
            path, _ = min(found, key=lambda each: (getattr(each[1], "groups", 1) > 1) != kind.startswith("DEPTHWISE"))
            return path
    return ""


def _children(outer: "nn.Module", path: str, note: str) -> "Iterator[tuple[str, nn.Module]]":
    """The modules in `outer` that a note may mean. Lists of modules do not run, so no note names them."""
    from torch import nn

    for name, inner in outer.named_children():
        inner_path = f"{path}.{name}".lstrip(".")
        if isinstance(inner, nn.ModuleList):
            yield from _children(inner, inner_path, note)
        elif note == f"{_class(inner)}_{name}":
            yield inner_path, inner


def _class(module: "nn.Module") -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"
