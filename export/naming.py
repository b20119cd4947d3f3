"""The names in an exported ONNX graph: `core.naming`'s for nodes and the tensors that they write, and for weights

    stages.2.0.convs.1.weight  a parameter, as in the state dict, also with a norm folded into it
    flatten.shape              any other constant: what it is to the node that reads it

A convolution that a norm was folded into has the convolution's name.
"""

import ast
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.naming import Origin, in_network, named

if TYPE_CHECKING:
    import onnx

SCOPES = "pkg.torch.onnx.name_scopes"  # the exporter's note on a node: the modules around it, and its own name
FOLDED_BIAS = ".weight_bias"  # what the exporter calls the bias that a norm leaves in a convolution without one


def name_by_modules(model: "onnx.ModelProto") -> dict[str, str]:
    """Rename all nodes, tensors and weights of a graph with the exporter's notes, in place; not its inputs and outputs.

    Returns the new name of each tensor that a node writes, by the exporter's.
    """
    graph = model.graph
    for node, name in zip(graph.node, named(_origins(model)), strict=True):
        node.name = name
    fixed = {value.name for value in graph.output}
    written = {
        output: f"{node.name}:{i}" if i else node.name
        for node in graph.node
        for i, output in enumerate(node.output)
        if output not in fixed
    }
    _rename(model, written | _weights(model))
    return written


def _origins(model: "onnx.ModelProto") -> list[Origin]:
    """Of each node the module whose weight it alone reads, else the one that was running."""
    weights = {weight.name for weight in model.graph.initializer}
    readers = Counter(name for node in model.graph.node for name in node.input)
    origins = []
    for node in model.graph.node:
        owner, _, parameter = node.input[1].rpartition(".") if len(node.input) > 1 else ("", "", "")
        is_own = parameter == "weight" and node.input[1] in weights and readers[node.input[1]] == 1
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.op_type).lower()
        origins.append(Origin(in_network(owner if is_own else _module(node)), kind))
    return origins


def _module(node: "onnx.NodeProto") -> str:
    """The innermost module that was running when the exporter met the node; none for what it added by itself."""
    notes = {entry.key: entry.value for entry in node.metadata_props}
    scopes: list[str] = ast.literal_eval(notes.get(SCOPES, "[]"))
    return scopes[-2] if len(scopes) > 1 else ""


def _weights(model: "onnx.ModelProto") -> dict[str, str]:
    """The new name of each weight, by the exporter's. The nodes have theirs."""
    import onnx

    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    roles: dict[str, str] = {}
    for node in model.graph.node:
        inputs = onnx.defs.get_schema(node.op_type, opset).inputs
        for name, role in zip(node.input, inputs, strict=False):
            roles.setdefault(name, f"{node.name}.{role.name.lower()}")
    found = {}
    for weight in model.graph.initializer:
        is_parameter = "." in weight.name
        path = in_network(weight.name) if is_parameter else roles[weight.name]
        found[weight.name] = path.removesuffix(FOLDED_BIAS) + ".bias" if path.endswith(FOLDED_BIAS) else path
    return found


def _rename(model: "onnx.ModelProto", names: Mapping[str, str]) -> None:
    graph = model.graph
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.initializer, *graph.value_info):
        value.name = names.get(value.name, value.name)
