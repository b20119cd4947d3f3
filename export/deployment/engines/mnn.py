"""MNN, on the CPU, in float32."""

# what a compiled module holds is not known before it is imported
# pyright: reportAttributeAccessIssue=false

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Engine


def load(path: Path) -> Any:
    import ctypes

    out = os.dup(1)
    os.dup2(2, 1)  # what MNN tells of the processor is no result
    import MNN

    manager = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high"},))
    net = MNN.nn.load_module_from_file(str(path), ["input"], ["logits"], runtime_manager=manager)
    ctypes.CDLL(None).fflush(None)
    os.dup2(out, 1)

    def logits(batch: np.ndarray) -> Any:
        dtype = MNN.expr.uint8 if batch.dtype == np.uint8 else MNN.expr.float
        placed = MNN.expr.placeholder(list(batch.shape), MNN.expr.NCHW, dtype)
        placed.write(batch)
        return net.onForward([placed])[0].read().copy()

    return logits


ENGINE = Engine("mnn", packages=("mnn",), opens=(".mnn",), load=load)
