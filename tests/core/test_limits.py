"""What a few bytes of a document ask for is bounded before anything is allocated."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from reszoo.core.errors import UsageError
from reszoo.core.limits import BATCH, check_counts
from reszoo.core.types import InceptionSpec, Preprocess, ResNetSpec, TensorSpec
from reszoo.models import names, spec_of
from reszoo.models.network import check_size

SMALL = spec_of("resnet8_v1")
HUGE = 10**9


def test_every_network_with_a_name_is_within_the_limits() -> None:
    for name in names():
        check_size(spec_of(name))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": (HUGE,) * 3}, "1,000,000,000 channels or classes"),
        ({"num_classes": HUGE}, "channels or classes"),
        ({"stem_width": HUGE}, "channels or classes"),
        ({"depths": (10**5,) * 3}, "300,000 blocks, and 4,096 are the most"),
        ({"input": (3, 10**5, 10**5)}, "an image of 3 x 100000 x 100000 is too large"),
        ({"input": (1, 8000, 8000)}, "an activation of 64 x 8000 x 8000 is too large"),
    ],
)
def test_a_spec_is_bounded(fields: dict[str, Any], message: str) -> None:
    assert isinstance(SMALL, ResNetSpec)
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **fields)


def test_numbers_that_lie_deep_in_a_spec_count() -> None:
    module = (8, (8, HUGE), (8, 8), 8)
    with pytest.raises(ValueError, match="channels or classes"):
        InceptionSpec(num_classes=10, input=(3, 32, 32), stem_width=8, stages=((module,),))


@pytest.mark.parametrize("name", ["resnet600002_v1", "wide_resnet28_100000_v2", "resnet20_v2+widths=99999999,1,1"])
def test_a_name_of_too_large_a_network_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="are the most"):
        spec_of(name)


def test_a_depth_of_thousands_of_digits_is_no_name() -> None:
    with pytest.raises(UsageError, match="unknown architecture"):
        spec_of(f"resnet{'6' * 5000}_v1")


def test_a_network_of_too_many_parameters_is_not_built() -> None:
    with pytest.raises(UsageError, match=r"parameters, and 8,589,934,592 are the most"):
        check_size(spec_of("wide_resnet28_4000_v2"))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((HUGE, 1, 8, 8), "1,000,000,000 images in a batch"),
        (("8..1000000000", 1, 8, 8), "images in a batch"),
        ((1, 10**6, 10**6), "a tensor of 1 x 1000000 x 1000000 is too large"),
        ((0, 8), "no tensor has the shape"),
        ((-1, 8), "no tensor has the shape"),
        ((1, -8), "no tensor has the shape"),
        (("4..2", 8), "no tensor has the shape"),
        ((), "no tensor has the shape"),
        (("9" * 5000, 8), "digits"),
    ],
)
def test_a_tensor_is_bounded(shape: tuple[int | str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TensorSpec(name="input", shape=shape, dtype="float32", layout="NCHW")


@pytest.mark.parametrize("shape", [("batch", 3, 8, 8), ("1..64", 3), (8, 3, 224, 224), ("2..x", 3)])
def test_usual_shapes_pass(shape: tuple[int | str, ...]) -> None:
    TensorSpec(name="input", shape=shape, dtype="float32", layout="NCHW")


@pytest.mark.parametrize("change", [{"resize": HUGE}, {"input": (3, HUGE, HUGE)}, {"input": (3, HUGE, 1)}])
def test_preprocessing_is_bounded(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"an image of .* is too large"):
        Preprocess(**{"mean": (0.5,) * 3, "std": (0.5,) * 3, "input": (3, 8, 8)} | change)


@pytest.mark.parametrize(
    ("counts", "fix"),
    [
        (lambda: check_counts(batches=[1, HUGE]), f"Give `batch={BATCH}` or less."),
        (lambda: check_counts(threads=[10**5]), "Give `threads="),
        (lambda: check_counts(streams=10**5), "Give `streams="),
    ],
)
def test_counts_that_cannot_be_meant_are_usage_errors(counts: Callable[[], None], fix: str) -> None:
    with pytest.raises(UsageError, match="is too much") as caught:
        counts()
    assert caught.value.fix.startswith(fix)
    check_counts(batches=[1, 64], threads=[1, 8], streams=4)
