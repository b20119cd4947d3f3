"""The modules that extras bring."""

# What the extra `torch` and the tests bring, and what everything that only runs artifacts works without.
BUILDING = ("torch", "torchvision", "torch_pruning", "onnxscript", "timm", "matplotlib", "scipy", "sklearn")
# What each extra's engine is imported as.
MODULES = {
    "openvino": ("openvino",),
    "litert": ("litert_torch", "ai_edge_litert"),
    "executorch": ("executorch",),
    "ncnn": ("ncnn", "pnnx"),
    "mnn": ("MNN",),
    "coreml": ("coremltools",),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx",),
}
