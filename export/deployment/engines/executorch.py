"""ExecuTorch, on the CPU. Its Python interface takes PyTorch's tensors."""

from pathlib import Path
from typing import Any

from ..engine import Engine


def load(path: Path) -> Any:
    import torch

    try:  # what executorch.runtime calls, without the exporter, whose import takes ten seconds
        from executorch.extension.pybindings import _C
    except ModuleNotFoundError:  # of a release that names it otherwise
        from executorch.extension.pybindings import portable_lib as _C

    program = _C._load_program(str(path))
    method = program.load_method("forward")
    return lambda batch, program=program: method([torch.from_numpy(batch)])[0].numpy()


ENGINE = Engine("executorch", packages=("executorch", "torch"), opens=(".pte",), load=load)
