"""Small image folders and zips, made anew for each test."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeImage = Callable[..., bytes]
MakeTree = Callable[..., Path]
MakeZip = Callable[..., Path]


@pytest.fixture
def image() -> MakeImage:
    """Encode a random picture: `image(seed, size=(width, height), mode="RGB", kind="PNG")`."""

    def make(seed: int, size: tuple[int, int] = (8, 8), mode: str = "RGB", kind: str = "PNG") -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(file, kind)
        return file.getvalue()

    return make


@pytest.fixture
def tree(tmp_path: Path) -> MakeTree:
    """Write files by their relative names: `tree("flowers", {"rose/1.png": b"..."})`."""

    def make(name: str, files: dict[str, bytes]) -> Path:
        for relative, content in files.items():
            path = tmp_path / name / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / name

    return make


@pytest.fixture
def zipped(tmp_path: Path) -> MakeZip:
    def make(name: str, files: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for relative, content in files.items():
                archive.writestr(relative, content)
        return tmp_path / name

    return make
