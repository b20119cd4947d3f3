"""LiteRT, on the CPU."""

from pathlib import Path
from typing import Any

from ..engine import Engine


def load(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path)).get_signature_runner()
    (name,) = run.get_input_details()
    return lambda batch: next(iter(run(**{name: batch}).values()))


ENGINE = Engine("litert", packages=("ai-edge-litert",), opens=(".tflite",), load=load)
