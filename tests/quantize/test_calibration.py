"""What is seen on the calibration images, and the ranges that each method makes of it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from reszoo.core.errors import ReszooError
from reszoo.quantize.calibration import BINS, Observation, observe
from reszoo.quantize.contract import Feeds
from reszoo.quantize.ranges import METHODS, Range
from reszoo.quantize.reading import read

RANDOM = np.random.default_rng(0)
BELL = RANDOM.normal(size=(64, 1, 1000)).astype(np.float32)
RECTIFIED = np.maximum(BELL, 0)
WITH_OUTLIER = BELL.copy()
WITH_OUTLIER[0, 0, 0] = 100.0


def seen(values: NDArray[np.float32]) -> Observation:
    found = Observation()
    found.add(values)
    found.add_to_histogram(values)
    return found


def squared_error(values: NDArray[np.float32], bounds: Range, symmetric: bool) -> float:
    """Of quantizing the values themselves, not their histogram."""
    if symmetric:
        scale = max(abs(bounds.lowest), abs(bounds.highest)) / 127
        integers = np.clip(np.round(values / scale), -127, 127)
    else:
        lowest = min(bounds.lowest, 0.0)
        scale = (max(bounds.highest, 0.0) - lowest) / 255
        integers = np.clip(np.round(values / scale), round(lowest / scale), round(lowest / scale) + 255)
    return float(((integers * scale - values) ** 2).mean())


def test_what_is_seen_is_what_the_tensors_held(float_file: Path, feeds: Feeds, images: np.ndarray) -> None:
    found = observe(read(float_file.read_bytes()), ["input", "pool"], feeds, histograms=True, means=["input"])
    assert (found["input"].lowest, found["input"].highest) == (images.min(), images.max())
    assert found["pool"].lowest >= 0  # after a ReLU
    assert found["pool"].mean is None
    np.testing.assert_allclose(found["input"].mean, images.mean(axis=0, dtype=np.float64), atol=1e-9)
    histogram = found["input"].histogram
    assert histogram is not None
    assert histogram.sum() == images.size
    assert histogram[: BINS // 2].sum() == (images < 0).sum()  # zero lies on an edge


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "no calibration image"),
        ([np.zeros((4, 1, 8, 8), np.float32)], "all 4 calibration images are blank"),
        ([np.tile(RANDOM.normal(size=(1, 1, 8, 8)).astype(np.float32), (3, 1, 1, 1))] * 2, "all 6 .* are equal"),
        ([RANDOM.normal(size=(4, 1, 9, 9)).astype(np.float32)], "images are 1x9x9, but the network takes 1x8x8"),
        ([np.full((2, 1, 8, 8), np.nan, np.float32)], "'input' is NaN"),
        ([BELL.ravel()[:128].reshape(2, 1, 8, 8), np.full((2, 1, 8, 8), np.nan, np.float32)], "'input' is NaN"),
    ],
)
def test_images_that_tell_nothing_are_refused(float_file: Path, batches: list[np.ndarray], message: str) -> None:
    with pytest.raises(ReszooError, match=message):
        observe(read(float_file.read_bytes()), ["input"], lambda: iter(batches), histograms=False)


def test_activations_that_overflow_are_named(float_files: dict[str, Path], feeds: Feeds) -> None:
    model = read(float_files["v1"].read_bytes())
    weight = next(weight for weight in model.graph.initializer if weight.name.endswith("head.bias"))
    weight.CopyFrom(onnx.numpy_helper.from_array(np.full(10, np.inf, np.float32), weight.name))
    with pytest.raises(ReszooError, match="'logits' is NaN or infinite"):
        observe(model, ["logits"], feeds, histograms=False)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_no_range_exceeds_what_was_seen(method: str, symmetric: bool) -> None:
    for values in (BELL, RECTIFIED, -RECTIFIED, WITH_OUTLIER, BELL + 5, np.zeros_like(BELL)):
        found = METHODS[method](seen(values), symmetric)
        assert values.min() <= found.lowest <= found.highest <= values.max()


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_one_outlier_is_clipped_and_a_bell_is_kept(method: str) -> None:
    assert METHODS[method](seen(WITH_OUTLIER), False).highest < 20
    assert METHODS[method](seen(BELL), False).highest > 2
    assert METHODS["minmax"](seen(WITH_OUTLIER), False).highest == 100


def test_percentile_leaves_the_share_it_names_outside() -> None:
    found = METHODS["percentile"](seen(RECTIFIED), False)
    assert found.lowest == 0
    assert float(np.mean(found.highest < RECTIFIED)) == pytest.approx(1e-4, rel=0.3)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("values", [BELL, RECTIFIED, WITH_OUTLIER, BELL**3], ids=["bell", "relu", "outlier", "cubed"])
def test_mse_has_the_least_squared_error_of_all_methods(values: NDArray[np.float32], symmetric: bool) -> None:
    observed = seen(values)
    errors = {name: squared_error(values, method(observed, symmetric), symmetric) for name, method in METHODS.items()}
    assert errors["mse"] <= 1.02 * min(errors.values())  # it sees a histogram, not the values
