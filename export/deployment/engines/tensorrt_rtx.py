"""TensorRT for RTX, on the GPU. Its buffers are PyTorch's tensors."""

# what a compiled module holds is not known before it is imported
# pyright: reportAttributeAccessIssue=false

import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Engine


def load(path: Path) -> Any:
    import tensorrt_rtx as trt
    import torch

    engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(path.read_bytes())
    context = engine.create_execution_context() if engine else sys.exit(f"{path} is not for this GPU and this version")

    def logits(batch: np.ndarray) -> np.ndarray:
        context.set_input_shape("input", batch.shape)
        fed, found = torch.from_numpy(batch).cuda(), torch.empty(*context.get_tensor_shape("logits"), device="cuda")
        context.execute_v2([fed.data_ptr(), found.data_ptr()])
        return found.cpu().numpy()

    return logits


ENGINE = Engine("tensorrt-rtx", packages=("tensorrt-rtx-cu13", "torch"), opens=(".engine",), load=load)
