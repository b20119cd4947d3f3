"""MNN, on the CPU, in float32."""

# what a compiled module holds is not known before it is imported
# pyright: reportAttributeAccessIssue=false

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Engine


def load(path: Path) -> Any:
    sys.stdout = os.fdopen(os.dup(1), "w")  # for the results; what MNN tells of the processor is none
    os.dup2(2, 1)
    import MNN

    manager = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high"},))
    net = MNN.nn.load_module_from_file(str(path), ["input"], ["logits"], runtime_manager=manager)

    def logits(batch: np.ndarray) -> Any:
        dtype = MNN.expr.uint8 if batch.dtype == np.uint8 else MNN.expr.float
        placed = MNN.expr.placeholder(list(batch.shape), MNN.expr.NCHW, dtype)
        placed.write(batch)
        return net.onForward([placed])[0].read().copy()

    return logits


ENGINE = Engine("mnn", packages=("MNN",), opens=(".mnn",), load=load)
