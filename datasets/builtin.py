"""What comes with the package: real digits and real photographs, with nothing to download."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, assemble
from .info import DIGITS, Split
from .splits import VAL_FRACTION, content_keys, stratified_cut

PICTURES = Path(__file__).parent / "pictures"
TEST_FRACTION = 0.2


def digits(split: Split) -> Dataset:
    """The 1,797 handwritten digits of scikit-learn's `load_digits`: uint8 (N, 8, 8, 1), grey."""
    images, labels = _read_digits()
    keys = content_keys(image.tobytes() for image in images)
    test = stratified_cut(labels, keys, TEST_FRACTION)
    trainval = np.setdiff1d(np.arange(len(labels)), test)
    val = stratified_cut(labels[trainval], keys[trainval], VAL_FRACTION)
    part = test if split == "test" else trainval
    return assemble(DIGITS, split, labels[part], val, images[part])


@cache
def _read_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    table = np.loadtxt(PICTURES / "digits.csv.gz", delimiter=",")  # (1797, 64 pixels from 0 to 16 and a label)
    images = np.rint(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return images, table[:, 64].astype(np.int64)
