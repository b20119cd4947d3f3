"""Where a quantized network goes wrong: each stage against the one before, on real images, up to the first bad one.

preprocessing   the normalised images in float32      against float64
torch           the network in float32                against float64
onnx            the float graph, tensor by tensor     against PyTorch
quantized       the quantized graph, layer by layer   against the float graph
runtime         the runtime's integer kernels         against the quantized graph as it is written
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import onnx

from ..core.errors import UsageError
from ..core.types import Candidate, Checkpoint, Preprocess
from ..datasets.preprocess import normalise
from ..quantize.diagnosis import LEAST_DB, Diagnosis, diagnose
from ..quantize.integer import Array, Run, exposed, run_as_written
from ..quantize.layers import integer_layers
from ..quantize.layerwise import FLOAT, LayerError, compare, places, reference
from ..quantize.noise import Noise, between
from ..quantize.saturation import excess
from .contract import ExportOptions, format_named
from .explanation import ADVICE, AnyReason, Explanation, Finding, Stage, StageName
from .exporting import checked
from .formats.onnx import FORMAT as ONNX
from .parity import feed, sample_images
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

Watch = Callable[[str, int, int], None]  # the stage, how much of it is done, and of how much


def explain(
    checkpoint: Checkpoint,
    format_name: str = "onnx",
    options: ExportOptions | None = None,
    *,
    watch: Watch = lambda stage, done, total: None,
    run: Run | None = None,
) -> Explanation:
    """Quantize `checkpoint` as the options say, keep nothing of it, and find out where the result goes wrong.

    The images are training images, drawn anew after those that it is calibrated on. `run` computes integer kernels,
    as in `quantize.integer.mismatches`; None is ONNX Runtime on this CPU. `watch` is told of two stages,
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
    n = max(IMAGES, options.batch or 0)
    raw, origin = sample_images(checkpoint.dataset, checkpoint.preprocess, n, config.seed + 1)
    with (
        calibrated(checkpoint, plugin, options, config, partial(watch, "calibrating")) as model,
        model.keeping(config.keep_float) as candidate,
    ):
        batches = _batches(feed(raw, candidate.input, candidate.preprocess), options.batch or BATCH)
        source, quantized = reference(_file(model.floats), config), onnx.load(_file(candidate))
        stages = _float_stages(checkpoint, options, raw, onnx.load(_file(model.floats)), batches)
    found = compare(source, quantized, lambda: _watched(batches, partial(watch, "comparing layers")), run)
    if not found.layers:
        raise UsageError("no layer is quantized, so there is nothing to explain", "Leave --keep-float away.")
    stages.append(_stage("quantized", "the float graph", found.quantized))
    stages.append(_stage("runtime", "the graph as written", found.runtime))
    suspect = places(source, quantized)[_suspect(found.layers)]
    diagnosis = diagnose(suspect, source, lambda: iter(batches))
    return Explanation(
        ref=checkpoint.ref,
        images=f"{origin}, seed {config.seed + 1}",
        n=sum(map(len, batches)),
        stages=tuple(stages),
        layers=found.layers,
        bad=_conversion(stages) or _quantization(found.layers, diagnosis) or _kernel(found.layers, quantized),
        diagnosis=diagnosis,
    )


def _batches(inputs: Array, size: int) -> list[Array]:
    """Whole batches; a remainder is left out."""
    return np.split(inputs[: len(inputs) // size * size], len(inputs) // size)


def _watched(batches: list[Array], watch: Callable[[int, int], None]) -> Iterator[Array]:
    for done, batch in enumerate(batches, start=1):
        yield batch
        watch(done, len(batches))


def _file(candidate: Candidate) -> Path:
    (file,) = candidate.files
    return candidate.path / file.name


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


def _suspect(layers: Sequence[LayerError]) -> int:
    """The first layer whose own error is too large, else the one whose own error is the largest."""
    bad = (i for i, layer in enumerate(layers) if layer.own_db < LEAST_DB)
    return next(bad, min(range(len(layers)), key=lambda i: layers[i].own_db))


def _conversion(stages: Sequence[Stage]) -> Finding | None:
    for stage in stages:
        if stage.name in FLOAT_REASONS and stage.lowest_db < FLOAT_DB:
            what = f"it has only {stage.lowest_db:.0f} dB against {stage.against}"
            return _finding(stage.name, stage.lowest, FLOAT_REASONS[stage.name], what)
    return None


def _quantization(layers: Sequence[LayerError], diagnosis: Diagnosis) -> Finding | None:
    layer = next(layer for layer in layers if layer.name == diagnosis.layer)
    if layer.own_db >= LEAST_DB:
        return None
    return _finding("quantized", layer.name, diagnosis.reason, diagnosis.what)


def _kernel(layers: Sequence[LayerError], quantized: onnx.ModelProto) -> Finding | None:
    """The first layer of which the runtime makes something else than what is written.

    Rounding to the other side of ties adds up too, along a deep network, but not to more than quantization does.
    """
    for layer in layers:
        if layer.wrong:
            overflowing = _overflowing(quantized, layer.name)
            what = f"{layer.wrong} of its results are not what exact integer sums give"
            if overflowing:
                what += f"; in {overflowing} of its channels, two products can exceed 16 bits"
            return _finding("runtime", layer.name, "saturation" if overflowing else "kernel", what)
        if layer.runtime_db < min(LEAST_DB, layer.so_far_db):
            what = f"its result has only {layer.runtime_db:.0f} dB against the graph as written"
            return _finding("runtime", layer.name, "kernel", what)
    return None


def _overflowing(quantized: onnx.ModelProto, name: str) -> int:
    layer = next(layer for layer in integer_layers(quantized) if layer.name == name)
    rows = np.moveaxis(layer.weight_values, layer.channel_axis, 0)
    return int(np.count_nonzero(excess(rows.reshape(len(rows), -1)) > 0))


def _finding(stage: StageName, name: str, reason: AnyReason, what: str) -> Finding:
    return Finding(stage=stage, name=name, reason=reason, what=what, advice=ADVICE[reason].format(name=name))
