"""How many images a quantization is calibrated on, and what is written down of it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from measuring import artifact as artifact
from msgspec.structs import replace
from PIL import Image

from reszoo import datasets, zoo
from reszoo.cli.output import tell_calibration
from reszoo.core.errors import UsageError
from reszoo.core.types import Artifact, Checkpoint
from reszoo.export.quantizing import calibration_images, step
from reszoo.prune import PruneConfig
from reszoo.prune.calibration import sample
from reszoo.quantize import QuantizeConfig


@pytest.fixture
def small(cache: Path, tmp_path: Path) -> Checkpoint:
    """A network whose data set has 18 training images."""
    for label in range(10):
        (folder := tmp_path / "few" / str(label)).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(np.random.default_rng(2 * label + i).integers(0, 256, (8, 8), np.uint8)).save(
                folder / f"{i}.png"
            )
    assert datasets.add("few", [tmp_path / "few"]).counts["train"] == 10
    return replace(zoo.load("resnet8_v1.reszoo_digits"), dataset="few")


def test_all_are_taken_where_there_are_fewer_than_the_default_and_that_is_written_down(small: Checkpoint) -> None:
    assert len(calibration_images(small, QuantizeConfig())) == 10
    assert step(small, QuantizeConfig(), "").config["images"] == "10"
    with pytest.raises(UsageError, match="cannot draw 11 calibration images from the 10"):
        calibration_images(small, QuantizeConfig(images=11))  # a number that was named is meant
    with pytest.raises(UsageError, match="cannot draw 512 calibration images from the 10"):
        calibration_images(small, QuantizeConfig(images=512))  # the default as well
    assert len(sample(small, PruneConfig())) == 10
    with pytest.raises(UsageError, match="cannot draw 256 calibration images from the 10"):
        sample(small, PruneConfig(images=256))


def test_it_is_said(small: Checkpoint, artifact: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    """Also of an artifact that is taken from the cache, whose data set has gone since."""
    made = replace(artifact, provenance=(*artifact.provenance, step(small, QuantizeConfig(), "")))
    shutil.rmtree(datasets.info.home("few"))
    tell_calibration(made)
    assert capsys.readouterr().out == "calibrated on all 10 training images of few; 512 are the default\n"
