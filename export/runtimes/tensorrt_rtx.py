"""TensorRT for RTX, with or without CUDA graphs."""

from ..tensorrt.library import TENSORRT_RTX
from ..tensorrt.running import EngineRuntime


class TensorRtxRuntime(EngineRuntime):
    name = TENSORRT_RTX.name
    library = TENSORRT_RTX
    packages = (TENSORRT_RTX.package,)
    formats = (TENSORRT_RTX.name,)


RUNTIME = TensorRtxRuntime()
