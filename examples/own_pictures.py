"""A network for pictures of your own: `python examples/own_pictures.py`.

The pictures are drawn here, in a folder for each class, those to test with apart; put your own in their place. Then the
network is trained, exported for raw pixels, and asked for the class of a file, a PIL image and an array.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import reszoo


def draw(folder: Path, n: int) -> None:
    """Circles and squares of random sizes and colours, 32x32 pixels."""
    random = np.random.default_rng(n)
    for shape in ("circle", "square"):
        (folder / shape).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            image = Image.new("RGB", (32, 32), (0, 0, 0))
            size, left, top = random.integers(10, 20), *random.integers(0, 12, 2)
            paint = ImageDraw.Draw(image).ellipse if shape == "circle" else ImageDraw.Draw(image).rectangle
            paint((left, top, left + size, top + size), fill=tuple(random.integers(90, 255, 3).tolist()))
            image.save(folder / shape / f"{number}.png")


if __name__ == "__main__":
    draw(Path("example/shapes/train"), 80)
    draw(Path("example/shapes/test"), 25)
    reszoo.datasets.add("shapes", ["example/shapes"], replace=True)
    small = {"epochs": 6, "batch": 32, "flip": True}
    checkpoint = reszoo.train("resnet8_v1", data="shapes", recipe="cifar-fast", changes=small, out="example/trained")
    artifact = checkpoint.export("onnx", input="uint8", out="example/shapes-onnx")

    print(artifact.evaluate("shapes"))
    picture = Path("example/shapes/test/circle/0.png")
    pixels = np.asarray(Image.open(picture))
    for prediction in artifact.predict([picture, Image.open(picture), pixels], top=1):
        print(prediction)
