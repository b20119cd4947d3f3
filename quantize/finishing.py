"""The end of every ONNX scheme: certified weights and corrected biases."""

from collections.abc import Mapping

import onnx

from .bias_correction import Array, correct_biases
from .config import QuantizeConfig
from .contract import Quantized
from .saturation import rescale_channels


def finish(
    floats: onnx.ModelProto,
    quantized: onnx.ModelProto,
    means: Mapping[str, Array],
    config: QuantizeConfig,
) -> Quantized:
    """The file of `quantized`, which was made from `floats`, as `config` wants it.

    Biases are corrected last: they have to make up for rescaled channels too. `means` are the mean inputs
    of `correct_biases`, by the names in `floats`.
    """
    certificate = None
    if config.saturation == "certify":
        quantized, certificate = rescale_channels(quantized)
    if config.bias_correction:
        correct_biases(floats, quantized, means)
    return Quantized(quantized.SerializeToString(deterministic=True), certificate)
