"""The engines that extras bring."""

# What each extra's engine is imported as.
MODULES = {
    "openvino": ("openvino",),
    "litert": ("litert_torch", "ai_edge_litert"),
    "executorch": ("executorch",),
    "ncnn": ("ncnn", "pnnx"),
    "coreml": ("coremltools",),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx",),
}
