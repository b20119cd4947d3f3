"""8-bit integers for LiteRT by its own quantizer: weights symmetric per output channel, activations with a zero point.

Inputs and logits stay float. The ranges hold all that was seen (`minmax`); they are read here, as the quantizer's own
calibration knows only a moving average, which forgets.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.hosts import available_cores
from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Unavailable
from ..config import QuantizeConfig
from ..contract import Feeds, Layer, Quantized, Scheme, Variants, check_names

if TYPE_CHECKING:
    import numpy as np

    from ..flatbuffer import Model

Ranges = dict[str, dict[str, "np.ndarray"]]  # "min" and "max" of each tensor, each with one element


class Int8LiteRt(Scheme):
    name = "int8-litert"
    precision = "int8"
    graph_kind = "litert"
    packages = ("ai-edge-quantizer", "ai-edge-litert", "numpy")
    calibrations = ("minmax",)
    activations = ("s8",)
    equalise = (False,)
    bias_correction = (False,)
    saturation = ("ignore",)

    def unavailable(self) -> Unavailable | None:
        return not_installed("litert", "ai_edge_quantizer", "ai_edge_litert", what=f"scheme {self.name}")

    def passes(self, config: QuantizeConfig) -> int:
        return 1

    def variants(self, graph: bytes, feeds: Feeds, config: QuantizeConfig) -> "LiteRtVariants":
        from ..flatbuffer import Model

        self.complete(config)
        model = Model(graph)
        model.check()
        check_names(model.names, config.keep_float)
        return LiteRtVariants(tuple(model.layers()), graph, model, _observe(graph, model, feeds))


@dataclass(frozen=True)
class LiteRtVariants(Variants):
    layers: tuple[Layer, ...]
    graph: bytes
    model: "Model"
    ranges: Ranges

    def quantized(self, keep_float: Collection[str]) -> Quantized:
        from ai_edge_quantizer.qtyping import TFLOperationName
        from ai_edge_quantizer.quantizer import AlgorithmName, Quantizer

        from ..flatbuffer import inlined

        check_names(self.model.names, keep_float)
        every = TFLOperationName.ALL_SUPPORTED
        quantizer: Any = Quantizer(self.graph)
        quantizer.add_static_config(".*", every, activation_num_bits=8, weight_num_bits=8)
        for end in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
            quantizer.update_quantization_recipe(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)
        for operator in self.model.kept_float(keep_float):
            # the quantizer calls an operator by what it writes
            scope = "".join(f"{tensor.name.decode()};" for tensor in operator.outputs)
            quantizer.update_quantization_recipe(
                f"^{re.escape(scope)}$", every, algorithm_key=AlgorithmName.NO_QUANTIZE
            )
        with quietly():
            made = quantizer.quantize(self.ranges, enable_progress_bar=False, enable_progress_report=False)
        return Quantized(inlined(bytes(made.quantized_model)))


def _observe(graph: bytes, model: "Model", feeds: Feeds) -> Ranges:
    """The ranges of all float tensors that are computed."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from ..calibration import checked
    from ..refusals import check_activations

    interpreter = Interpreter(
        model_content=graph,
        num_threads=available_cores(),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    (fed,) = interpreter.get_input_details()
    tensors = model.observable()
    ranges: Ranges = {}
    for batch in checked(feeds, model.input.shape[1:]):
        interpreter.resize_tensor_input(fed["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(fed["index"], batch)
        interpreter.invoke()
        for index, name in tensors.items():
            values = interpreter.get_tensor(index)
            low, high = (np.full((1,) * values.ndim, end, np.float32) for end in (values.min(), values.max()))
            check_activations(name, low.item(), high.item())
            seen = ranges.get(name, {"min": low, "max": high})
            ranges[name] = {"min": np.minimum(seen["min"], low), "max": np.maximum(seen["max"], high)}
    for operator in model.padders():
        inside, padded = operator.inputs[0].name.decode(), operator.outputs[0].name.decode()
        ranges[padded] = ranges[inside]
    return ranges


SCHEME = Int8LiteRt()
