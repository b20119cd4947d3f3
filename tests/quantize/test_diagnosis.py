"""What each quantized layer loses, and whether the likely reason that is named is the one that was built in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from reszoo import datasets, zoo
from reszoo.core.errors import ReszooError
from reszoo.datasets.preprocess import normalise
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.contract import Feeds, scheme_named
from reszoo.quantize.diagnosis import LEAST_DB, Diagnosis, diagnose
from reszoo.quantize.equalisation import find_pairs
from reszoo.quantize.graph import Graph
from reszoo.quantize.integer import exposed, run_as_written
from reszoo.quantize.layers import integer_layers
from reszoo.quantize.layerwise import LayerError, compare_layers, places
from reszoo.quantize.noise import EXACT_DB, between
from reszoo.quantize.preparation import prepared

Changed = Callable[[Callable[[onnx.ModelProto], None]], Path]
FACTOR = 2.0**10


@pytest.fixture(scope="session")
def others() -> Feeds:
    """64 digits that nothing was calibrated on, in two batches."""
    preprocess = zoo.load("resnet8_v1.reszoo_digits").preprocess
    behind = datasets.calibration_sample("digits", 192, seed=0).subset(range(128, 192))
    raw, _ = next(behind.batches(preprocess, 64))
    return lambda: iter(np.split(normalise(raw, preprocess), 2))


class Quantized:
    """A float file, quantized, and both as graphs."""

    def __init__(self, source: Path, folder: Path, feeds: Feeds, **choices: object) -> None:
        config = QuantizeConfig(**choices)
        made = scheme_named("int8").apply(source.read_bytes(), feeds, config)
        self.floats, self.integers = prepared(source.read_bytes(), config), onnx.load_from_string(made.graph)

    def layers(self, feeds: Feeds) -> dict[str, LayerError]:
        return {layer.name: layer for layer in compare_layers(self.floats, self.integers, feeds).layers}

    def diagnosis(self, name: str, feeds: Feeds) -> Diagnosis:
        (place,) = (place for place in places(self.floats, self.integers) if place.node.name == name)
        return diagnose(place, self.floats, feeds)


def test_noise_is_told_in_decibels_and_as_an_angle() -> None:
    reference = np.array([3.0, 4.0], np.float32)
    assert between(reference, reference * 1.1).sqnr_db == pytest.approx(20, abs=1e-4)
    assert between(reference, reference * 1.1).cosine == pytest.approx(1)
    assert between(reference, np.array([4.0, -3.0])).cosine == pytest.approx(0)
    assert between(reference, reference).sqnr_db == EXACT_DB
    assert between(np.zeros(2), reference).sqnr_db == -EXACT_DB


def test_batches_add_up_to_the_whole() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 64))
    whole, parts = between(a, b), between(a[:10], b[:10])
    parts.add(a[10:], b[10:])
    assert (parts.sqnr_db, parts.cosine) == pytest.approx((whole.sqnr_db, whole.cosine))


@pytest.mark.parametrize("choices", [{}, {"activations": "s8"}, {"equalise": True}, {"calibration": "minmax"}])
def test_no_layer_of_a_healthy_network_is_bad(
    choices: dict[str, object], float_file: Path, feeds: Feeds, others: Feeds, tmp_path: Path
) -> None:
    made = Quantized(float_file, tmp_path, feeds, **choices)
    layers = made.layers(others)
    assert {name for name, layer in layers.items() if layer.own_db < LEAST_DB} == set()
    assert {layer.name for layer in integer_layers(made.integers)} <= layers.keys()
    assert sum(layer.operator == "Add" for layer in layers.values()) == 3
    assert all(layer.wrong in (0, None) for layer in layers.values())


def test_errors_add_up_along_the_graph_but_not_in_a_layers_own(
    float_files: dict[str, Path], feeds: Feeds, others: Feeds, tmp_path: Path
) -> None:
    """Break the stem's weights: all that follows is far off, yet no other layer is to blame."""
    made = Quantized(float_files["v1"], tmp_path, feeds)
    stem = integer_layers(made.integers)[0]
    before = made.layers(others)
    Graph(made.integers).replace(stem.weights.integers, stem.weight_values // 32 * 32)
    after = made.layers(others)
    assert after[stem.name].own_db < LEAST_DB < before[stem.name].own_db
    for name in list(after)[1:]:
        assert after[name].own_db == pytest.approx(before[name].own_db, abs=1e-3)
        assert after[name].so_far_db < before[name].so_far_db
    found = made.diagnosis(stem.name, others)
    assert (found.source, found.reason) == ("weights", "weights")
    assert found.source_db["weights"] == min(found.source_db.values())


def scaled(factor: float, images: np.ndarray) -> Callable[[onnx.ModelProto], None]:
    """The liveliest channel between the first two paired convolutions becomes larger, what reads it smaller."""

    def change(model: onnx.ModelProto) -> None:
        graph, channel = Graph(model), liveliest(model, images)
        first, second = find_pairs(graph)[0]
        weights, bias, after = (graph.array(name).copy() for name in (*first.input[1:], second.input[1]))
        weights[channel] *= factor
        bias[channel] *= factor
        after[:, channel] /= factor
        for name, values in ((first.input[1], weights), (first.input[2], bias), (second.input[1], after)):
            graph.replace(name, values)

    return change


def liveliest(model: onnx.ModelProto, images: np.ndarray) -> int:
    """The channel that the second convolution makes most of."""
    graph = Graph(model)
    second = find_pairs(graph)[0].second
    read = run_as_written(exposed(model, {second.input[0]: onnx.TensorProto.FLOAT}), images)[second.input[0]]
    return int((read.mean(axis=(0, 2, 3)) * np.abs(graph.array(second.input[1])).sum(axis=(0, 2, 3))).argmax())


def reader(path: Path) -> str:
    return str(find_pairs(Graph(onnx.load(path)))[0].second.name)


def test_a_channel_that_stretches_the_range_is_named(
    changed: Changed, feeds: Feeds, others: Feeds, images: np.ndarray, tmp_path: Path
) -> None:
    source = changed(scaled(FACTOR, images))
    made = Quantized(source, tmp_path, feeds, calibration="minmax")
    bad = [name for name, layer in made.layers(others).items() if layer.own_db < LEAST_DB]
    assert bad == [reader(source)]
    found = made.diagnosis(bad[0], others)
    assert (found.source, found.reason) == ("input", "outliers")
    assert found.histogram.stretched == (liveliest(onnx.load(source), images),)
    assert f"stretched by channel {found.histogram.stretched[0]}" in found.what
    low, high = found.histogram.channel
    assert high - low < 0.1 * (found.histogram.covered[1] - found.histogram.covered[0])
    shape = Graph(made.floats).values[found.histogram.tensor].shape.dim[1:]
    assert sum(found.histogram.counts) == 64 * np.prod([size.dim_value for size in shape])


def test_of_large_tensors_some_images_are_enough(
    changed: Changed, feeds: Feeds, others: Feeds, images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = changed(scaled(FACTOR, images))
    made = Quantized(source, tmp_path, feeds, calibration="minmax")
    whole = made.diagnosis(reader(source), others)
    pixels = sum(whole.histogram.counts) // 64
    monkeypatch.setattr("reszoo.quantize.diagnosis.MOST_VALUES", 10 * pixels)
    some = made.diagnosis(reader(source), others)
    assert sum(some.histogram.counts) == 10 * pixels  # every seventh of 64, across two batches
    assert (some.source, some.reason) == (whole.source, whole.reason)
    assert some.histogram.stretched == whole.histogram.stretched
    assert some.source_db == pytest.approx(whole.source_db, abs=2)


def test_equalising_cures_outliers_as_is_advised(
    changed: Changed, feeds: Feeds, others: Feeds, images: np.ndarray, tmp_path: Path
) -> None:
    made = Quantized(changed(scaled(FACTOR, images)), tmp_path, feeds, calibration="minmax", equalise=True)
    assert all(layer.own_db > LEAST_DB for layer in made.layers(others).values())


def test_a_channel_that_integers_cannot_tell_from_zero_is_dead(
    changed: Changed, feeds: Feeds, others: Feeds, images: np.ndarray, tmp_path: Path
) -> None:
    source = changed(scaled(1 / FACTOR, images))
    made = Quantized(source, tmp_path, feeds, calibration="minmax")
    found = made.diagnosis(reader(source), others)
    assert (found.source, found.reason) == ("input", "dead channel")
    assert f"channel {liveliest(onnx.load(source), images)} of" in found.what


def test_a_range_that_is_too_narrow_clips(
    float_files: dict[str, Path], feeds: Feeds, others: Feeds, tmp_path: Path
) -> None:
    made = Quantized(float_files["v1"], tmp_path, feeds)
    layer = integer_layers(made.integers)[0]
    assert layer.output is not None
    scale = layer.output.node.input[1]
    Graph(made.integers).replace(scale, np.asarray(layer.output.scale / 8))
    found = made.diagnosis(layer.name, others)
    assert (found.source, found.reason) == ("output", "clipping")
    assert found.histogram.span[1] > 4 * found.histogram.covered[1]


def test_a_layer_that_stays_in_float_has_no_error_of_its_own(
    float_files: dict[str, Path], feeds: Feeds, others: Feeds, tmp_path: Path
) -> None:
    stem = prepared(float_files["v1"].read_bytes(), QuantizeConfig()).graph.node[0].name
    layers = Quantized(float_files["v1"], tmp_path, feeds, keep_float=(stem, "head")).layers(others)
    assert not {stem, "head"} & layers.keys()
    assert len(layers) >= 10


def test_a_quantizer_without_a_zero_point_gives_unsigned_integers(
    float_files: dict[str, Path], feeds: Feeds, others: Feeds, tmp_path: Path
) -> None:
    made = Quantized(float_files["v1"], tmp_path, feeds)
    before = made.layers(others)
    end = integer_layers(made.integers)[0].output
    assert end is not None
    assert end.zero_point == 0  # it lies behind a ReLU
    del end.node.input[2]
    assert made.layers(others) == before


def test_activations_that_are_quantized_in_two_ways_or_by_channel_are_refused(
    float_files: dict[str, Path], feeds: Feeds, tmp_path: Path
) -> None:
    made = Quantized(float_files["v1"], tmp_path, feeds)
    graph = Graph(made.integers)
    end = integer_layers(made.integers)[0].output
    assert end is not None
    again = made.integers.graph.node.add()
    again.CopyFrom(end.node)
    again.name, again.output[0] = "again", "again"
    assert places(made.floats, made.integers)  # the same once more is no other way
    made.integers.graph.initializer.add().CopyFrom(onnx.numpy_helper.from_array(end.scale * 2, "wider"))
    again.input[1] = "wider"
    with pytest.raises(ReszooError, match=r"is quantized in two ways, by .* and 'again'"):
        places(made.floats, made.integers)
    made.integers.graph.node.remove(again)
    graph.replace(end.node.input[1], np.repeat(end.scale, 8))
    with pytest.raises(ReszooError, match="has 8 scales, one for each channel of an activation"):
        places(made.floats, made.integers)
