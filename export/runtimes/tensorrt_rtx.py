"""TensorRT for RTX, with or without CUDA graphs."""

from ..tensorrt.edition import TENSORRT_RTX
from ..tensorrt.running import EngineRuntime


class TensorRtxRuntime(EngineRuntime):
    name = TENSORRT_RTX.name
    edition = TENSORRT_RTX
    packages = (TENSORRT_RTX.package,)
    formats = (TENSORRT_RTX.name,)


RUNTIME = TensorRtxRuntime()
