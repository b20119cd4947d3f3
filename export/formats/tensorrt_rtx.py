"""TensorRT for RTX's engine, built on any machine: for the GPUs that are named, else for all from 8.0 on."""

from ..tensorrt.building import EngineFormat
from ..tensorrt.edition import TENSORRT_RTX
from . import onnx


class TensorRtxFormat(EngineFormat):
    name = parity_runtime = TENSORRT_RTX.name
    edition = TENSORRT_RTX
    packages = (TENSORRT_RTX.package, *onnx.FORMAT.packages)


FORMAT = TensorRtxFormat()
