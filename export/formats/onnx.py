"""ONNX through PyTorch's torch.export-based exporter: batch norms folded, batch dynamic unless asked otherwise."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import ReszooError, UsageError
from ...core.hosts import versions
from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Checkpoint, Preprocess, Unavailable
from ...quantize.config import QuantizeConfig
from .. import files
from ..contract.format import GraphFormat
from ..contract.options import ExportOptions, input_spec
from ..exporters import example
from ..naming import name_by_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx
    from torch import Tensor, nn
    from torch.export import ExportedProgram

MODEL_FILE = files.ONNX
LOCATION = b"location"  # the key under which a tensor names the file of its data
EXPORTER = ("torch", "onnxscript")
# Below 18 the exporter has no operators of its own and its down-conversion fails on Pad; 25 is the newest that
# it writes itself.
OPSETS = range(18, 26)
DEFAULT_OPSET = 18
TRACED_BATCH = 2  # torch.export makes constants of 0 and 1


class OnnxFormat(GraphFormat):
    name = "onnx"
    parity_runtime = "onnxruntime"
    precisions = ("fp32", "fp16", "int8")
    graph_kind = "onnx"
    natural_int8 = QuantizeConfig(scheme="int8")
    inputs = ("float", "uint8")
    has_opset = True
    has_static_batch = True
    opened = (MODEL_FILE,)
    packages = ("onnx", "onnxscript", "torch")

    def unavailable(self) -> Unavailable | None:
        return not_installed("torch", *EXPORTER, what=self.name)

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        if options.opset is not None and options.opset not in OPSETS:
            raise UsageError(
                f"opset {options.opset} cannot be written",
                f"Choose one from {OPSETS.start} to {OPSETS.stop - 1} (default {DEFAULT_OPSET}).",
            )

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        import onnx

        model = traced(checkpoint, options).model
        _describe(model, checkpoint)
        onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(graph)

    def named_in(self, folder: Path) -> tuple[str, ...]:
        return external_data(folder / MODEL_FILE)


def external_data(path: Path) -> tuple[str, ...]:
    """The files that tensors of an ONNX model lie in, where they are not in its own."""
    if LOCATION not in path.read_bytes():  # nearly always: parsing takes longer
        return ()
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise ReszooError(f"{path} is no ONNX model: {error}", "Export it again.") from error
    tensors = (each for each in _messages(model) if isinstance(each, onnx.TensorProto))
    entries = (entry for tensor in tensors for entry in tensor.external_data)
    return tuple(dict.fromkeys(entry.value for entry in entries if entry.key == LOCATION.decode()))


def _messages(message: Any) -> "Iterator[Any]":
    """It and all within it, of subgraphs and functions too."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield from _messages(each)


def deployed(model: "nn.Module", preprocess: Preprocess, options: ExportOptions) -> "nn.Module":
    """The network with what the options bake in: raw-pixel input in front, float16 arithmetic inside."""
    import torch
    from torch import nn

    from ...datasets.preprocess import scale_and_shift

    class Preprocessing(nn.Module):
        scale: "Tensor"
        shift: "Tensor"

        def __init__(self) -> None:
            super().__init__()
            for name, values in zip(("scale", "shift"), scale_and_shift(preprocess), strict=True):
                self.register_buffer(name, torch.from_numpy(values).view(1, -1, 1, 1))

        def forward(self, x: "Tensor") -> "Tensor":
            if options.input == "uint8":
                # from strides of channels_last, exporters write the last pool's as a gather from memory; `contiguous()`
                # leaves them where one channel makes both orders the same
                x = x.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
                x = x * self.scale + self.shift
            return x.half() if options.precision == "fp16" else x

    class Deployed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.preprocess = Preprocessing()
            self.model = model.half() if options.precision == "fp16" else model

        def forward(self, x: "Tensor") -> "Tensor":
            logits: Tensor = self.model(self.preprocess(x))
            return logits.float()

    return Deployed().eval()


class Traced(NamedTuple):
    """An ONNX model that is named by modules, and the program that it was converted from.

    `names` holds the model's name for each of the program's values that it has.
    """

    model: "onnx.ModelProto"
    program: "ExportedProgram"
    names: dict[str, str]


def traced(checkpoint: Checkpoint, options: ExportOptions) -> Traced:
    """The checkpoint as PyTorch's exporter writes it."""
    import torch

    from ...zoo import build

    module = deployed(build(checkpoint), checkpoint.preprocess, options)
    spec = input_spec(checkpoint, options)
    opset = options.opset or DEFAULT_OPSET
    with quietly():
        program = torch.onnx.export(
            module,
            (example(spec, TRACED_BATCH),),
            dynamo=True,
            opset_version=opset,
            input_names=[spec.name],
            output_names=["logits"],
            dynamic_shapes=None if options.batch else ({0: torch.export.Dim("batch")},),
            custom_translation_table={
                torch.ops.aten.mean.dim: _global_average_pool,
                torch.ops.aten.group_norm.default: _group_norm,
            },
            verbose=False,
        )
    if program is None or program.exported_program is None:
        raise ReszooError("the ONNX exporter gave no model", "Run with RESZOO_DEBUG=1 and report it.")
    model: onnx.ModelProto = program.model_proto
    written = next(entry.version for entry in model.opset_import if entry.domain == "")
    if written != opset:
        raise ReszooError(f"the exporter wrote opset {written} instead of {opset}", "Choose another `opset`.")
    names = name_by_modules(model)
    _clean(model)
    return Traced(model, program.exported_program, names)


def _global_average_pool(x: Any, dim: list[int], keepdim: bool = False) -> Any:
    """What PyTorch makes of every pool to 1x1 is a mean; integer kernels and NPUs know the pool."""
    from onnxscript import opset18

    if sorted(axis % 4 for axis in dim) != [2, 3] or not keepdim:
        raise ReszooError(f"a mean over the axes {dim} is no global average pool", "Export to another format.")
    return opset18.GlobalAveragePool(x)


def _group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float = 1e-5, cudnn_enabled: bool = True) -> Any:
    """As an instance norm over groups, between reshapes to constant shapes, for any batch.

    PyTorch's own translation reads the second shape from a tensor; and the operator that opset 21 has for it is one
    that onnxruntime 1.31 expands into shape arithmetic.
    """
    from onnxscript import opset18

    op: Any = opset18
    _, *kept = x.shape
    ones = op.CastLike(op.Constant(value_floats=[1.0] * groups), x)
    zeros = op.CastLike(op.Constant(value_floats=[0.0] * groups), x)
    grouped = op.Reshape(x, op.Constant(value_ints=[0, groups, -1]))
    normed = op.InstanceNormalization(grouped, ones, zeros, epsilon=eps)
    apart = op.Reshape(normed, op.Constant(value_ints=[0, *kept]))
    per_channel = op.Constant(value_ints=[-1, 1, 1])
    return apart * op.Reshape(weight, per_channel) + op.Reshape(bias, per_channel)


def _clean(model: "onnx.ModelProto") -> None:
    """Remove the exporter's notes on every node and value: they hold source lines and paths of this machine."""
    graph = model.graph
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")


def _describe(model: "onnx.ModelProto", checkpoint: Checkpoint) -> None:
    """Let the file speak for itself: where it comes from, how to feed it, how to read it."""
    import msgspec
    import onnx

    facts = {
        "reszoo.version": versions(("reszoo",)).get("reszoo", ""),
        "reszoo.ref": checkpoint.ref,
        "reszoo.provenance_sha256": sha256(msgspec.json.encode(checkpoint.provenance)).hexdigest(),
        "reszoo.weights_sha256": checkpoint.sha256,
        "reszoo.licence": checkpoint.licence,
        "reszoo.preprocess": msgspec.json.encode(checkpoint.preprocess).decode(),
        "reszoo.labels": msgspec.json.encode(checkpoint.labels).decode(),
    }
    onnx.helper.set_model_props(model, facts)
    model.graph.name = checkpoint.ref


FORMAT = OnnxFormat()
