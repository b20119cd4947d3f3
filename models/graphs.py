"""The graph of a network's block, traced from the module itself (torch.fx): its layers, their order, their shapes."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ..core.types import ModelSpec
from .network import family_of

NodeKind = Literal["input", "output", "conv", "norm", "act", "join", "pool", "other"]
INVISIBLE = ("clone", "view_as", "contiguous")  # methods that change neither values nor shapes
JOINS = {"add": "+", "iadd": "+", "mul": "×", "sub": "−", "rsub": "1 −", "cat": "concat"}


class Node(NamedTuple):
    """One layer or operation. `inputs` are the names of the nodes that it reads, `shape` is (C, H, W) of its output."""

    name: str
    kind: NodeKind
    label: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]


def block_graph(spec: ModelSpec) -> list[Node]:
    """The block that the network is mostly made of, in the order in which it computes; identities are left out."""
    family = family_of(spec)
    network = family.skeleton(spec).eval()
    block = family.block(network)
    traced = fx.GraphModule(block, _Tracer().trace(block))
    ShapeProp(traced).propagate(_entering(network, block, spec))
    layers = dict(traced.named_modules())
    nodes: list[Node] = []
    stands_for: dict[fx.Node, str] = {}  # of one that is left out: the node whose output it hands on
    for node in traced.graph.nodes:
        inputs = tuple(stands_for[source] for source in node.all_input_nodes)
        if _is_invisible(node, layers):
            stands_for[node] = inputs[0]
            continue
        stands_for[node] = node.name
        kind, label = _described(node, layers)
        shape = tuple(node.meta["tensor_meta"].shape[1:])
        nodes.append(Node(node.name, kind, label, inputs, shape))
    return nodes


class _Tracer(fx.Tracer):
    """Goes into reszoo's own modules, and takes PyTorch's layers as they are."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not isinstance(m, nn.Sequential) and m.__module__.startswith(("torch.", "torchvision."))


def _entering(network: nn.Module, block: nn.Module, spec: ModelSpec) -> Tensor:
    """What the block takes in the network: a tensor without values, of that shape."""
    seen: list[Tensor] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0])

    handles = [m.register_forward_pre_hook(note) for m in block.modules() if not list(m.children())]
    with torch.no_grad():
        network(torch.empty(1, *spec.input, device="meta"))
    for handle in handles:
        handle.remove()
    return seen[0]


def _is_invisible(node: fx.Node, layers: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(layers[str(node.target)], nn.Identity)
    return node.op == "call_method" and node.target in INVISIBLE


def _described(node: fx.Node, layers: Mapping[str, nn.Module]) -> tuple[NodeKind, str]:
    if node.op == "placeholder":
        return "input", "input"
    if node.op == "output":
        return "output", "output"
    if node.op == "call_module":
        return _layer(layers[str(node.target)])
    name = str(getattr(node.target, "__name__", node.target)).strip("_")
    if name in JOINS and len(node.all_input_nodes) > 1:
        return "join", JOINS[name]
    if name in JOINS:  # with a number
        number = next((argument for argument in node.args if isinstance(argument, int | float)), "")
        return "other", f"{number} − ·" if name in ("sub", "rsub") else f"{JOINS[name]} {number}"
    return ("pool" if "pool" in name else "act" if name == "sigmoid" else "other"), name.replace("_", " ")


def _layer(layer: nn.Module) -> tuple[NodeKind, str]:
    name = type(layer).__name__
    if isinstance(layer, nn.Conv2d):
        kernel, stride = layer.kernel_size[0], layer.stride[0]
        kind = "depthwise" if layer.groups == layer.in_channels > 1 else "conv"
        return "conv", f"{kind} {kernel}×{kernel}" + (f" /{stride}" if stride > 1 else "")
    if isinstance(layer, nn.GroupNorm):
        return "norm", "layer norm" if layer.num_groups == 1 else "group norm"
    if "Norm" in name:
        return "norm", {"BatchNorm2d": "batch norm"}.get(name, name)
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        size, step = layer.kernel_size, layer.stride
        return "pool", f"{name[:3].lower()} pool {size}×{size}" + (f" /{step}" if step != 1 else "")
    if type(layer).__module__.startswith("torch.nn.modules.activation"):
        return "act", name
    return "other", {"SqueezeExcitation": "squeeze-excitation", "StochasticDepth": "stochastic depth"}.get(name, name)
