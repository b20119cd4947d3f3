"""`reszoo doctor ARTIFACT`: where its time goes, why it is not faster, and whether its integers are right."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from msgspec.structs import replace

from ...core.errors import ReszooError
from ...core.hosts import describe
from ...core.measured import Kernel
from ...core.progress import Progress, silent
from ...core.types import Artifact, Certificate, NotNegative, Positive, Precision, Record
from ...export.contract.runtime import Device, Runtime
from ...export.feeding import feed, sample_images
from ...export.formats.onnx import MODEL_FILE
from ...quantize.graph import Graph, attributes
from ...quantize.integer import INPUT, Array, Run, mismatches, run_onnxruntime
from ...quantize.layers import PRODUCTS, IntegerLayer, integer_layers
from .hints import Hint, hints
from .kernels import batch_for, profile_kernels, runtime_for

IMAGES = 32


class WrongLayer(Record, frozen=True, kw_only=True):
    """A layer that gave results other than the exact ones: `wrong` of its `elements`, by `largest` steps at most."""

    layer: str
    elements: Positive
    wrong: Positive
    largest: float


class IntegerCheck(Record, frozen=True, kw_only=True):
    """A runtime's integer kernels on this CPU against exact arithmetic; see `quantize.integer.mismatches`.

    elements   results of all `layers` that were compared, on `images` real images
    rounding   those that were rounded to the other side of a tie
    """

    runtime: str
    images: Positive
    layers: NotNegative
    elements: NotNegative
    rounding: NotNegative
    wrong: tuple[WrongLayer, ...]
    certificate: Certificate | None

    def raise_if_wrong(self) -> None:
        """Raises ReszooError where a layer is wrong."""
        if self.wrong:
            certify = "Quantize it again with `saturation=certify`."
            raise ReszooError(
                f"{self.runtime} computes {len(self.wrong)} of {self.layers} integer layers wrongly on this CPU: "
                f"{', '.join(layer.layer for layer in self.wrong)}",
                certify if self.certificate is None else "Use another version of the runtime, or another one.",
            )


class ArtifactProfile(Record, frozen=True, kw_only=True):
    """Where an artifact's time goes, hints why it is not faster, and whether its integers are right.

    `check` is None where there are no integer layers that reszoo can read.
    """

    path: Path
    source_ref: str
    format: str
    precision: Precision
    runtime: str
    threads: Positive
    batch: Positive
    kernels: tuple[Kernel, ...]
    hints: tuple[Hint, ...]
    check: IntegerCheck | None


def profile_artifact(
    artifact: Artifact,
    *,
    runtime: str | None = None,
    device: Device = "cpu",
    threads: int = 1,
    batch: int | None = None,
    images: int = IMAGES,
    progress: Progress = silent,
) -> ArtifactProfile:
    """Profile the artifact in `runtime` (None: the first that fits), and check its integer layers on `images` images.

    `progress` is told what is being done. Raises UsageError for a runtime or a batch that does not go with the
    artifact, UnavailableError for a runtime that is not here or tells nothing of its kernels.
    """
    engine, size = runtime_for(artifact, runtime, device), batch_for(artifact, batch)
    progress(f"profiling {engine.name}")
    kernels = profile_kernels(artifact, engine, device=device, threads=threads, batch=size)
    model = _model(artifact)
    kernels = _by_node(kernels, model) if model else kernels
    layers = integer_layers(model) if model else []
    channels = {layer.name: _channels(layer) for layer in layers if layer.node.op_type == "Conv"}
    signed = [layer.name for layer in layers if layer.input.zero_point.dtype == np.int8]
    checked = None
    if layers:
        progress(f"checking {len(layers)} integer layers")
        checked = check_integers(artifact, images, engine)
    return ArtifactProfile(
        path=artifact.path,
        source_ref=artifact.source_ref,
        format=artifact.format,
        precision=artifact.precision,
        runtime=engine.name,
        threads=threads,
        batch=size,
        kernels=kernels,
        hints=hints(artifact, kernels, describe(), threads, channels, signed if engine.name == "onnxruntime" else ()),
        check=checked,
    )


def check_integers(artifact: Artifact, images: int, engine: Runtime, run: Run | None = None) -> IntegerCheck:
    """Every integer layer of an ONNX artifact on real images: on at least one batch, where that is fixed.

    `run` computes instead of `engine`; see `quantize.integer.mismatches`.
    """
    n = max(images, batch_for(artifact))
    raw, _ = sample_images(artifact.dataset, artifact.preprocess, n)
    found = mismatches(
        artifact.path / MODEL_FILE, feed(raw, artifact.input, artifact.preprocess), run or partial(_compute, engine)
    )
    return IntegerCheck(
        runtime=engine.name,
        images=n // batch_for(artifact) * batch_for(artifact),
        layers=len(found),
        elements=sum(layer.elements for layer in found),
        rounding=sum(layer.rounding for layer in found),
        wrong=tuple(
            WrongLayer(layer=layer.layer, elements=layer.elements, wrong=layer.wrong, largest=layer.largest)
            for layer in found
            if layer.wrong
        ),
        certificate=artifact.certificate,
    )


def _compute(engine: Runtime, model: onnx.ModelProto, batch: Array) -> dict[str, Array]:
    """A layer by itself by the engine; what reaches it in the whole model, by ONNX Runtime for all of them."""
    if model.graph.input[0].name == INPUT and (found := engine.run_graph(model, batch)) is not None:
        return found
    return run_onnxruntime(model, batch)


def _model(artifact: Artifact) -> onnx.ModelProto | None:
    """The graph of an ONNX file; other formats are not looked into."""
    if MODEL_FILE not in {file.name for file in artifact.files}:
        return None
    return onnx.load(artifact.path / MODEL_FILE)


def _by_node(kernels: Sequence[Kernel], model: onnx.ModelProto) -> tuple[Kernel, ...]:
    """The kernels by the names of the file's nodes: ONNX Runtime names float ones by the tensor that they give."""
    graph, names = Graph(model), {}
    for node in graph.nodes:
        if node.op_type in PRODUCTS:
            relu = graph.sole_reader(node.output[0])
            names[node.output[0]] = node.name
            if relu is not None and relu.op_type == "Relu":
                names[relu.output[0]] = node.name
    return tuple(replace(kernel, name=names.get(kernel.name, kernel.name)) for kernel in kernels)


def _channels(layer: IntegerLayer) -> int:
    """Output channels that are computed at once: those of one group; of a depthwise convolution, all of them."""
    channels = len(layer.weight_values)
    groups: int = attributes(layer.node).get("group", 1)
    return channels if groups == channels else channels // groups
