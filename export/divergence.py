"""Where an exported ONNX graph leaves its source: tensor by tensor, each node computed as it is written."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.types import Candidate, Checkpoint
from .contract.options import ExportOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES = 8
# Rounding leaves twice that, in the decibels of float32 (24 bits) and of float16 (11 bits).
LEAST_DB = {"fp32": 60.0, "fp16": 30.0}


def first_divergence(graph: Path, candidate: Candidate, checkpoint: Checkpoint, batch: "NDArray[Any]") -> str:
    """In words: the first tensor in the graph's order that is not what PyTorch computes for `batch`."""
    import onnx

    from ..quantize.integer import exposed, run_as_written
    from ..quantize.noise import between
    from .tracing import Tracer

    model = onnx.shape_inference.infer_shapes(onnx.load(graph))
    fixed = candidate.input.shape[0]
    options = ExportOptions(
        input="uint8" if candidate.input.dtype == "uint8" else "float",
        batch=fixed if isinstance(fixed, int) else None,
        opset=next(entry.version for entry in model.opset_import if entry.domain == ""),
    )
    expected, logits = Tracer(checkpoint, options, batch).run(batch)
    expected[model.graph.output[0].name] = logits
    types = {info.name: info.type.tensor_type.elem_type for info in (*model.graph.value_info, *model.graph.output)}
    written = {name: node for node in model.graph.node for name in node.output if name in expected and name in types}
    found = run_as_written(exposed(model, {name: types[name] for name in written}), batch)
    for name, node in written.items():
        decibels = between(expected[name], found[name]).sqnr_db
        if not decibels >= LEAST_DB[candidate.precision]:  # NaN is no number of decibels either
            return f"the first layer that differs is the {node.op_type} {node.name or name} ({decibels:.0f} dB)"
    return "as it is written every layer is right, so the runtime's optimisations are wrong"
