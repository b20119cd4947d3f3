"""Every tensor of a network in PyTorch, under the name that it has in the ONNX file."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError
from ..core.types import Checkpoint
from .contract import ExportOptions

if TYPE_CHECKING:
    from torch.fx import GraphModule

Floats = NDArray[np.float32]


class Tracer:
    """A checkpoint as `formats/onnx.py` exports it. ONNX values are named after the nodes of the exporter's program.

    That program, not another trace, has to be run: nodes are numbered anew in each. It is for batches of one size.
    """

    def __init__(self, checkpoint: Checkpoint, options: ExportOptions, batch: NDArray[Any]) -> None:
        import torch

        from ..zoo import build
        from .formats.onnx import DEFAULT_OPSET, deployed

        module = deployed(build(checkpoint), checkpoint.preprocess, options)
        program = torch.onnx.export(
            module,
            (torch.from_numpy(batch),),
            dynamo=True,
            optimize=False,
            opset_version=options.opset or DEFAULT_OPSET,
            verbose=False,
        )
        if program is None or program.exported_program is None:
            raise ReszooError("the ONNX exporter gave no program", "Run with RESZOO_DEBUG=1 and report it.")
        self.graph: GraphModule = program.exported_program.module()

    def run(self, batch: NDArray[Any]) -> tuple[dict[str, Floats], Floats]:
        """All tensors by name, and the logits."""
        import torch
        from torch import fx

        kept: dict[str, Floats] = {}

        class Keeping(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                value = super().run_node(n)
                if n.op == "call_function" and isinstance(value, torch.Tensor) and value.dtype == torch.float32:
                    kept[n.name] = value.numpy().copy()  # an activation may overwrite it in place
                return value

        with torch.inference_mode():
            logits: Floats = Keeping(self.graph).run(torch.from_numpy(batch)).numpy()
        return kept, logits
