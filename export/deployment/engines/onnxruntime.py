"""ONNX Runtime, on the CPU, without its calls home."""

import os
from pathlib import Path
from typing import Any

from ..engine import Engine


def load(path: Path) -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before it is imported
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


ENGINE = Engine("onnxruntime", packages=("onnxruntime",), opens=(".onnx", ".ort"), load=load)
