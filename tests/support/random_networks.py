"""Random networks, and how they are quantized without a data set: for tests and for `scripts/c_artifact.py fuzz`."""

import random
from typing import Any

import msgspec
from families import BASE, half

from reszoo.core.types import Checkpoint, ResNetSpec
from reszoo.datasets.photos import crops
from reszoo.export.contract.options import ExportOptions, input_spec
from reszoo.export.feeding import feed
from reszoo.export.formats.onnx import FORMAT
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.schemes.int8 import SCHEME


def drawn(seed: int) -> ResNetSpec:
    """A random network: family, blocks, depths, widths, shortcuts, stem, image size, and half of its channels."""
    draw = random.Random(seed)  # noqa: S311
    stages = draw.randint(1, 3)
    family = draw.choice(["v1", "v2", "plain"])
    spec = msgspec.structs.replace(
        BASE,
        family=family,
        block_type=draw.choice(["basic", "bottleneck"]),
        depths=tuple(draw.randint(1, 2) for _ in range(stages)),
        widths=tuple(draw.choice([4, 8, 12, 16, 20, 24, 32, 48]) for _ in range(stages)),
        stem_width=draw.choice([4, 8, 12, 16, 24]),
        stem=draw.choice(["cifar", "cifar", "imagenet"]),
        shortcut="B" if family == "plain" else draw.choice(["B", "B", "C"]),
        num_classes=draw.randint(2, 26),
        input=(3, draw.randint(9, 33), draw.randint(9, 33)),
    )
    return half(spec, seed) if draw.random() < 0.4 else spec


def quantized(checkpoint: Checkpoint, input_: Any = "uint8", **config: Any) -> bytes:
    """Calibrated on photographs: no data set is needed."""
    options = ExportOptions(input=input_)
    images = feed(crops(16, checkpoint.preprocess, 1), input_spec(checkpoint, options), checkpoint.preprocess)
    chosen = SCHEME.complete(QuantizeConfig(scheme="int8", calibration="minmax", **config))
    graph: bytes = SCHEME.apply(FORMAT.graph(checkpoint, options), lambda: iter([images]), chosen).graph
    return graph
