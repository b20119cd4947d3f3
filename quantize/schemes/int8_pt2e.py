"""8-bit integers for ExecuTorch by torchao's PT2E, placed as XNNPACK computes: weights symmetric per output channel.

Batch norms are folded first. `mse` is the quantizer's own choice of ranges, from histograms; it takes long.
"""

import copy
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from ...core.missing import not_installed
from ...core.naming import Origin, in_network, named
from ...core.silence import quietly
from ...core.types import Unavailable
from ..config import QuantizeConfig
from ..contract import Feeds, Layer, Quantized, Scheme, Variants, check_names

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

PRODUCTS = ("conv2d", "linear")
# What XNNPACK's quantizer looks for. Whatever only moves integers goes with what it reads.
LAYERS = (*PRODUCTS, "add", "mul")
OTHERS = (
    *("batch_norm", "group_norm", "relu", "leaky_relu", "silu", "gelu", "hardswish", "sigmoid", "rsub", "dropout"),
    *("max_pool2d", "adaptive_avg_pool2d", "mean", "view", "flatten", "clone", "to", "_assert_tensor_metadata"),
)
SMALLEST_SCALE = 2**-12  # as the quantizer has it


class Int8Pt2e(Scheme):
    name = "int8-pt2e"
    precision = "int8"
    graph_kind = "torch"
    packages = ("executorch", "torchao", "torch")
    calibrations = ("minmax", "mse")
    activations = ("s8",)
    equalise = (False,)
    bias_correction = (False,)
    saturation = ("ignore",)

    def unavailable(self) -> Unavailable | None:
        return not_installed("executorch", "executorch", "torchao", what=f"scheme {self.name}")

    def passes(self, config: QuantizeConfig) -> int:
        return 1

    def variants(self, graph: "ExportedProgram", feeds: Feeds, config: QuantizeConfig) -> "Pt2eVariants":
        from ..calibration import checked

        config = self.complete(config)
        _check(graph)
        _, *size = _input(graph).shape
        module = graph.module(check_guards=False)
        layers = tuple(_layers(module))
        check_names([layer.name for layer in layers], config.keep_float)
        return Pt2eVariants(layers, graph, module, list(checked(feeds, size)), config)


@dataclass(frozen=True)
class Pt2eVariants(Variants):
    """Each variant is calibrated anew, on the `batches` that are kept for it."""

    layers: tuple[Layer, ...]
    program: "ExportedProgram"
    module: "GraphModule"
    batches: "list[np.ndarray]"
    config: QuantizeConfig

    def quantized(self, keep_float: Collection[str]) -> Quantized:
        import torch

        check_names([layer.name for layer in self.layers], keep_float)
        with quietly():
            examples: Any = self.program.example_inputs  # whatever torch.export traces has them
            fed, _ = examples
            module = self._quantized(keep_float)
            return Quantized(torch.export.export(module, fed, dynamic_shapes=_dynamic(self.program)))

    def _quantized(self, keep_float: Collection[str]) -> "GraphModule":
        import torch
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        from ..refusals import check_activations

        quantizer = XNNPACKQuantizer().set_global(_types(self.config))
        floats = {node.name for node, name in _names(self.module).items() if name in keep_float}
        quantizer.set_filter_function(lambda node: node.name not in floats)
        prepared = prepare_pt2e(copy.deepcopy(self.module), quantizer)
        with torch.inference_mode():
            for batch in self.batches:
                logits = prepared(torch.from_numpy(batch))
                check_activations("logits", logits.min().item(), logits.max().item())
        converted: GraphModule = convert_pt2e(prepared)
        return converted


def _types(config: QuantizeConfig) -> Any:
    """What weights and activations become, and who observes them."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config
    from torchao.quantization.pt2e import MinMaxObserver

    types: Any = get_symmetric_quantization_config(is_per_channel=True)
    if config.calibration == "mse":
        return types
    observer = MinMaxObserver.with_args(eps=SMALLEST_SCALE)
    activations = replace(types.input_activation, observer_or_fake_quant_ctr=observer)
    return replace(types, input_activation=activations, output_activation=activations)


def _input(program: "ExportedProgram") -> Any:
    """The tensor that is fed, without its values."""
    (name,) = program.graph_signature.user_inputs
    return next(node for node in program.graph.nodes if node.name == name).meta["val"]


def _dynamic(program: "ExportedProgram") -> Any:
    """The bounds of the batch, as torch.export takes them; None where it is fixed."""
    from torch.export import Dim

    bounds = {str(symbol): bound for symbol, bound in program.range_constraints.items()}
    batch = bounds.get(str(_input(program).shape[0]))
    return batch and ({0: Dim("batch", min=1, max=int(batch.upper))},)


def _check(program: "ExportedProgram") -> None:
    """Refuse a graph that is quantized already, operators that are not known, and weights that are not finite."""
    from ..refusals import already_quantized, check_kinds, check_weights

    for node in program.graph.nodes:
        if node.op == "call_function" and getattr(node.target, "namespace", "") == "quantized_decomposed":
            raise already_quantized(f"node {node.name!r} is a {node.target.__name__}")
    for name, weight in program.state_dict.items():
        check_weights(name, weight.detach().numpy())
    check_kinds({_kind(node) for node in program.graph.nodes if node.op == "call_function"}, (*LAYERS, *OTHERS))


def _layers(module: "GraphModule") -> Iterator[Layer]:
    for node, name in _names(module).items():
        if (kind := _kind(node)) in LAYERS:
            yield Layer(name, kind, _macs(node))


def _names(module: "GraphModule") -> "dict[Node, str]":
    """The names of all that is computed, by the network's modules."""
    nodes = [node for node in module.graph.nodes if node.op == "call_function"]
    origins = []
    for node in nodes:
        running = list(node.meta.get("nn_module_stack", {}).values())
        path = running[-1][0] if running else ""
        origins.append(Origin(in_network(path), _kind(node)))
    return dict(zip(nodes, named(origins), strict=True))


def _kind(node: Any) -> str:
    """ "conv2d" of aten.conv2d.default, "relu" of aten.relu_.default, which works in place."""
    return str(node.target.__name__).partition(".")[0].removesuffix("_") if node.op == "call_function" else ""


def _macs(node: Any) -> int:
    """For one image: every weight is used once for each pixel of the output, (N, C, H, W) or (N, C)."""
    if _kind(node) not in PRODUCTS:
        return 0
    return int(prod(node.args[1].meta["val"].shape) * prod(node.meta["val"].shape[2:]))


SCHEME = Int8Pt2e()
