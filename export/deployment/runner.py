"""Classify images: python run.py IMAGE... (needs numpy, Pillow, onnxruntime, and the files beside it)."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .engines.onnxruntime import load


def pixels(path: str, prepare: dict[str, Any]) -> np.ndarray:
    """uint8 (H, W, C): decoded, resized by the shorter side, cut out of the centre."""
    channels, height, width = prepare["input"]
    image: Image.Image = Image.open(path, formats=("PNG", "JPEG", "BMP", "WEBP"))
    if image.mode.startswith(("I", "F")):
        sys.exit(f"{path} has more than 8 bits per channel")
    image = (image.convert("RGBA") if "transparency" in image.info else image).convert({1: "L", 3: "RGB"}[channels])
    scaled = [int((prepare["resize"] or min(image.size)) * side / min(image.size)) for side in image.size]
    image = image.resize(scaled, Image.Resampling[prepare["interpolation"].upper()])
    spare = image.width - width, image.height - height
    if min(spare) < 0 or (any(spare) and not prepare["crop"]):
        sys.exit(f"{path} is {image.width}x{image.height}, the model takes {width}x{height}")
    left, top = round(spare[0] / 2), round(spare[1] / 2)
    return np.asarray(image.crop((left, top, left + width, top + height))).reshape(height, width, channels)


def feed(image: np.ndarray, spec: dict[str, Any], prepare: dict[str, Any]) -> np.ndarray:
    """One image as the model takes it, repeated until its smallest batch is full."""
    batch = np.repeat(image[None], int(str(spec["shape"][0]).replace("batch", "1").split("..")[0]), axis=0)
    if spec["dtype"] != "uint8":  # else it is normalised inside the model
        batch = (batch / np.float32(255) - np.array(prepare["mean"], np.float32)) / np.array(prepare["std"], np.float32)
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if spec["layout"] == "NCHW" else batch, spec["dtype"])


if __name__ == "__main__":
    about = json.loads(Path(__file__).with_name("artifact.json").read_text(encoding="utf-8"))
    logits_of = load(Path(__file__).with_name("model.onnx"))
    for path in sys.argv[1:] or sys.exit("usage: python run.py IMAGE..."):
        batch = feed(pixels(path, about["preprocess"]), about["input"], about["preprocess"])
        logits = logits_of(batch)[0].astype(np.float64)
        odds = np.exp(logits - logits.max())
        for i in np.argsort(-logits, kind="stable")[:5]:
            print(f"{path}: {100 * odds[i] / odds.sum():6.2f} %  {about['labels'][i]}")
