"""TensorFlow Lite Micro's interpreter for x86-64, one image at a time."""

from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Engine


def load(path: Path) -> Any:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(path), arena_size=64 << 20)
    integers = interpreter.get_output_details(0)["quantization_parameters"]
    (scale,), (zero,) = integers["scales"], integers["zero_points"]

    def logits(image: np.ndarray) -> Any:
        interpreter.set_input(image[None], 0)
        interpreter.invoke()
        found: np.ndarray = interpreter.get_output(0).astype(np.float32)
        return (found - np.float32(zero)) * np.float32(scale)

    return lambda batch: np.concatenate([logits(image) for image in batch])


ENGINE = Engine("tflite-micro", packages=("tflite-micro",), opens=(".tflite",), load=load)
