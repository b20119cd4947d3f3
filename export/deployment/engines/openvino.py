"""OpenVINO, on the CPU, without its calls home. Without the hint it would compute in bfloat16 wherever the CPU can."""

import sys
from pathlib import Path
from typing import Any

from ..engine import Engine


def load(path: Path) -> Any:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # not importable: it copes with that
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: compiled(batch)[0]


ENGINE = Engine("openvino", packages=("openvino",), opens=(".xml", ".onnx"), load=load)
