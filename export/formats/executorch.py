"""ExecuTorch's program, with everything that XNNPACK can compute handed to XNNPACK."""

from pathlib import Path
from typing import TYPE_CHECKING

from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Checkpoint, Unavailable
from ...quantize.config import QuantizeConfig
from .. import files
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions, input_spec
from ..exporters import example
from ..rewriting import rewrite
from .onnx import deployed

if TYPE_CHECKING:
    from torch.export import ExportedProgram

MODEL_FILE = files.EXECUTORCH

# XNNPACK takes memory for a program's largest batch, whatever it is fed: ResNet-50 at 224x224 10 GB for 1024 images.
# It is traced with that, too: PyTorch chooses another kernel below 16, and would note that as a bound of the batch.
LARGEST_BATCH = 32


class ExecuTorchFormat(GraphFormat):
    """Inputs have to be contiguous."""

    name = "executorch"
    parity_runtime = "executorch"
    precisions = ("fp32", "int8")
    graph_kind = "torch"
    natural_int8 = QuantizeConfig(scheme="int8-pt2e")
    has_static_batch = True
    largest_batch = LARGEST_BATCH
    packages = ("executorch", "torch")

    def unavailable(self) -> Unavailable | None:
        return not_installed("executorch", "executorch")

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> "ExportedProgram":
        with quietly():
            return _traced(checkpoint, options)

    def convert(self, graph: "ExportedProgram", checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        with quietly():
            content = _lower(graph)
        (folder / MODEL_FILE).write_bytes(content)


def _traced(checkpoint: Checkpoint, options: ExportOptions) -> "ExportedProgram":
    import torch
    from torch import Tensor, nn

    from ...zoo import build

    class FlatMean(nn.Module):
        """(N, C, H, W) -> (N, C). XNNPACK takes a reshape to (-1, C), but none that names the batch."""

        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3), keepdim=True).view(-1, x.shape[1])

    model = build(checkpoint)
    model.pool = FlatMean()
    rewrite(model)
    module = deployed(model, checkpoint.preprocess, options)
    dynamic = None if options.batch else ({0: torch.export.Dim("batch", min=1, max=LARGEST_BATCH)},)
    return torch.export.export(
        module, (example(input_spec(checkpoint, options), LARGEST_BATCH),), dynamic_shapes=dynamic
    )


def _lower(program: "ExportedProgram") -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass

    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    # a caller's input is read where it lies: no memory is kept for the largest one
    planning = MemoryPlanningPass(alloc_graph_input=False)
    return bytes(edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning)).buffer)


FORMAT = ExecuTorchFormat()
