"""Parameters and multiply-accumulates of a network, per layer and in total. Light: imports no torch."""

from math import prod

from ..core.types import ModelSpec
from .architectures import skeleton
from .costs import Cost as Cost
from .costs import LayerCost as LayerCost
from .shapes import LayerShapes, layer_shapes, state_shapes


def cost_of(spec: ModelSpec) -> Cost:
    """From the spec alone: no network is built, but for one of another package."""
    if spec.builder:
        from .counting import counted

        return counted(skeleton(spec), spec.input)
    layers = tuple(map(_cost, layer_shapes(spec)))
    learnt = (shape for name, shape in state_shapes(spec).items() if name.endswith((".weight", ".bias")))
    return Cost(params=sum(map(prod, learnt)), macs=sum(layer.macs for layer in layers), layers=layers)


def _cost(layer: LayerShapes) -> LayerCost:
    places = prod(layer.output[1:])
    return LayerCost(
        name=layer.name,
        kind=_kind(layer),
        output=layer.output,
        params=layer.params,
        macs=prod(layer.weight) * places,
    )


def _kind(layer: LayerShapes) -> str:
    if len(layer.weight) == 2:
        return "linear"
    height, width = layer.weight[2:]
    return f"conv{height}x{width}" + (f" /{layer.stride}" if layer.stride > 1 else "")
