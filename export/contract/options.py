"""What the user chooses about an export, and what that makes of the model's input and output."""

from typing import Annotated, Literal

import msgspec

from ...core.choices import Choices
from ...core.errors import UsageError
from ...core.types import Checkpoint, Precision, TensorSpec
from ...quantize.config import QuantizeConfig


class BatchRange(Choices, frozen=True, kw_only=True):
    """The batch sizes that an engine is built for, and `opt`, the one that it is fastest at (TensorRT's own terms)."""

    min: int
    opt: int
    max: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.min <= self.opt <= self.max:
            raise UsageError(
                f"{self} is no range of batch sizes",
                "Write the smallest, the usual and the largest, all above 0: `batch=1:8:64`.",
            )

    def __str__(self) -> str:
        return f"{self.min}:{self.opt}:{self.max}"


class ExportOptions(Choices, frozen=True, kw_only=True):
    """What the user chose about an export.

    Attributes:
        precision: Of the exported arithmetic.
        quantize: How, with int8 only; None there is the format's natural scheme with its defaults.
        batch: A fixed batch size; None is a dynamic batch, of any size or of those in `batches`.
        batches: The range of batch sizes that an engine is built for.
        input: What the deployed model is fed with: "float" is the normalised float32 NCHW tensor, "uint8" the raw
            pixels (NHWC), normalised inside the graph.
        opset: The ONNX operator set; None is the format's default.
        compute_capability: The GPUs to build for, as in ("8.6", "12.0"); empty is the format's own choice.
        isa: The sets of kernels that C is written with, as in ("avx2", "neon"); empty is all.
        accelerator: The NPUs to compile for, as in ("ethos-u55-128",), each once; empty is the format's own choice.
    """

    precision: Precision = "fp32"
    quantize: QuantizeConfig | None = None
    batch: Annotated[int, msgspec.Meta(ge=1)] | None = None
    batches: BatchRange | None = None
    input: Literal["float", "uint8"] = "float"
    opset: int | None = None
    compute_capability: tuple[str, ...] = ()
    accelerator: tuple[str, ...] = ()
    isa: tuple[str, ...] = ()


def input_spec(checkpoint: Checkpoint, options: ExportOptions, largest_batch: int | None = None) -> TensorSpec:
    """The deployed model's input; `largest_batch` is the format's."""
    channels, height, width = checkpoint.spec.input
    batch = _batch(options, largest_batch)
    if options.input == "uint8":
        return TensorSpec(name="input", shape=(batch, height, width, channels), dtype="uint8", layout="NHWC")
    return TensorSpec(name="input", shape=(batch, channels, height, width), dtype="float32", layout="NCHW")


def output_spec(checkpoint: Checkpoint, options: ExportOptions, largest_batch: int | None = None) -> TensorSpec:
    shape = (_batch(options, largest_batch), checkpoint.spec.num_classes)
    return TensorSpec(name="logits", shape=shape, dtype="float32", layout="NC")


def _batch(options: ExportOptions, largest: int | None) -> int | str:
    """As `TensorSpec.batch_limits` reads it."""
    if options.batches:
        return f"{options.batches.min}..{options.batches.max}"
    return options.batch or (f"1..{largest}" if largest else "batch")
