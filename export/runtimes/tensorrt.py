"""TensorRT, with or without CUDA graphs."""

from ..tensorrt.library import TENSORRT
from ..tensorrt.running import EngineRuntime


class TensorRtRuntime(EngineRuntime):
    name = TENSORRT.name
    library = TENSORRT
    packages = (TENSORRT.package,)
    formats = (TENSORRT.name,)


RUNTIME = TensorRtRuntime()
