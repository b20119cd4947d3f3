"""Classify images: python run.py IMAGE... (needs numpy, Pillow, onnxruntime, and the files beside it)."""

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .engines.onnxruntime import load


def pixels(path: str, prepare: dict[str, Any]) -> np.ndarray:
    """uint8 (H, W, C): decoded, upright, resized by the shorter side (or to cover the input), cut out of the centre."""
    channels, height, width = prepare["input"]
    image: Image.Image = Image.open(path, formats=("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF"))
    if image.mode in ("I", "F"):
        raise ValueError("it has 32 bits per channel")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):  # the high byte
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = (image.convert("RGBA") if "transparency" in image.info else image).convert({1: "L", 3: "RGB"}[channels])
    if prepare["resize"]:
        scaled = [int(prepare["resize"] * side / min(image.size)) for side in image.size]
    elif width * image.height >= height * image.width:
        scaled = [width, int(width * image.height / image.width)]
    else:
        scaled = [int(height * image.width / image.height), height]
    if Image.MAX_IMAGE_PIXELS and scaled[0] * scaled[1] > Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"it is too narrow: it would become {scaled[0]}x{scaled[1]}")
    image = image.resize(scaled, Image.Resampling[prepare["interpolation"].upper()])
    spare = image.width - width, image.height - height
    if min(spare) < 0:
        raise ValueError(f"it is {image.width}x{image.height}, the model takes {width}x{height}")
    left, top = round(spare[0] / 2), round(spare[1] / 2)
    return np.asarray(image.crop((left, top, left + width, top + height))).reshape(height, width, channels)


def feed(images: np.ndarray, spec: dict[str, Any], prepare: dict[str, Any]) -> np.ndarray:
    """uint8 images (N, H, W, C) as the model takes them."""
    if spec["dtype"] == "uint8":  # they are normalised inside the model
        return np.ascontiguousarray(images)
    floats = (images / np.float32(255) - np.array(prepare["mean"], np.float32)) / np.array(prepare["std"], np.float32)
    if spec["dtype"] == "int8":
        quantized = np.rint(floats / np.float32(spec["scale"])) + spec["zero_point"]
        return np.ascontiguousarray(quantized.clip(-128, 127), np.int8)
    return np.ascontiguousarray(floats.transpose(0, 3, 1, 2), np.float32)


def batch_limits(spec: dict[str, Any]) -> tuple[int, int]:
    """The smallest and the largest batch that the model takes: of "batch", any; of "1..64", or of 8, those."""
    least, _, most = str(spec["shape"][0]).replace("batch", f"1..{sys.maxsize}").partition("..")
    return int(least), int(most or least)


def classify(images: np.ndarray, batch: int, run: Any, about: dict[str, Any]) -> np.ndarray:
    """The logits (N, classes) of uint8 images (N, H, W, C), `batch` at a time. A batch that is too small is filled."""
    logits = [np.empty((0, len(about["labels"])), np.float32)]
    for part in (images[start : start + batch] for start in range(0, len(images), batch)):
        filled = np.resize(part, (max(len(part), batch_limits(about["input"])[0]), *part.shape[1:]))
        logits.append(run(feed(filled, about["input"], about["preprocess"]))[: len(part)])
    return np.concatenate(logits)


def read(path: str, prepare: dict[str, Any]) -> np.ndarray:
    """The images (N, H, W, C) of an .npy file."""
    with Path(path).open("rb") as file:
        images = np.lib.format.read_array(file)
    channels, height, width = prepare["input"]
    if images.dtype != np.uint8 or images.shape[1:] != (height, width, channels):
        raise ValueError(f"it is {images.dtype} {images.shape}, not uint8 (N, {height}, {width}, {channels})")
    return images


def reason(error: Exception) -> str:
    """In one line."""
    if isinstance(error, UnidentifiedImageError):
        return "it is not a PNG, JPEG, BMP, WebP, GIF or TIFF image"
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__


def main() -> int:
    here = Path(__file__).resolve().parent
    about = json.loads((here / "artifact.json").read_text(encoding="utf-8"))
    least, most = batch_limits(about["input"])
    parser = argparse.ArgumentParser(usage="python run.py IMAGE... | --npy FILE --out FILE [--batch N]")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="prints the five likeliest classes of each")
    parser.add_argument("--npy", metavar="FILE", help="instead: many images, uint8 (N, H, W, C) of the model's size")
    parser.add_argument("--out", metavar="FILE", help="where their logits go, as .npy: float32 (N, classes)")
    parser.add_argument("--batch", metavar="N", type=int, default=max(least, min(32, most)), help="so many at a time")
    given = parser.parse_args()
    if bool(given.images) == bool(given.npy) or bool(given.npy) != bool(given.out):
        parser.error("it takes images, or --npy and --out")
    if not least <= given.batch <= most:
        parser.error(f"the model takes batches of {least} to {most}")

    if given.npy:
        try:
            images = read(given.npy, about["preprocess"])
        except (OSError, ValueError) as error:
            sys.exit(f"{given.npy}: {reason(error)}")
        logits = classify(images, given.batch, load(here / "model.onnx"), about)
        with Path(given.out).open("wb") as file:
            np.save(file, logits)
        return 0

    run, code = load(here / "model.onnx"), 0
    for path in given.images:
        try:
            image = pixels(path, about["preprocess"])
        except Exception as error:  # decoders raise nearly anything; the other images are not to suffer
            print(f"{path}: {reason(error)}", file=sys.stderr)
            code = 1
            continue
        logits = classify(image[None], least, run, about)[0].astype(np.float64)
        odds = np.exp(logits - logits.max())
        for i in np.argsort(-logits, kind="stable")[:5]:
            print(f"{path}: {100 * odds[i] / odds.sum():6.2f} %  {about['labels'][i]}")
    return code


if __name__ == "__main__":
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        code: int | str = main()
        sys.stdout.flush()
    except (OSError, ImportError) as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what was not written never will be
        name = getattr(error, "filename", None)
        code = 1 if isinstance(error, BrokenPipeError) else f"{name}: {reason(error)}" if name else reason(error)
    sys.exit(code)
