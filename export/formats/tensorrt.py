"""TensorRT's engine, built on the GPU that it is for."""

from ..tensorrt.building import EngineFormat
from ..tensorrt.edition import TENSORRT
from . import onnx


class TensorRtFormat(EngineFormat):
    name = parity_runtime = TENSORRT.name
    edition = TENSORRT
    packages = (TENSORRT.package, *onnx.FORMAT.packages)


FORMAT = TensorRtFormat()
