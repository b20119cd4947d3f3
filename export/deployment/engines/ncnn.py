"""ncnn, on the CPU, in float32: by itself it would halve the weights. It knows no batches, only single images."""

# what a compiled module holds is not known before it is imported
# pyright: reportAttributeAccessIssue=false

from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Engine


def load(path: Path) -> Any:
    import ncnn

    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".bin")))

    def logits(image: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input(net.input_names()[0], ncnn.Mat(image).clone())
        return np.array(extractor.extract(net.output_names()[0])[1])

    return lambda batch: np.stack([logits(image) for image in batch])


ENGINE = Engine("ncnn", packages=("ncnn",), opens=(".param",), load=load)
