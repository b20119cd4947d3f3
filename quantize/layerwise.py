"""What quantization costs layer by layer: each layer alone, all up to it, and the runtime's integer kernels.

Three graphs read the same images: the float one, the quantized one computed as it is written (float32 between
quantize-dequantize pairs), and the quantized one as the runtime optimises it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import onnx

from ..core.errors import ReszooError
from ..core.types import NotNegative, Record
from .contract import Feeds
from .graph import Graph
from .integer import (
    Array,
    Run,
    accumulate,
    check,
    dequantize,
    element_type,
    exposed,
    in_steps,
    rescale,
    run_as_written,
    run_onnxruntime,
)
from .layers import Affine, IntegerLayer, affine, integer_layers
from .noise import Noise

FLOAT = onnx.TensorProto.FLOAT
# They have no weights: what they add to the error is the rounding of what they give.
WEIGHTLESS = ("Add", "GlobalAveragePool", "AveragePool", "MaxPool")


class LayerError(Record, frozen=True, kw_only=True):
    """One quantized layer on real images. SQNRs are in dB, `noise.EXACT_DB` where nothing differs.

    name, operator  its node in the graph
    tensor          what it gives, behind its ReLU
    own_db          its own error: it reads the float graph's tensor, quantized, and its result is quantized too
    so_far_db       the error of all layers up to it, against the float graph; `cosine` is of the same tensors
    runtime_db      the runtime's kernels up to it, against the quantized graph as it is written
    wrong           of the results that the runtime computes alone from the same integers, those that differ from the
                    exact reference by more than rounding; None where there is no reference (additions, pools)
    """

    name: str
    operator: str
    tensor: str
    own_db: float
    so_far_db: float
    cosine: float
    runtime_db: float
    wrong: NotNegative | None


class LayerErrors(NamedTuple):
    """All layers in the graph's order, and the errors by tensor, with the logits last.

    quantized  as written, against the float graph
    runtime    by the runtime, against that
    """

    layers: tuple[LayerError, ...]
    quantized: dict[str, Noise]
    runtime: dict[str, Noise]


@dataclass(frozen=True)
class Place:
    """A quantized layer in both graphs: its float node, the tensor that it gives, and how integers stand for that.

    `layer` is None for an addition or a pool, `output` for a result that stays float. Raises ReszooError for
    activations with a scale for each channel.
    """

    node: onnx.NodeProto
    tensor: str
    output: Affine | None
    layer: IntegerLayer | None

    def __post_init__(self) -> None:
        for ends in (self.layer and self.layer.input, self.output):
            if ends and ends.scale.size > 1:
                raise ReszooError(
                    f"{ends.integers!r} has {ends.scale.size} scales, one for each channel of an activation",
                    "Choose a scheme that quantizes activations per tensor: `scheme=int8`.",
                )

    @property
    def is_rectified(self) -> bool:
        """Whether `tensor` lies behind a ReLU."""
        return bool(self.tensor != self.node.output[0])

    def result(self, tensors: Mapping[str, Array]) -> Array:
        """What it gave in a run of the quantized graph, as real numbers."""
        return dequantize(self.output, tensors[self.output.integers]) if self.output else tensors[self.tensor]

    def alone(self, tensors: Mapping[str, Array]) -> Array:
        """What it gives if it reads the float graph's `tensors`."""
        if self.layer is None:
            real = tensors[self.tensor]
        else:
            integers = np.rint(in_steps(self.layer.input, tensors[self.node.input[0]]))
            real = rescale(self.layer, accumulate(self.layer, integers))
            real = np.maximum(real, 0) if self.is_rectified else real
        return represented(self.output, real) if self.output else real


@dataclass
class _Errors:
    """What is known of one place after some batches."""

    own: Noise = field(default_factory=Noise)
    so_far: Noise = field(default_factory=Noise)
    runtime: Noise = field(default_factory=Noise)
    wrong: int = 0


def compare_layers(
    floats: onnx.ModelProto, quantized: onnx.ModelProto, feeds: Feeds, run: Run | None = None
) -> LayerErrors:
    """Every quantized layer of `quantized`, on all batches that `feeds` gives.

    `floats` is what it was made from (see `preparation.prepared`). `run` computes integer kernels, as in
    `integer.mismatches`; None is ONNX Runtime on this CPU.
    """
    run = run or run_onnxruntime
    found = places(floats, quantized)
    source, logits = floats.graph.input[0].name, floats.graph.output[0].name
    shown_floats = exposed(floats, dict.fromkeys(_floats(found) - {source} | {logits}, FLOAT))
    shown_integers = exposed(quantized, _integers(found) | {logits: FLOAT})
    errors, total = [_Errors() for _ in found], _Errors()
    for batch in feeds():
        real = {source: batch} | run_as_written(shown_floats, batch)
        written, computed = run_as_written(shown_integers, batch), run(shown_integers, batch)
        for place, error in zip(found, errors, strict=True):
            result = place.result(written)
            error.own.add(real[place.tensor], place.alone(real))
            error.so_far.add(real[place.tensor], result)
            error.runtime.add(result, place.result(computed))
            if place.layer:
                error.wrong += check(quantized, place.layer, written[place.layer.input.integers], run).wrong
        total.so_far.add(real[logits], written[logits])
        total.runtime.add(written[logits], computed[logits])
    tensors = [*(place.tensor for place in found), logits]
    return LayerErrors(
        layers=tuple(map(_layer_error, found, errors)),
        quantized={name: error.so_far for name, error in zip(tensors, [*errors, total], strict=True)},
        runtime={name: error.runtime for name, error in zip(tensors, [*errors, total], strict=True)},
    )


def places(floats: onnx.ModelProto, quantized: onnx.ModelProto) -> list[Place]:
    """Every layer that is computed in integers, in the graph's order.

    Raises ReszooError for a tensor that is quantized in two ways, and for activations with a scale for each channel.
    """
    source, target = Graph(floats), Graph(quantized)
    layers = {layer.name: layer for layer in integer_layers(quantized)}
    nodes = {node.name: node for node in target.nodes}
    held = _quantizers(target)
    found = []
    for node in source.nodes:
        layer = layers.get(node.name)
        relu = source.sole_reader(node.output[0])
        tensor = str(relu.output[0] if relu is not None and relu.op_type == "Relu" else node.output[0])
        weightless = node.op_type in WEIGHTLESS and tensor in held and _reads_integers(target, nodes[node.name])
        if layer is not None or weightless:
            found.append(Place(node, tensor, held.get(tensor), layer))
    return found


def represented(affine: Affine, real: Array) -> Array:
    """Real numbers as 8 bits hold them."""
    return dequantize(affine, np.rint(in_steps(affine, real)))


def _quantizers(graph: Graph) -> dict[str, Affine]:
    """How each tensor is quantized."""
    found: dict[str, Affine] = {}
    for node in graph.nodes:
        if node.op_type != "QuantizeLinear":
            continue
        new = affine(graph, node)
        old = found.setdefault(node.input[0], new)
        if _rule(old) != _rule(new):
            raise ReszooError(
                f"{node.input[0]!r} is quantized in two ways, by {old.node.name!r} and {node.name!r}",
                "Quantize it once: a layer's error is that of one way.",
            )
    return found


def _rule(held: Affine) -> tuple[object, ...]:
    return held.scale.tolist(), held.zero_point.tolist(), held.zero_point.dtype


def _reads_integers(graph: Graph, node: onnx.NodeProto) -> bool:
    writers = [graph.writer.get(name) for name in node.input]
    return all(writer is not None and writer.op_type == "DequantizeLinear" for writer in writers)


def _floats(found: list[Place]) -> set[str]:
    """The float graph's tensors that the places read and give."""
    read = {place.node.input[0] for place in found if place.layer}
    return read | {place.tensor for place in found}


def _integers(found: list[Place]) -> dict[str, int]:
    """The quantized graph's."""
    shown = {}
    for place in found:
        for ends in (place.layer and place.layer.input, place.output):
            if ends:
                shown[ends.integers] = element_type(ends)
        if not place.output:
            shown[place.tensor] = FLOAT
    return shown


def _layer_error(place: Place, errors: _Errors) -> LayerError:
    return LayerError(
        name=place.node.name,
        operator=place.node.op_type,
        tensor=place.tensor,
        own_db=errors.own.sqnr_db,
        so_far_db=errors.so_far.sqnr_db,
        cosine=errors.so_far.cosine,
        runtime_db=errors.runtime.sqnr_db,
        wrong=errors.wrong if place.layer else None,
    )
