"""The real CIFAR-10, imported from its zips."""

import subprocess
import sys

import numpy as np
import pytest

from reszoo import datasets

pytestmark = [pytest.mark.cifar10, pytest.mark.usefixtures("cifar10_cache")]
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_counts_classes_and_shape():
    (info,) = (info for info in datasets.installed() if info.name == "cifar10")
    assert info.classes == CLASSES
    assert info.counts == {"train": 45_000, "val": 5_000, "trainval": 50_000, "test": 10_000}
    test = datasets.load("cifar10", "test")
    assert (test.images.shape, test.images.dtype) == ((10_000, 32, 32, 3), np.uint8)
    assert np.bincount(test.labels).tolist() == [1000] * 10
    # The well-known statistics of the training images; a wrong channel order or scale would change them.
    mean = datasets.load("cifar10", "trainval").images.mean(axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=1e-4)


def test_val_is_a_tenth_of_each_class_and_the_same_in_a_second_process():
    train, val = datasets.load("cifar10", "train"), datasets.load("cifar10", "val")
    assert np.bincount(val.labels).tolist() == [500] * 10
    assert not set(train.indices) & set(val.indices)
    assert len(set(train.indices) | set(val.indices)) == 50_000
    code = "from reszoo import datasets; print(datasets.load('cifar10', 'val').indices.tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(val.indices.tolist())
