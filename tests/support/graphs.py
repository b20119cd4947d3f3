"""Running ONNX graphs and looking at what ONNX Runtime makes of them."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def logits(model: Path | onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"input": images})[0]
    return found


def optimised_operators(model: Path, folder: Path) -> Counter[str]:
    """The operators that ONNX Runtime runs in the end."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3  # it warns that such a file fits this machine only
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)
