"""A network of one's own, from its training to int8: `python scripts/your_own.py`, a quarter of an hour.

torchvision's ResNet-18 is trained on photos of five classes by `trained_elsewhere.py`, which knows nothing of reszoo.
Then the command line does what docs/your-own.md says: it imports the weights, without being told what network they are
of, and evaluates, quantizes, exports and predicts. What comes out is held against the training script's own answers:

    accuracy     as that script counted it, to the digit
    int8         at most one point less
    predictions  of 20 photos through every artifact: the float ones' are the script's

The photos are CIFAR-10's images of five classes, enlarged to JPEGs of several sizes, since reszoo comes with no others.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from figures import MEASUREMENTS, write
from PIL import Image

from reszoo import datasets

OUT = MEASUREMENTS / "your_own.json"
CLASSES = ("airplane", "automobile", "cat", "horse", "ship")
SIZES = ((320, 256), (256, 320), (288, 288), (400, 300))  # width and height, in turn
PREDICTED = 20
MOST_LOST = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=300, help="photos of each class")
    parser.add_argument("--test", type=int, default=100, help="photos of each class")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        folder = Path(name)
        take_photos(folder / "photos", {"train": options.train, "test": options.test})
        script = [sys.executable, str(Path(__file__).with_name("trained_elsewhere.py"))]
        subprocess.run([*script, "photos", ".", str(options.epochs)], cwd=folder, check=True)
        figures = measured(folder, json.loads((folder / "answers.json").read_text()))
    write(options.out, figures)
    print(json.dumps(figures, indent=2))
    return 0 if is_right(figures) else 1


def take_photos(folder: Path, wanted: dict[datasets.Split, int]) -> None:
    """JPEGs by split and class."""
    for split, n in wanted.items():
        images = cast(datasets.ArrayDataset, datasets.load("cifar10", split))
        names = np.array(images.classes)[images.labels]
        for label in CLASSES:
            (folder / split / label).mkdir(parents=True)
            for number, index in enumerate(np.flatnonzero(names == label)[:n]):
                photo = Image.fromarray(images.images[index]).resize(
                    SIZES[number % len(SIZES)], Image.Resampling.BICUBIC
                )
                photo.save(folder / split / label / f"{number}.jpg", quality=90)


def measured(folder: Path, answers: dict[str, str]) -> dict[str, Any]:
    """What the command line says of the weights, beside what the script said."""

    def reszoo(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "reszoo.cli.main", *arguments, "--json"],
            cwd=folder,
            env=os.environ | {"RESZOO_CACHE": str(folder / "cache")},  # the user's data sets stay as they are
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return json.loads(done.stdout)

    def agreement(artifact: str) -> int:
        found = reszoo("predict", artifact, *(f"photos/{file}" for file in chosen), "--top", "1")["predictions"]
        labels = [prediction["top"][0]["label"] for prediction in found]
        return sum(label == answers[file] for label, file in zip(labels, chosen, strict=True))

    step = len(answers) // PREDICTED
    chosen = list(answers)[::step][:PREDICTED]
    reszoo("data", "add", "flowers", "photos", "--replace")
    imported = reszoo("import", "model.pth", "--data", "flowers", "--preprocess", "imagenet", "--out", "mine")
    reszoo("quantize", "mine", "--max-drop", "1%", "--no-measure", "--out", "mine-int8")
    for target in ("onnx", "openvino"):
        reszoo("export", "mine", "--to", target, "--out", f"mine-{target}")
    artifacts = ("mine", "mine-onnx", "mine-openvino", "mine-int8")
    return {
        "recognised": imported["provenance"][-1]["config"]["arch"],
        "photos": len(answers),
        "script": sum(file.split("/")[1] == answer for file, answer in answers.items()),
        "correct": {artifact: reszoo("evaluate", artifact)["correct"] for artifact in artifacts},
        "predicted": len(chosen),
        "as_the_script": {artifact: agreement(artifact) for artifact in artifacts},
    }


def is_right(figures: dict[str, Any]) -> bool:
    floats: Sequence[str] = ("mine", "mine-onnx", "mine-openvino")
    return (
        figures["recognised"] == "resnet18_v1"
        and all(figures["correct"][name] == figures["script"] for name in floats)
        and all(figures["as_the_script"][name] == figures["predicted"] for name in floats)
        and figures["correct"]["mine-int8"] >= figures["script"] - MOST_LOST * figures["photos"]
    )


if __name__ == "__main__":
    sys.exit(main())
