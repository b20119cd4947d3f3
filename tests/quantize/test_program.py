"""A quantized graph as steps on integers: their results are ONNX Runtime's, and multipliers give them exactly."""

from typing import Any

import numpy as np
import onnx
import pytest
from families import BASE
from foreign import untrained
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from qdq import Network, random_scales, random_weights

from reszoo.core.errors import ReszooError
from reszoo.core.types import ModelSpec
from reszoo.datasets.photos import crops
from reszoo.export.contract.options import ExportOptions, input_spec
from reszoo.export.feeding import feed
from reszoo.export.formats.onnx import FORMAT
from reszoo.quantize import QuantizeConfig, fixed_point
from reszoo.quantize.integer import run_as_written
from reszoo.quantize.program import Addition, GlobalPool, Product, Program, evaluate, exact, read
from reszoo.quantize.schemes.int8 import SCHEME

SPECS: dict[str, ModelSpec] = {
    "v1": BASE,
    "v2": replace(BASE, family="v2", shortcut="B"),
    "bottlenecks, large images": replace(BASE, block_type="bottleneck", stem="imagenet", input=(3, 36, 28)),
}


@pytest.fixture(scope="module", params=SPECS.values(), ids=SPECS.keys())
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[onnx.ModelProto, Any]:
    """A quantized network, and images that it is fed with."""
    checkpoint = untrained(tmp_path_factory.mktemp("made"), replace(request.param, input=(3, *request.param.input[1:])))
    options = ExportOptions(input="uint8")
    images = feed(crops(24, checkpoint.preprocess, 0), input_spec(checkpoint, options), checkpoint.preprocess)
    config = SCHEME.complete(QuantizeConfig(scheme="int8", calibration="minmax"))
    graph = SCHEME.apply(FORMAT.graph(checkpoint, options), lambda: iter([images[:16]]), config).graph
    return onnx.load_model_from_string(graph), images


@pytest.fixture
def program(network: tuple[onnx.ModelProto, Any]) -> Program:
    return read(network[0])


def test_the_steps_give_what_onnx_runtime_gives(network: tuple[onnx.ModelProto, Any], program: Program) -> None:
    """It computes what lies between Q/DQ nodes in float32: a value very near a tie may fall on its other side."""
    model, images = network
    found = evaluate(program, images)["logits"]
    (expected,) = run_as_written(model, images).values()
    near = np.isclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert near.mean() > 0.5  # one such value changes all logits of its image
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_multipliers_agree_with_the_definition_at_every_stair_and_between(program: Program) -> None:
    generator = np.random.default_rng(0)
    for step in program:
        if isinstance(step, Product) and not step.is_map:
            sums = generator.integers(-40_000, 40_000, (len(step.weights), 500))
            rescale = fixed_point.of_product(step)
            expected = definition(step, sums)
            reachable = (sums >= 255 * np.minimum(rows(step), 0).sum(1)[:, None]) & (
                sums <= 255 * np.maximum(rows(step), 0).sum(1)[:, None]
            )
            np.testing.assert_array_equal(fixed_point.apply(rescale, sums)[reachable], expected[reachable])
            assert reachable.any()
        if isinstance(step, GlobalPool):
            sums = np.arange(255 * step.inputs[0].shape[1] * step.inputs[0].shape[2] + 1)
            found = fixed_point.apply(fixed_point.of_pool(step), sums[None])[0]
            np.testing.assert_array_equal(found, np.rint(exact(step, sums)))
        if isinstance(step, Addition):
            first, second, constant, shift, least = fixed_point.of_addition(step)
            a, b = np.meshgrid(np.arange(256), np.arange(256))
            found = np.clip((a * first + b * second + constant) >> shift, least, 255)
            np.testing.assert_array_equal(found, np.rint(exact(step, a, b)))


def rows(step: Product) -> Any:
    return step.weights.reshape(len(step.weights), -1).astype(np.int64)


def definition(step: Product, sums: Any) -> Any:
    """A convolution's results from raw sums, by the formulas of ONNX in float64."""
    layer = step.layer
    scales = np.broadcast_to(layer.weights.scale.astype(np.float64), len(sums))[:, None]
    real = (sums - step.inputs[0].zero * rows(step).sum(1)[:, None]) * (step.inputs[0].scale * scales)
    if layer.bias is not None and layer.bias_values is not None:
        real = real + (layer.bias_values * layer.bias.scale.astype(np.float64))[:, None]
    return np.clip(np.rint(real / step.output.scale + step.output.zero), step.output.zero if layer.relu else 0, 255)


@given(seed=st.integers(0, 2**31))
def test_any_scales_are_met(seed: int) -> None:
    """One 1x1 convolution on two channels: so few sums that each can be tried."""
    generator = np.random.default_rng(seed)
    network = Network((2, 1, 1), scale=float(generator.uniform(1e-3, 1)), zero=int(generator.integers(256)))
    scales = generator.uniform(1e-5, 1e-2, 3).astype(np.float32)
    network.layer("Conv", generator.integers(-60, 61, (3, 2, 1, 1), dtype=np.int8), scales, relu=bool(seed % 2))
    network.layer("Conv", random_weights((4, 3, 1, 1)), random_scales(4))
    step = next(step for step in steps_of(network) if isinstance(step, Product))
    low, high = 255 * np.minimum(rows(step), 0).sum(1), 255 * np.maximum(rows(step), 0).sum(1)
    sums = np.clip(np.arange(low.min(), high.max() + 1)[None], low[:, None], high[:, None])
    np.testing.assert_array_equal(fixed_point.apply(fixed_point.of_product(step), sums), definition(step, sums))


def steps_of(network: Network) -> Program:
    """The network's steps, with a classifier behind it."""
    network._node("GlobalAveragePool", [network.tensor], "pool")
    network._requantize()
    network._node("Flatten", [network.tensor], "flat")
    network._requantize()
    network.layer("Gemm", random_weights((2, 4)), random_scales(2), transB=1, requantize=False)
    return read(network.finish())


def test_ties_that_no_multiplier_rounds_to_even_are_refused() -> None:
    network = Network((1, 1, 1), scale=1.0, zero=0)
    network.layer("Conv", np.array([[[[1]]]], np.int8), np.array(0.5, np.float32))
    network.layer("Conv", random_weights((4, 1, 1, 1)), random_scales(4))
    step = next(step for step in steps_of(network) if isinstance(step, Product))
    with pytest.raises(ReszooError, match=r"no integer multiplier rounds as layer0 does in channel 0"):
        fixed_point.of_product(step)


def test_what_has_no_kernel_is_named_with_its_layer() -> None:
    network = Network((8, 9, 9))
    network.layer("Conv", random_weights((8, 4, 3, 3)), random_scales(8), group=2)
    with pytest.raises(ReszooError, match="no integer kernel in C for grouped Conv, at layer0"):
        read(network.finish())
