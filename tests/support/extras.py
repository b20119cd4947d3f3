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
    "tflite-micro": ("tflite_micro",),
    "ethos-u": ("ethosu",),
    "coreml": ("coremltools",),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx",),
}
# Whose format is made from another's, and is not there without it.
MADE_FROM = {"tflite-micro": "litert", "ethos-u": "tflite-micro"}
