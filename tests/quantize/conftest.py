"""Float graphs of trained networks, exported once for all tests, and real images to feed them with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from once import once

from reszoo import datasets, zoo
from reszoo.datasets.preprocess import normalise
from reszoo.export import ExportOptions
from reszoo.export.formats.onnx import MODEL_FILE, OnnxFormat
from reszoo.quantize.contract import Feeds

REFS = {"v1": "resnet8_v1.reszoo_digits", "v2": "resnet8_v2.reszoo_digits"}


@pytest.fixture(scope="session")
def float_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    def make(folder: Path) -> None:
        for family, ref in REFS.items():
            (folder / family).mkdir(parents=True)
            OnnxFormat().write(zoo.load(ref), ExportOptions(), folder / family)

    folder = once(tmp_path_factory, "floats", make)
    return {family: folder / family / MODEL_FILE for family in REFS}


@pytest.fixture(params=list(REFS))
def float_file(request: pytest.FixtureRequest, float_files: dict[str, Path]) -> Path:
    return float_files[request.param]


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """128 digits of the training split, as the networks take them."""
    preprocess = zoo.load(REFS["v1"]).preprocess
    raw, _ = next(datasets.calibration_sample("digits", 128, seed=0).batches(preprocess, 128))
    return normalise(raw, preprocess)


@pytest.fixture(scope="session")
def feeds(images: np.ndarray) -> Feeds:
    return lambda: iter(np.split(images, 4))


@pytest.fixture
def changed(float_files: dict[str, Path], tmp_path: Path) -> Callable[[Callable[[onnx.ModelProto], None]], Path]:
    """v1's float graph with a change made to it, as a file."""

    def write(change: Callable[[onnx.ModelProto], None]) -> Path:
        model = onnx.load(float_files["v1"])
        change(model)
        onnx.save(model, tmp_path / "changed.onnx")
        return tmp_path / "changed.onnx"

    return write
