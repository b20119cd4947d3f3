"""Where a quantized network goes wrong: each stage against the one before, on real images, up to the first bad one.

preprocessing   the normalised images in float32      against float64
torch           the network in float32                against float64
onnx            the float graph, tensor by tensor     against PyTorch
quantized       the quantized graph, layer by layer   against the float graph
runtime         the runtime's integer kernels         against the quantized graph as it is written
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import onnx

from .. import datasets
from ..core.errors import UsageError
from ..core.progress import Progress, silent
from ..core.types import Checkpoint, Preprocess
from ..datasets.preprocess import normalise
from ..quantize.config import IMAGES as CALIBRATED_ON
from ..quantize.config import QuantizeConfig
from ..quantize.contract import scheme_named
from ..quantize.diagnosis import LEAST_DB, Diagnosis, diagnose
from ..quantize.integer import Array, Run, exposed, run_as_written
from ..quantize.layers import integer_layers
from ..quantize.layerwise import FLOAT, LayerError, compare_layers, places
from ..quantize.noise import Noise, between
from ..quantize.preparation import prepared
from ..quantize.saturation import excess
from .contract.format import format_named
from .contract.options import ExportOptions
from .explanation import AnyReason, Explanation, FirstBad, Stage, StageName, advice
from .exporting import checked
from .feeding import feed
from .formats.onnx import FORMAT as ONNX
from .formats.onnx import MODEL_FILE as ONNX_FILE
from .quantizing import calibrated
from .tracing import Tracer

IMAGES = 64
BATCH = 16  # images at once: every tensor of the network is kept for them
FLOAT_DB = 60.0  # float32 gives twice that: with less, something else is computed
FLOAT_REASONS: dict[StageName, AnyReason] = {
    "preprocessing": "preprocessing",
    "torch": "arithmetic",
    "onnx": "conversion",
}


class Bad(NamedTuple):
    """What is bad first, still without advice."""

    stage: StageName
    name: str
    reason: AnyReason
    what: str


def explain(
    checkpoint: Checkpoint,
    format_name: str = "onnx",
    options: ExportOptions | None = None,
    *,
    progress: Progress = silent,
    run: Run | None = None,
) -> Explanation:
    """Quantize `checkpoint` as the options say, keep nothing of it, and find out where the result goes wrong.

    The images are training images that it is not calibrated on, as long as there are enough. `run` computes integer
    kernels, as in `quantize.integer.mismatches`; None is ONNX Runtime on this CPU. `progress` is told of two stages,
    "calibrating" (images) and "comparing layers" (batches).

    Raises UsageError for a format other than onnx, options that are not quantized and a network of which nothing is,
    and whatever calibrating raises.
    """
    plugin = format_named(format_name)
    options = checked(options or ExportOptions(precision="int8"), plugin)
    if plugin.name != ONNX.name or options.quantize is None:
        raise UsageError(
            f"only int8 ONNX graphs can be explained, not {plugin.name} in {options.precision}",
            "Choose the format onnx and precision int8.",
        )
    config = options.quantize
    with (
        calibrated(checkpoint, plugin, options, config, progress) as model,
        model.keeping(config.keep_float) as candidate,
    ):
        raw, images = further_images(checkpoint, config, max(IMAGES, options.batch or 0))
        batches = _batches(feed(raw, candidate.input, candidate.preprocess), options.batch or BATCH)
        source, quantized = prepared(model.graph, config), onnx.load(candidate.path / ONNX_FILE)
        stages = _float_stages(checkpoint, options, raw, onnx.load_from_string(model.graph), batches)
    found = compare_layers(source, quantized, lambda: _counted(batches, progress), run)
    if not found.layers:
        raise UsageError("no layer is quantized, so there is nothing to explain", "Leave `keep_float` away.")
    stages.append(_stage("quantized", "the float graph", found.quantized))
    stages.append(_stage("runtime", "the graph as written", found.runtime))
    place = places(source, quantized)[_to_diagnose(found.layers)]
    diagnosis = diagnose(place, source, lambda: iter(batches))
    bad = first_bad(stages, found.layers, diagnosis, quantized)
    known = scheme_named(config.scheme).calibrations
    return Explanation(
        ref=checkpoint.ref,
        images=images,
        n=sum(map(len, batches)),
        stages=tuple(stages),
        layers=found.layers,
        bad=FirstBad(**bad._asdict(), advice=advice(bad.reason, bad.name, config, known)) if bad else None,
        diagnosis=diagnosis,
    )


def further_images(checkpoint: Checkpoint, config: QuantizeConfig, n: int) -> tuple[Array, str]:
    """The `n` training images that are drawn after those that it is calibrated on, uint8 (n, H, W, C), and which.

    Where too few are left, they are the last that are drawn, and overlap; a set of fewer than `n` is repeated.
    """
    name = checkpoint.dataset
    all_images = len(datasets.load(name, "train"))
    calibrated_on = min(config.images or CALIBRATED_ON, all_images)
    last = min(calibrated_on + n, all_images)
    first = max(last - n, 0)
    drawn = datasets.calibration_sample(name, last, config.seed).subset(range(first, last))
    ((raw, _),) = drawn.batches(checkpoint.preprocess, n)
    images = f"{name}/train, {first + 1} to {last} as drawn with seed {config.seed}"
    if (again := calibrated_on - first) > 0:
        images += f", {again} of them calibrated on"
    return np.resize(raw, (n, *raw.shape[1:])), images


def _batches(inputs: Array, size: int) -> list[Array]:
    """Whole batches; a remainder is left out."""
    return np.split(inputs[: len(inputs) // size * size], len(inputs) // size)


def _counted(batches: list[Array], progress: Progress) -> Iterator[Array]:
    for done, batch in enumerate(batches, start=1):
        yield batch
        progress("comparing layers", done, len(batches))


def _float_stages(
    checkpoint: Checkpoint, options: ExportOptions, raw: Array, model: onnx.ModelProto, batches: list[Array]
) -> list[Stage]:
    floats = msgspec.structs.replace(options, precision="fp32", quantize=None)
    return [
        _preprocessing(raw, checkpoint.preprocess),
        _torch(checkpoint, normalise(raw, checkpoint.preprocess)),
        _onnx(Tracer(checkpoint, floats, batches[0]), model, batches),
    ]


def _preprocessing(raw: Array, preprocess: Preprocess) -> Stage:
    mean, std = (np.array(values)[:, None, None] for values in (preprocess.mean, preprocess.std))
    exact = (raw.transpose(0, 3, 1, 2) / 255 - mean) / std
    return _stage("preprocessing", "float64", {"input": between(exact, normalise(raw, preprocess))})


def _torch(checkpoint: Checkpoint, inputs: Array) -> Stage:
    import torch

    from ..zoo import build

    model, exact, noise = build(checkpoint), build(checkpoint).double(), Noise()
    with torch.inference_mode():
        for batch in torch.split(torch.from_numpy(inputs), BATCH):
            noise.add(exact(batch.double()).numpy(), model(batch).numpy())
    return _stage("torch", "float64", {"logits": noise})


def _onnx(tracer: Tracer, model: onnx.ModelProto, batches: list[Array]) -> Stage:
    """Every tensor that the file has under the name of one of PyTorch's; the exporter fuses others away."""
    written = [name for node in model.graph.node for name in node.output]
    logits = model.graph.output[0].name
    noises: dict[str, Noise] = {}
    for batch in batches:
        expected, answers = tracer.run(batch)
        shared = {name: expected[name] for name in written if name in expected} | {logits: answers}
        found = run_as_written(exposed(model, dict.fromkeys(shared, FLOAT)), batch)
        for name, values in shared.items():
            noises.setdefault(name, Noise()).add(values, found[name])
    return _stage("onnx", "PyTorch", noises)


def _stage(name: StageName, against: str, noises: dict[str, Noise]) -> Stage:
    """`noises` are by tensor, the one that the stage ends with last."""
    lowest, last = min(noises, key=lambda tensor: noises[tensor].sqnr_db), next(reversed(noises.values()))
    return Stage(
        name=name,
        against=against,
        sqnr_db=last.sqnr_db,
        cosine=last.cosine,
        tensors=len(noises),
        lowest=lowest,
        lowest_db=noises[lowest].sqnr_db,
    )


def _to_diagnose(layers: Sequence[LayerError]) -> int:
    """The number of the first layer whose own error is too large, else of the one whose own error is the largest."""
    bad = (i for i, layer in enumerate(layers) if layer.own_db < LEAST_DB)
    return next(bad, min(range(len(layers)), key=lambda i: layers[i].own_db))


def first_bad(
    stages: Sequence[Stage], layers: Sequence[LayerError], diagnosis: Diagnosis, quantized: onnx.ModelProto
) -> Bad | None:
    """What is bad first; that errors add up is the last explanation, as it has no layer to blame."""
    return (
        _conversion(stages) or _quantization(layers, diagnosis) or _kernel(layers, quantized) or _accumulation(stages)
    )


def _conversion(stages: Sequence[Stage]) -> Bad | None:
    for stage in stages:
        if stage.name in FLOAT_REASONS and stage.lowest_db < FLOAT_DB:
            what = f"it has only {stage.lowest_db:.0f} dB against {stage.against}"
            return Bad(stage.name, stage.lowest, FLOAT_REASONS[stage.name], what)
    return None


def _quantization(layers: Sequence[LayerError], diagnosis: Diagnosis) -> Bad | None:
    layer = next(layer for layer in layers if layer.name == diagnosis.layer)
    if layer.own_db >= LEAST_DB:
        return None
    return Bad("quantized", layer.name, diagnosis.reason, diagnosis.what)


def _kernel(layers: Sequence[LayerError], quantized: onnx.ModelProto) -> Bad | None:
    """The first layer of which the runtime makes something else than what is written.

    Rounding to the other side of ties adds up too, along a deep network, but not to more than quantization does.
    """
    for layer in layers:
        if layer.wrong:
            overflowing = _overflowing(quantized, layer.name)
            what = f"{layer.wrong} of its results are not what exact integer sums give"
            if overflowing:
                what += f"; in {overflowing} of its channels, two products can exceed 16 bits"
            return Bad("runtime", layer.name, "saturation" if overflowing else "kernel", what)
        if layer.runtime_db < min(LEAST_DB, layer.so_far_db):
            what = f"its result has only {layer.runtime_db:.0f} dB against the graph as written"
            return Bad("runtime", layer.name, "kernel", what)
    return None


def _accumulation(stages: Sequence[Stage]) -> Bad | None:
    """Of the errors of all layers, none of which is bad alone, behind the last."""
    (stage,) = (stage for stage in stages if stage.name == "quantized")
    if stage.sqnr_db >= LEAST_DB:
        return None
    what = f"no single layer is bad, but their errors add up to {stage.sqnr_db:.1f} dB"
    return Bad("quantized", "logits", "accumulation", what)


def _overflowing(quantized: onnx.ModelProto, name: str) -> int:
    layer = next(layer for layer in integer_layers(quantized) if layer.name == name)
    rows = np.moveaxis(layer.weight_values, layer.channel_axis, 0)
    return int(np.count_nonzero(excess(rows.reshape(len(rows), -1)) > 0))
