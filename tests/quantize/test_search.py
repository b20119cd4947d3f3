"""Which layers stay in float: the search, and the files of one calibration that it chooses from."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import logits

from reszoo import zoo
from reszoo.core.errors import UsageError
from reszoo.models.cost import cost_of
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.contract import Feeds, Layer, Variants, scheme_named
from reszoo.quantize.search import Names, fewest_float_layers


def layers(*macs: int) -> list[Layer]:
    """a, b, c, ... with these multiply-adds, the most damaging first."""
    return [Layer(chr(ord("a") + i), "Conv" if work else "Add", work) for i, work in enumerate(macs)]


def asked(meets: Callable[[Names], bool]) -> tuple[list[Names], Callable[[Names], bool]]:
    """The sets that were tried, each of them once."""
    tried: list[Names] = []

    def watched(names: Names) -> bool:
        assert names not in tried
        tried.append(names)
        return meets(names)

    return tried, watched


@pytest.mark.parametrize("needed", ["a", "abc", "abcdefg", "bd", "ag", "g"])
def test_just_the_layers_that_are_needed_stay_in_float(needed: str) -> None:
    """Also those far down the order, with none of the harmless ones before them."""
    tried, meets = asked(lambda names: names >= set(needed))
    bounds: list[tuple[int, int]] = []
    found = fewest_float_layers(layers(9, 8, 7, 6, 5, 4, 3, 2), meets, lambda most: bounds.append((len(tried), most)))
    assert found == set(needed)
    assert all(tried_before + most >= len(tried) for tried_before, most in bounds)
    assert bounds[1][1] < bounds[0][1]


def test_many_layers_are_found_in_few_measurements() -> None:
    order = [Layer(str(i), "Conv", 1) for i in range(1000)]
    needed = {str(i) for i in range(37)}
    tried, meets = asked(lambda names: names >= needed)
    assert fewest_float_layers(order, meets) == needed
    assert len(tried) <= 7 + 5 + 37  # 1, 2, ... 64; from 32 to 64; each of the 37 given back


def test_of_layers_that_do_equally_well_the_cheap_ones_stay() -> None:
    """Any two of the three would do."""
    _, meets = asked(lambda names: len(names) >= 2 and "c" in names)
    assert fewest_float_layers(layers(500, 20, 1, 7), meets) == {"b", "c"}


def test_something_that_multiplies_is_always_quantized() -> None:
    order = layers(3, 2, 0, 1, 0)
    tried, meets = asked(lambda names: names >= set("abd"))
    assert fewest_float_layers(order, meets) is None
    assert tried[-1] == set("abce")
    for nothing_left in ([], layers(0, 0), layers(5)):
        assert fewest_float_layers(nothing_left, meets) is None


@pytest.fixture
def variants(float_file: Path, feeds: Feeds) -> Variants:
    return scheme_named("int8").variants(float_file.read_bytes(), feeds, QuantizeConfig())


def test_a_variant_has_the_bytes_of_a_quantization_of_its_own(
    variants: Variants, float_file: Path, feeds: Feeds
) -> None:
    """Whatever was written before it, and in whatever order the names come."""
    first, second, *_, last = (layer.name for layer in variants.layers)
    for kept in [(), (second, last, first), (), (first, second, last)]:
        found = variants.quantized(kept)
        config = QuantizeConfig(keep_float=tuple(sorted(kept)))
        assert found == scheme_named("int8").apply(float_file.read_bytes(), feeds, config)


@pytest.mark.parametrize("activations", ["u8", "s8"])
def test_one_layer_alone_can_be_quantized_or_none(
    activations: str, float_file: Path, feeds: Feeds, images: np.ndarray
) -> None:
    config = QuantizeConfig(activations=activations)
    variants = scheme_named("int8").variants(float_file.read_bytes(), feeds, config)
    names = {layer.name for layer in variants.layers}
    expected = logits(float_file, images)
    for layer in variants.layers:
        graph, certificate = variants.quantized(names - {layer.name})
        assert certificate is not None
        assert certificate.layers == (layer.macs > 0)
        error = np.abs(logits(onnx.load_from_string(graph), images) - expected).max()
        assert 0 < error < 0.1 * np.abs(expected).max()
    none, _ = variants.quantized(names)
    np.testing.assert_allclose(
        logits(onnx.load_from_string(none), images), expected, atol=1e-5 * np.abs(expected).max()
    )


def test_a_variant_of_a_layer_that_is_not_there_is_refused(variants: Variants) -> None:
    with pytest.raises(UsageError, match="unknown graph node 'conv1'"):
        variants.quantized(["conv1"])


def test_layers_are_those_of_the_network_with_its_multiply_adds(float_files: dict[str, Path], feeds: Feeds) -> None:
    found = (
        scheme_named("int8")
        .variants(float_files["v1"].read_bytes(), feeds, QuantizeConfig(calibration="minmax"))
        .layers
    )
    network = Counter(layer.macs for layer in cost_of(zoo.load("resnet8_v1.reszoo_digits").spec).layers)
    shortcuts = Counter([16 * 32 * 4 * 4, 32 * 64 * 2 * 2])  # option A's, as 1x1 convolutions
    assert Counter(layer.macs for layer in found if layer.macs) == network + shortcuts
    assert Counter(layer.op for layer in found) == {
        "Conv": 9,
        "Gemm": 1,
        "Add": 3,
        "GlobalAveragePool": 1,
        "Reshape": 1,
    }
