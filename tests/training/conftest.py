import numpy as np
import pytest
import torch
from PIL import Image

from reszoo import datasets


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads that share a busy machine spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def photos(tmp_path):
    """A data set of files: 24 images of different sizes."""
    for i in range(24):
        path = tmp_path / "photos" / f"class{i % 3}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (100 + i, 120, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    datasets.add("pictures", [tmp_path / "photos"])
    return "pictures"
