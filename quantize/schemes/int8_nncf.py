"""8-bit integers for ONNX by NNCF, OpenVINO's own quantizer: Q/DQ pairs where OpenVINO's CPU plug-in wants them.

Its ranges hold all that was seen (`minmax`): by its own default, a mean over batches, it clips what rarely occurs.
Equalisation before it and the certificate and bias correction after it are ours: NNCF would correct biases for
weights that are then rescaled for the certificate.
"""

import io
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.missing import not_installed
from ...core.silence import quietly, without_telemetry
from ...core.types import Unavailable
from ..config import QuantizeConfig
from ..contract import Feeds, Layer, Quantized, Scheme, Variants, check_names

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from ..bias_correction import Array


class Int8Nncf(Scheme):
    name = "int8-nncf"
    precision = "int8"
    graph_kind = "onnx"
    packages = ("nncf", "onnxruntime", "onnx", "numpy")
    runtime = "openvino"
    calibrations = ("minmax",)
    activations = ("u8",)
    equalise = (False, True)
    bias_correction = (True, False)
    saturation = ("certify", "ignore")

    def unavailable(self) -> Unavailable | None:
        return not_installed("nncf", "nncf", what=f"scheme {self.name}")

    def passes(self, config: QuantizeConfig) -> int:
        return 1

    def variants(self, graph: bytes, feeds: Feeds, config: QuantizeConfig) -> "NncfVariants":
        from ..bias_correction import add_biases, linear_inputs
        from ..calibration import checked, input_size, observe
        from ..nodes import names, quantizable
        from ..preparation import prepared

        config = self.complete(config)
        model = prepared(graph, config)
        check_names(names(model), config.keep_float)
        batches, means = list(checked(feeds, input_size(model))), {}
        if config.bias_correction:
            add_biases(model)
            wanted = linear_inputs(model)
            seen = observe(model, sorted(wanted), lambda: iter(batches), histograms=False, means=wanted)
            means = {name: tensor.mean for name, tensor in seen.items() if tensor.mean is not None}
        return NncfVariants(quantizable(model), model, batches, means, config)


@dataclass(frozen=True)
class NncfVariants(Variants):
    """NNCF calibrates each variant anew, on the `batches` that are kept for it."""

    layers: tuple[Layer, ...]
    graph: "onnx.ModelProto"
    batches: "list[np.ndarray]"
    means: "dict[str, Array]"
    config: QuantizeConfig

    def quantized(self, keep_float: Collection[str]) -> Quantized:
        from ..finishing import finish
        from ..nodes import names, shifting

        check_names(names(self.graph), keep_float)
        with _silent():
            quantized = self._quantize([*keep_float, *shifting(self.graph)])
        requantize_moved(quantized)
        return finish(self.graph, quantized, self.means, self.config)

    def _quantize(self, ignored: list[str]) -> "onnx.ModelProto":
        import nncf
        import onnx
        from nncf.quantization.advanced_parameters import QuantizationParameters
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        source = onnx.ModelProto()
        source.CopyFrom(self.graph)
        name = source.graph.input[0].name
        quantized: onnx.ModelProto = nncf.quantize(
            source,
            nncf.Dataset(self.batches, lambda batch: {name: batch}),
            subset_size=len(self.batches),
            preset=nncf.QuantizationPreset.MIXED,  # symmetric weights, activations with any zero point
            target_device=nncf.TargetDevice.CPU,
            ignored_scope=nncf.IgnoredScope(names=ignored),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # only channels that need it are rescaled for the certificate; NNCF's own fix would halve all ranges
                overflow_fix=nncf.OverflowFix.DISABLE,
                batchwise_statistics=True,
                # one range a tensor: NNCF would give depthwise layers one a channel, which few runtimes have
                activations_quantization_params=QuantizationParameters(per_channel=False),
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                disable_bias_correction=True,
            ),
        )
        return quantized


def requantize_moved(model: "onnx.ModelProto") -> None:
    """Put a Q/DQ pair behind what only moves or selects integers, with the scale of the one in front.

    The same integers come out. But only with a pair in front of it does a layer have an integer input for ONNX
    Runtime, and for the certificate.
    """
    import onnx

    from ..graph import Graph
    from ..layers import MOVERS

    graph = Graph(model)
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        source = graph.writer.get(node.input[0]) if node.input else None
        if node.op_type not in MOVERS or source is None or source.op_type != "DequantizeLinear":
            continue
        if {reader.op_type for reader in graph.readers[node.output[0]]} <= {"QuantizeLinear"}:
            continue
        tensor, scale = node.output[0], source.input[1:]
        moved, integers = f"{tensor}_moved", f"{tensor}_integers"
        node.output[0] = moved
        nodes.append(onnx.helper.make_node("QuantizeLinear", [moved, *scale], [integers], f"{tensor}_quantize"))
        nodes.append(onnx.helper.make_node("DequantizeLinear", [integers, *scale], [tensor], f"{tensor}_dequantize"))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


@contextmanager
def _silent() -> Iterator[None]:
    """Also without NNCF's progress, and without its telemetry."""
    ci = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"  # which NNCF reads when it is imported: nobody is to be told what is done here
    try:
        with quietly(), redirect_stdout(io.StringIO()), without_telemetry():
            yield
    finally:
        os.environ.pop("NNCF_CI") if ci is None else os.environ.update(NNCF_CI=ci)


SCHEME = Int8Nncf()
