"""The shapes of a residual network as data: of all that its state dict holds, and of what its layers give.

Light: imports no torch. So weights can be checked, and costs computed, where it is not installed.
"""

from collections.abc import Iterator
from math import ceil, prod
from typing import NamedTuple

from ..core.types import Norm, ResNetSpec
from .channels import Axes, BlockChannels, are_neighbours, layers, layout, routes
from .family import Shape

Size = tuple[int, int]


class LayerShapes(NamedTuple):
    """A convolution, or the classifier, on one image; see `LayerCost`.

    weight  (O, I, K, K), or (O, I) of the classifier
    params  how many learnable values it has: none, where its weights follow from the spec
    """

    name: str
    weight: Shape
    stride: int
    output: Shape
    params: int


def state_shapes(spec: ResNetSpec) -> dict[str, Shape]:
    """Every entry of the network's state dict, by its name."""
    shapes: dict[str, Shape] = {}
    for name, axes in layers(spec).items():
        if name.endswith(".addition"):
            entries: dict[str, Shape] = {"weight": _rows(axes)}
        else:
            entries = _product(spec, name, axes) if _multiplies(name, axes) else _norm(spec, axes)
        shapes |= {f"{name}.{entry}": shape for entry, shape in entries.items()}
    return shapes


def layer_shapes(spec: ResNetSpec) -> Iterator[LayerShapes]:
    """The layers that multiply: convolutions, in the order of the blocks, and the classifier."""
    network, products = layout(spec), _products(spec)
    size = halved(spec.input[1:]) if spec.stem == "imagenet" else spec.input[1:]
    yield _layer(spec, "stem.conv", products["stem.conv"]["stem.conv"], 2 if spec.stem == "imagenet" else 1, size)
    if spec.stem == "imagenet":
        size = halved(size)
    for block in network.blocks:
        before, size = size, halved(size) if block.stride == 2 else size
        yield from _layers_of(spec, block, products[block.name], before, size)
    yield _layer(spec, "head", products["head"]["head"], 1, None)


def _products(spec: ResNetSpec) -> dict[str, dict[str, Axes]]:
    """The layers that multiply, by the block that they are in, or by themselves."""
    products: dict[str, dict[str, Axes]] = {}
    for name, axes in layers(spec).items():
        if _multiplies(name, axes):
            block = ".".join(name.split(".")[:3])
            products.setdefault(block, {})[name] = axes
    return products


def _layers_of(
    spec: ResNetSpec, block: BlockChannels, products: dict[str, Axes], before: Size, after: Size
) -> Iterator[LayerShapes]:
    """`before` and `after` are the sizes of what the block takes and gives."""
    strided = "convs.0" if spec.block_type == "basic" else "convs.1"
    for name, axes in products.items():
        part = name.removeprefix(f"{block.name}.").removeprefix("dense.")
        if part.startswith("se.") or (part == "addition.gate" and spec.skip == "attention"):
            yield _layer(spec, name, axes, 1, (1, 1))
        elif part == "convs.0" and part != strided:
            yield _layer(spec, name, axes, 1, before)
        else:
            keeps_size = part.startswith("convs.") and part != strided
            yield _layer(spec, name, axes, 1 if keeps_size else block.stride, after)
    if block.family != "plain" and spec.shortcut == "A" and not block.has_identity:
        places = routes(block.source, block.target)
        if not are_neighbours(places):
            weight = (block.target.width, block.source.width, 1, 1)
            yield LayerShapes(f"{block.name}.shortcut", weight, block.stride, (block.target.width, *after), 0)


def _layer(spec: ResNetSpec, name: str, axes: Axes, stride: int, size: Size | None) -> LayerShapes:
    entries = _product(spec, name, axes)
    weight = entries["weight"]
    return LayerShapes(name, weight, stride, (weight[0], *(size or ())), sum(map(prod, entries.values())))


def _multiplies(name: str, axes: Axes) -> bool:
    return axes.columns is not None or name == "stem.conv"


def _rows(axes: Axes) -> Shape:
    return (axes.rows.width,) if axes.rows else ()


def _norm(spec: ResNetSpec, axes: Axes) -> dict[str, Shape]:
    channels = _rows(axes)
    learnt: dict[str, Shape] = {"weight": channels, "bias": channels}
    seen: dict[str, Shape] = {"running_mean": channels, "running_var": channels, "num_batches_tracked": ()}
    by_norm: dict[Norm, dict[str, Shape]] = {"batch": learnt | seen, "group": learnt, "layer": learnt, "none": {}}
    return by_norm[spec.norm]


def _product(spec: ResNetSpec, name: str, axes: Axes) -> dict[str, Shape]:
    outputs = axes.rows.width if axes.rows else spec.num_classes
    inputs = axes.columns.width if axes.columns else spec.input[0]
    weight = (outputs, inputs) if name == "head" else (outputs, inputs, *(_kernel(spec, name),) * 2)
    has_bias = name == "head" or name.endswith((".gate", ".fc1", ".fc2"))
    return {"weight": weight, "bias": (outputs,)} if has_bias else {"weight": weight}


def _kernel(spec: ResNetSpec, name: str) -> int:
    if name == "stem.conv":
        return 3 if spec.stem == "cifar" else 7
    is_wide = name.endswith(".convs.1") or (name.rpartition(".")[0].endswith(".convs") and spec.block_type == "basic")
    return 3 if is_wide else 1


def halved(size: Size, times: int = 1) -> Size:
    """By so many strides of 2, each of which rounds up."""
    height, width = size
    return ceil(height / (1 << times)), ceil(width / (1 << times))
