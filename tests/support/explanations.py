"""Bisects that several tests look at, made once: they take seconds."""

import tempfile
from functools import cache
from pathlib import Path

from outliers import plant

from reszoo import zoo
from reszoo.cli.explain import explained
from reszoo.export import ExportOptions
from reszoo.export.explanation import Explanation
from reszoo.quantize import QuantizeConfig

IMAGES = 64


def int8(**choices: object) -> ExportOptions:
    """Calibrated on few images, for speed."""
    return ExportOptions(precision="int8", quantize=QuantizeConfig(**{"images": IMAGES, **choices}))


@cache
def planted() -> Explanation:
    """Of the network with planted outliers, calibrated by min-max."""
    with tempfile.TemporaryDirectory() as folder:
        return explained(plant(Path(folder) / "planted"), "onnx", int8(calibration="minmax"))


@cache
def healthy() -> Explanation:
    return explained(zoo.load("resnet8_v1.reszoo_digits"), "onnx", int8())
