"""A small catalogue of a test's own: cards whose files the test makes, and serves from wherever it likes."""

import hashlib
import io
from pathlib import Path

import torch

from reszoo import models

REF = "resnet8_v1.test_cifar10"
CARD = """
schema = 1
ref = "{ref}"
arch = "{arch}"
url = "{url}"
sha256 = "{sha256}"
converter = "native"
licence = "MIT"
paper = "1512.03385"
dataset = "cifar10"
labels = "cifar10"

[preprocess]
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
input = [3, 32, 32]

[accuracy]
value = 0.5
split = "test"
n = 10000
source = "https://example.org/"
"""


def weights(arch: str = "resnet8_v1") -> bytes:
    """A .pth file with the weights of a network that nobody trained."""
    buffer = io.BytesIO()
    torch.save({"state_dict": models.build(models.spec_of(arch)).state_dict()}, buffer)
    return buffer.getvalue()


def write_card(folder: Path, url: str, content: bytes, ref: str = REF) -> Path:
    """A card for a file with this content at `url`, which may be of another architecture than the card says."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{ref}.toml"
    digest = hashlib.sha256(content).hexdigest()
    path.write_text(CARD.format(ref=ref, arch=ref.partition(".")[0], url=url, sha256=digest))
    return path
