"""The schemes for LiteRT and ExecuTorch: what they leave in float, and what they refuse."""

import copy
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign import untrained
from msgspec.structs import replace

from reszoo import models, zoo
from reszoo.core.errors import ReszooError
from reszoo.export import ExportOptions
from reszoo.export.contract.format import formats
from reszoo.models.cost import cost_of
from reszoo.quantize import QuantizeConfig, Scheme
from reszoo.quantize.contract import Feeds, Layer, schemes

REF = "resnet8_v1.reszoo_digits"
FORMATS = {"int8-litert": "litert", "int8-pt2e": "executorch"}


@pytest.fixture(params=FORMATS)
def scheme(request: pytest.FixtureRequest) -> Scheme:
    if missing := schemes()[request.param].unavailable():
        pytest.skip(missing.reason)
    return schemes()[request.param]


@cache
def graph(scheme: str) -> Any:
    return formats()[FORMATS[scheme]].graph(zoo.load(REF), ExportOptions())  # type: ignore[attr-defined]


def poisoned(source: Any) -> Any:
    """The same network with a weight that is no number."""
    if not isinstance(source, bytes):
        broken = copy.deepcopy(source)
        broken.state_dict["model.head.weight"].detach()[3, 5] = float("nan")
        return broken
    head = zoo.build(zoo.load(REF)).head.weight.detach().numpy().tobytes()
    assert source.count(head) == 1
    return source.replace(head, np.float32("nan").tobytes() + head[4:])


def products(made: Any) -> Counter[str]:
    """Which types of weights the convolutions and matrix products of a quantized network have."""
    if not isinstance(made, bytes):
        reads = [node.args[1] for node in made.graph.nodes if "conv2d" in node.name or "linear" in node.name]
        return Counter("int8" if "dequantize_per_channel" in weight.name else "float" for weight in reads)
    from reszoo.quantize.flatbuffer import PRODUCTS, Model

    model = Model(made)
    read = [operator.inputs[1] for operator in model.operators if operator.kind in PRODUCTS]
    return Counter("float" if tensor.type == model.float else "int8" for tensor in read)


def computed(made: Any, images: np.ndarray) -> np.ndarray:
    """The logits of a graph, float or quantized."""
    if not isinstance(made, bytes):
        return np.asarray(made.module()(torch.from_numpy(images)).detach())
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=made)
    (fed,), (read,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(fed["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(fed["index"], images)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(read["index"]))


def test_layers_are_those_of_the_network_with_its_multiply_adds(scheme: Scheme, feeds: Feeds) -> None:
    found = scheme.variants(graph(scheme.name), feeds, QuantizeConfig(scheme=scheme.name)).layers
    network = Counter(layer.macs for layer in cost_of(zoo.load(REF).spec).layers)
    shortcuts = Counter([16 * 32 * 4 * 4, 32 * 64 * 2 * 2])  # option A's, as 1x1 convolutions
    assert Counter(layer.macs for layer in found if layer.macs) == network + shortcuts
    assert sum(layer.op.lower() == "add" for layer in found) == 3
    assert len({layer.name for layer in found}) == len(found)


def test_layers_have_the_names_of_modules(scheme: Scheme, feeds: Feeds) -> None:
    found = scheme.variants(graph(scheme.name), feeds, QuantizeConfig(scheme=scheme.name)).layers
    modules = dict(zoo.build(zoo.load(REF)).named_modules())
    assert {layer.name for layer in found} <= modules.keys()
    convolutions = [layer.name for layer in found if "conv" in layer.op.lower()]
    assert convolutions[:2] == ["stem.conv", "stages.0.0.convs.0"]


@pytest.mark.long("int8-pt2e")
def test_layers_that_are_to_stay_float_do(scheme: Scheme, feeds: Feeds) -> None:
    variants = scheme.variants(graph(scheme.name), feeds, QuantizeConfig(scheme=scheme.name))
    every: list[Layer] = [layer for layer in variants.layers if layer.macs]
    assert products(variants.quantized(()).graph) == {"int8": len(every)}
    kept = [layer.name for layer in (every[0], every[-1])]
    assert products(variants.quantized(kept).graph) == {"int8": len(every) - 2, "float": 2}


def test_only_layers_that_compute_are_offered_and_the_rest_goes_with_them(feeds: Feeds) -> None:
    """The network's input is brought into order, and option A's shortcut padded, in front of layers."""
    litert = schemes()["int8-litert"]
    if missing := litert.unavailable():
        pytest.skip(missing.reason)
    from reszoo.quantize.flatbuffer import PRODUCTS, Model

    source = graph("int8-litert")
    assert {"RESHAPE", "PAD"} <= {operator.kind for operator in Model(source).operators}
    variants = litert.variants(source, feeds, QuantizeConfig(scheme=litert.name))
    assert {layer.op for layer in variants.layers} == {*PRODUCTS, "ADD", "MEAN"}
    Model(variants.quantized([layer.name for layer in variants.layers]).graph).check()  # nothing is quantized


@pytest.mark.long("int8-pt2e")
def test_no_maximum_comes_from_what_a_pool_is_padded_with(scheme: Scheme, tmp_path: Path) -> None:
    """LiteRT writes minus infinity, and in front of this network's pool are no positive values alone."""
    spec = replace(
        models.spec_of("resnet18_v2"), depths=(1, 1), widths=(8, 16), stem_width=8, num_classes=5, input=(3, 32, 32)
    )
    images = np.random.default_rng(0).normal(size=(32, 3, 32, 32)).astype(np.float32)
    source = formats()[FORMATS[scheme.name]].graph(untrained(tmp_path, spec), ExportOptions())  # type: ignore[attr-defined]
    made = scheme.apply(source, lambda: iter(np.split(images, 4)), QuantizeConfig(scheme=scheme.name)).graph
    expected = computed(source, images)
    assert np.abs(computed(made, images) - expected).max() < 0.1 * np.ptp(expected)


def with_ceil(scheme: str) -> Any:
    """A network with an operator that nobody here has looked at."""
    if scheme == "int8-pt2e":

        class Ceil(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x.ceil()

        return torch.export.export(Ceil(), (torch.zeros(2, 1, 8, 8),))
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(graph(scheme), 0)
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.MEAN:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CEIL
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_an_operator_that_a_scheme_does_not_know_is_named(scheme: Scheme, feeds: Feeds) -> None:
    with pytest.raises(ReszooError, match=r"operators that this scheme does not know: (CEIL|ceil)\n"):
        scheme.apply(with_ceil(scheme.name), feeds, QuantizeConfig(scheme=scheme.name))


BAD: dict[str, tuple[Callable[[np.ndarray], list[np.ndarray]], str]] = {
    "none": (lambda images: [], "no calibration image"),
    "blank": (lambda images: [np.zeros_like(images)], "images are blank"),
    "equal": (lambda images: [np.repeat(images[:1], 4, axis=0)], "images are equal"),
    "another size": (lambda images: [images[:, :, 1:]], "images are 1x7x8, but the network takes 1x8x8"),
    "no numbers": (lambda images: [np.where(images > 1, np.nan, images)], "NaN or infinite"),
}


@pytest.mark.parametrize("bad", BAD)
def test_images_that_tell_nothing_are_refused(scheme: Scheme, bad: str, images: np.ndarray) -> None:
    change, message = BAD[bad]
    config = QuantizeConfig(scheme=scheme.name)
    with pytest.raises(ReszooError, match=message):
        scheme.apply(graph(scheme.name), lambda: iter(change(images)), config)


def test_weights_that_are_not_numbers_are_named(scheme: Scheme, feeds: Feeds) -> None:
    with pytest.raises(ReszooError, match=r"1 of the 640 weights of '.*head.*' are NaN"):
        scheme.apply(poisoned(graph(scheme.name)), feeds, QuantizeConfig(scheme=scheme.name))
