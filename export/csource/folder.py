"""The folder of sources that an export writes."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx

from ...core.errors import UsageError
from ...core.types import Checkpoint, TensorSpec
from ...quantize.integer import Array
from ...quantize.program import Logits, Product, Program, evaluate, read
from ...quantize.saturation import excess
from ..feeding import SEED, feed
from . import interface, kernel_sets
from .writing import FILES, source

SHARED = ("kernels.h", "convolve.h", "neon.h", "example.c", "Makefile", "CMakeLists.txt")
SIZE = re.compile(r"#define MODEL_(\w+)_BYTES (\d+)")


def write(graph: bytes, checkpoint: Checkpoint, fed: TensorSpec, folder: Path, names: tuple[str, ...] = ()) -> None:
    """Write the sources of a quantized graph; `names` are the sets of kernels, () is all that are exact."""
    program = read(onnx.load_model_from_string(graph))
    sets = _sets(program, names)
    made = source(program)
    model = interface.Interface(
        title=f"{checkpoint.ref}, int8", fed=fed, classes=len(checkpoint.labels), workspace=made.workspace,
        constants=made.constants,
    )  # fmt: skip
    image = _image(checkpoint, fed)
    texts = made.texts | {
        "model.h": interface.header(model, sets),
        "model.c": interface.dispatch(sets),
        "example_data.h": interface.example_data(image, evaluate(program, image)["logits"]),
    }
    for name in (*SHARED, *(each.file for each in sets)):
        shutil.copyfile(FILES / name, folder / name)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def figures(folder: Path) -> Iterator[tuple[str, int]]:
    """What the model needs in memory, from the sources and the library."""
    for what, size in SIZE.findall((folder / "model.h").read_text(encoding="utf-8")):
        yield what.lower() + "s" * (what == "CONSTANT"), int(size)


def _sets(program: Program, names: tuple[str, ...]) -> tuple[kernel_sets.KernelSet, ...]:
    """Those of these names, and always the last, which runs everywhere.

    Raises UsageError for one that would not be exact: sums of two products have to fit into 16 bits there.
    """
    saturating = [step.name for step in program if isinstance(step, Product | Logits) and _saturates(step)]
    chosen = []
    for each in kernel_sets.SETS:
        is_exact = not saturating or each.name not in kernel_sets.NEEDS_CERTIFICATE
        if each.name in names and not is_exact:
            raise UsageError(
                f"kernels {each.name} would saturate in {saturating[0]}: the network has no certificate",
                'Leave them out, or quantize with saturation = "certify".',
            )
        if is_exact and (not names or each.name in names or each is kernel_sets.SETS[-1]):
            chosen.append(each)
    return tuple(chosen)


def _saturates(step: Product | Logits) -> bool:
    weights = step.layer.weight_values
    rows = weights.swapaxes(0, step.layer.channel_axis).reshape(weights.shape[step.layer.channel_axis], -1)
    return bool(excess(rows).max() > 0) if rows.shape[1] > 1 else False


def _image(checkpoint: Checkpoint, fed: TensorSpec) -> Array:
    from ...datasets.photos import crops

    return feed(crops(1, checkpoint.preprocess, SEED), fed, checkpoint.preprocess)
