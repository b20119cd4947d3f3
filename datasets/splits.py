"""Cuts and samples that are the same on every machine, every day."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError

SEED = 0
VAL_FRACTION = 0.1


def content_keys(contents: Iterable[bytes]) -> NDArray[np.uint64]:
    """A seeded hash of each image, (N,): it ranks images by what they show, not by where they are stored.

    So the same images get the same cut whichever way they came in, and copies of one image stay on one side.
    """
    salt = SEED.to_bytes(8, "big")
    hashes = (hashlib.blake2b(content, digest_size=8, salt=salt).digest() for content in contents)
    return np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64)


def stratified_cut(labels: NDArray[np.int64], keys: NDArray[np.uint64], fraction: float) -> NDArray[np.int64]:
    """The sorted positions of `fraction` of each class: those with the smallest keys, with all their copies.

    A class of at least two images gives at least one, unless all are copies. Every class keeps what has its largest
    key, so that none is left without an image.
    """
    classes = [np.sort(keys[labels == label]) for label in np.unique(labels)]
    kept = [its[-1] for its in classes]
    smallest = [its[: max(round(len(its) * fraction), 1)] for its in classes]
    chosen = np.setdiff1d(np.concatenate(smallest), kept)
    return np.flatnonzero(np.isin(keys, chosen))


def shuffled(n: int, seed: int) -> NDArray[np.int64]:
    """0..n-1 in a random order that depends on nothing but `seed`.

    A bit generator's stream is fixed for ever; those of `numpy.random.Generator` may change (NEP 19).
    """
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative", "Choose 0 or above.")
    return np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable")
