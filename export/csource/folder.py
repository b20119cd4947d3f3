"""The folder of sources that an export writes."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx

from ...core.errors import UsageError
from ...core.types import Checkpoint, Precision, TensorSpec
from ...datasets.photos import crops
from ...quantize.program import Logits, Product, Program, evaluate, read
from ...quantize.saturation import excess
from ..feeding import SEED, feed
from ..parity import TOLERANCES, reference
from . import float_program, interface, kernel_sets
from .float_writing import FloatWriter
from .integer_writing import IntegerWriter
from .writing import FILES, source

SHARED = ("kernels.h", "convolve.h", "example.c", "Makefile", "CMakeLists.txt")
SIZE = re.compile(r"#define MODEL_(\w+)_BYTES (\d+)")


def write(
    graph: bytes,
    checkpoint: Checkpoint,
    fed: TensorSpec,
    folder: Path,
    names: tuple[str, ...] = (),
    precision: Precision = "int8",
) -> None:
    """Write the sources of a graph, quantized or not; `names` are the sets of kernels, () is all that are exact."""
    model, is_float = onnx.load_model_from_string(graph), precision == "fp32"
    program = float_program.read(model) if is_float else read(model)
    sets = _sets(program, precision, names)
    made = source(program, FloatWriter if is_float else IntegerWriter)
    described = interface.Interface(
        title=f"{checkpoint.ref}, {precision}", fed=fed, classes=len(checkpoint.labels), workspace=made.workspace,
        constants=made.constants, is_exact=not is_float,
    )  # fmt: skip
    images = crops(1, checkpoint.preprocess, SEED)
    image = feed(images, fed, checkpoint.preprocess)
    logits = reference(checkpoint, images) if is_float else evaluate(program, image)["logits"]
    tolerance = TOLERANCES[precision].error * float(abs(logits).max()) if is_float else 0.0
    texts = made.texts | {
        "model.h": interface.header(described, sets),
        "model.c": interface.dispatch(sets),
        "example_data.h": interface.example_data(image, logits, tolerance),
    }
    own = FILES / precision
    headers = (path for path in own.glob("*.h"))
    for path in (*(FILES / name for name in SHARED), *headers, *(own / each.file for each in sets)):
        shutil.copyfile(path, folder / path.name)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def figures(folder: Path) -> Iterator[tuple[str, int]]:
    """What the model needs in memory, from the sources and the library."""
    for what, size in SIZE.findall((folder / "model.h").read_text(encoding="utf-8")):
        yield what.lower() + "s" * (what == "CONSTANT"), int(size)


def _sets(program: Program, precision: Precision, names: tuple[str, ...]) -> tuple[kernel_sets.KernelSet, ...]:
    """Those of these names, and always the last, which runs everywhere.

    Raises UsageError for one that would not be exact: sums of two products have to fit into 16 bits there.
    """
    sets = kernel_sets.SETS[precision]
    products = [step for step in program if isinstance(step, Product | Logits)] if precision == "int8" else []
    saturating = [step.name for step in products if _saturates(step)]
    chosen = []
    for each in sets:
        is_exact = not saturating or each.name not in kernel_sets.NEEDS_CERTIFICATE
        if each.name in names and not is_exact:
            raise UsageError(
                f"kernels {each.name} would saturate in {saturating[0]}: the network has no certificate",
                'Leave them out, or quantize with saturation = "certify".',
            )
        if is_exact and (not names or each.name in names or each is sets[-1]):
            chosen.append(each)
    return tuple(chosen)


def _saturates(step: Product | Logits) -> bool:
    weights = step.layer.weight_values
    rows = weights.swapaxes(0, step.layer.channel_axis).reshape(weights.shape[step.layer.channel_axis], -1)
    return bool(excess(rows).max() > 0) if rows.shape[1] > 1 else False
