"""Every tensor of a network in PyTorch, under the name that it has in the ONNX file."""

from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ..core.types import Checkpoint
from .contract.options import ExportOptions

if TYPE_CHECKING:
    from torch.fx import GraphModule

Floats = NDArray[np.float32]


class Tracer:
    """A checkpoint as `formats/onnx.py` exports it, for batches of the size of `batch`."""

    def __init__(self, checkpoint: Checkpoint, options: ExportOptions, batch: NDArray[Any]) -> None:
        from .formats.onnx import traced

        _, program, self.names = traced(checkpoint, replace(options, batch=len(batch)))
        self.graph: GraphModule = program.module()

    def run(self, batch: NDArray[Any]) -> tuple[dict[str, Floats], Floats]:
        """All tensors by name, and the logits."""
        import torch
        from torch import fx

        kept: dict[str, Floats] = {}
        names = self.names

        class Keeping(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                value = super().run_node(n)
                if n.name in names and value.dtype == torch.float32:
                    kept[names[n.name]] = value.numpy().copy()  # an activation may overwrite it in place
                return value

        with torch.inference_mode():
            logits: Floats = Keeping(self.graph).run(torch.from_numpy(batch)).numpy()
        return kept, logits
