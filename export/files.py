"""What the files of each format are called: formats write them, runtimes open them."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.types import Candidate

ONNX = "model.onnx"
ORT = "model.ort"
LITERT = "model.tflite"
EXECUTORCH = "model.pte"
MNN = "model.mnn"
OPENVINO = "model.xml"  # the graph; its weights lie beside it, in model.bin
NCNN_PARAM, NCNN_WEIGHTS = "model.ncnn.param", "model.ncnn.bin"


def path_of(model: "Candidate", name: str) -> Path:
    """Where the model's file of that name lies: in its folder, or in one within it, as the manifest says."""
    return model.path / next((file.name for file in model.files if file.name.endswith(f"/{name}")), name)
