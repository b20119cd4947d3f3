"""TensorRT, with or without CUDA graphs."""

from ..tensorrt.edition import TENSORRT
from ..tensorrt.running import EngineRuntime


class TensorRtRuntime(EngineRuntime):
    name = TENSORRT.name
    edition = TENSORRT
    packages = (TENSORRT.package,)
    formats = (TENSORRT.name,)


RUNTIME = TensorRtRuntime()
