"""ExecuTorch, on the CPU. Its Python interface takes PyTorch's tensors."""

from pathlib import Path
from typing import Any

from ..engine import Engine


def load(path: Path) -> Any:
    import torch
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(path).load_method("forward")
    return lambda batch: method.execute([torch.from_numpy(batch)])[0].numpy()


ENGINE = Engine("executorch", packages=("executorch", "torch"), opens=(".pte",), load=load)
