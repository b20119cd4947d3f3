"""The images that artifacts are proven and measured with."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from reszoo import datasets, zoo
from reszoo.core.errors import UnavailableError
from reszoo.export.feeding import sample_images
from reszoo.export.quantizing import calibration_images
from reszoo.quantize.config import QuantizeConfig


@pytest.fixture
def val_only(tmp_path: Path) -> str:
    """A data set for measuring alone, as ImageNet's validation images are."""
    (tmp_path / "val" / "a").mkdir(parents=True)
    Image.new("L", (8, 8), 200).save(tmp_path / "val" / "a" / "1.png")
    datasets.add("measured", [tmp_path / "val"])
    return "measured"


def test_images_for_measuring_are_not_taken_in_the_place_of_training_images(val_only: str) -> None:
    checkpoint = replace(zoo.load("resnet8_v1.reszoo_digits"), dataset=val_only)
    images, source = sample_images(val_only, checkpoint.preprocess, 3)
    assert (images.shape, source) == ((3, 8, 8, 1), "photo crops")
    assert sample_images("digits", checkpoint.preprocess, 3)[1] == "digits/train"
    images, source = sample_images("digits", checkpoint.preprocess, 1300)
    assert (len(images), source) == (1300, "digits/train (1295 images, repeated)")
    with pytest.raises(UnavailableError, match="needs them: measured has no train images, it has: val"):
        calibration_images(checkpoint, QuantizeConfig())
