"""8-bit integers for ONNX by NNCF, OpenVINO's own quantizer: Q/DQ pairs where OpenVINO's CPU plug-in wants them.

NNCF chooses ranges by its own rule, from each image's lowest and highest value, so `minmax` is its one calibration.
`bias_correction` is its fast bias correction; `equalise` is ours, before NNCF sees the graph.
"""

import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.types import Certificate, Unavailable
from ..config import QuantizeConfig
from ..contract import Feeds, Layer, Scheme, Variants

if TYPE_CHECKING:
    import numpy as np
    import onnx


class Int8Nncf(Scheme):
    name = "int8-nncf"
    precision = "int8"
    formats = ("onnx",)
    packages = ("nncf", "onnx", "numpy")
    calibrations = ("minmax",)
    activations = ("u8",)

    def unavailable(self) -> Unavailable | None:
        try:
            with quietly():
                import nncf  # noqa: F401
        except ImportError:
            return Unavailable(
                what="scheme int8-nncf", reason="the package nncf is not installed", fix="pip install 'reszoo[nncf]'"
            )
        return None

    def passes(self, config: QuantizeConfig) -> int:
        return 1

    def variants(self, model: Path, feeds: Feeds, config: QuantizeConfig) -> "NncfVariants":
        from ..calibration import checked
        from ..equalisation import equalise
        from ..nodes import check_names, quantizable
        from ..preparation import prepare
        from ..reading import read

        config = self.complete(config)
        graph = read(model)
        prepare(graph)
        check_names(graph, config.keep_float)
        if config.equalise:
            equalise(graph)
        return NncfVariants(quantizable(graph), graph, list(checked(feeds)), config)


@dataclass(frozen=True)
class NncfVariants(Variants):
    """NNCF calibrates each variant anew, on the `batches` that are kept for it."""

    layers: tuple[Layer, ...]
    graph: "onnx.ModelProto"
    batches: "list[np.ndarray]"
    config: QuantizeConfig

    def write(self, keep_float: Collection[str], out: Path) -> Certificate | None:
        from ..nodes import check_names, shifting
        from ..saturation import reduce_weights

        check_names(self.graph, keep_float)
        with quietly():
            quantized = self._quantize([*keep_float, *shifting(self.graph)])
        certificate = None
        if self.config.saturation == "certify":
            quantized, certificate = reduce_weights(quantized)
        out.write_bytes(quantized.SerializeToString(deterministic=True))
        return certificate

    def _quantize(self, ignored: list[str]) -> "onnx.ModelProto":
        import nncf
        import onnx

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
                # the certificate reduces the channels that need it; NNCF's own fix would halve all ranges
                overflow_fix=nncf.OverflowFix.DISABLE,
                batchwise_statistics=True,
                disable_bias_correction=not self.config.bias_correction,
            ),
        )
        return quantized


@contextmanager
def quietly() -> Iterator[None]:
    """Without NNCF's progress on standard output, the warnings of what it imports, and its telemetry."""
    loggers = [logging.getLogger(name) for name in ("nncf", "torch.utils.cpp_extension")]
    levels = [logger.level for logger in loggers]
    ci = os.environ.get("NNCF_CI")
    os.environ["NNCF_CI"] = "1"  # which NNCF reads when it is imported: nobody is to be told what is done here
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        os.environ.pop("NNCF_CI") if ci is None else os.environ.update(NNCF_CI=ci)


SCHEME = Int8Nncf()
