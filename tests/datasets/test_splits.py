"""Splits and samples: the same on every machine, and never an image on both sides."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from reszoo import datasets
from reszoo.core.errors import UnavailableError, UsageError
from reszoo.datasets.splits import content_keys, stratified_cut


def in_a_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_is_light():
    heavy = "{'numpy', 'torch', 'PIL', 'sklearn', 'onnx', 'httpx'} & set(sys.modules)"
    assert in_a_process(f"import sys, reszoo.datasets as d; d.installed(); print({heavy})") == "set()"


def test_digits_are_those_of_scikit_learn_cut_into_fixed_parts():
    from sklearn.datasets import load_digits

    original = load_digits()
    trainval, test = datasets.load("digits", "trainval"), datasets.load("digits", "test")
    images, labels = np.concatenate([trainval.images, test.images]), np.concatenate([trainval.labels, test.labels])
    assert images.dtype == np.uint8
    found = np.column_stack([images.reshape(-1, 64), labels])
    expected = np.column_stack([np.rint(original.data * 255 / 16), original.target])
    assert sorted(found.tolist()) == sorted(expected.tolist())
    # Bundled weights were trained on this cut: it must never move.
    assert hashlib.sha256(test.images.tobytes()).hexdigest()[:16] == "bb3bb7e5b2a730b3"


@pytest.mark.parametrize("split", ["train", "val", "trainval", "test"])
def test_digits_counts_and_strata(split):
    dataset = datasets.load("digits", split)
    assert len(dataset) == datasets.installed()[0].counts[split]
    shares = np.bincount(dataset.labels) / len(dataset)
    assert len(shares) == 10
    assert np.abs(shares - 0.1).max() < 0.01


def test_train_and_val_are_trainval():
    train, val, trainval = (datasets.load("digits", split) for split in ("train", "val", "trainval"))
    assert sorted([*train.indices, *val.indices]) == trainval.indices.tolist() == list(range(len(trainval)))
    np.testing.assert_array_equal(trainval.images[val.indices], val.images)
    np.testing.assert_array_equal(trainval.labels[val.indices], val.labels)


def test_the_cut_depends_on_the_images_and_not_on_their_order():
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (300, 4, 4, 1), np.uint8), random.integers(0, 3, 300)
    order = random.permutation(300)
    keys = content_keys(image.tobytes() for image in images)
    shuffled_keys = content_keys(image.tobytes() for image in images[order])
    here, there = stratified_cut(labels, keys, 0.1), stratified_cut(labels[order], shuffled_keys, 0.1)
    assert set(here) == set(order[there])
    assert np.bincount(labels[here]).tolist() == [round(count * 0.1) for count in np.bincount(labels)]


def test_a_class_of_two_gives_one_and_a_class_of_one_gives_none():
    labels = np.array([0, 0, 1])
    assert labels[stratified_cut(labels, np.arange(3, dtype=np.uint64), 0.1)].tolist() == [0]


def test_copies_are_on_one_side_and_each_class_keeps_an_image():
    """With equal keys in one class, across two classes, and where a share near 1 asks for nearly all."""
    random = np.random.default_rng(0)
    for fraction in (0.1, 0.5, 0.9):
        labels, keys = random.integers(0, 4, 60), random.integers(0, 30, 60).astype(np.uint64)
        cut = stratified_cut(labels, keys, fraction)
        rest = np.setdiff1d(np.arange(60), cut)
        assert not set(keys[cut]) & set(keys[rest])
        assert set(labels[rest]) == set(labels)
    copies = np.array([7, 7, 5], np.uint64)
    assert stratified_cut(np.array([0, 0, 1]), copies, 0.5).tolist() == []
    assert stratified_cut(np.array([0, 0, 0]), copies, 0.9).tolist() == [2]


def test_a_calibration_sample_is_drawn_from_train_only_and_again_the_same():
    sample = datasets.calibration_sample("digits", 300, seed=3)
    train, val = datasets.load("digits", "train"), datasets.load("digits", "val")
    assert sample.split == "train"
    assert len(set(sample.indices)) == 300
    assert set(sample.indices) <= set(train.indices)
    assert not set(sample.indices) & set(val.indices)
    code = "from reszoo import datasets; print(datasets.calibration_sample('digits', 300, 3).indices.tolist())"
    assert in_a_process(code) == str(sample.indices.tolist())
    assert datasets.calibration_sample("digits", 300, seed=4).indices.tolist() != sample.indices.tolist()
    assert sample.indices[:5].tolist() == [
        199,
        20,
        681,
        1381,
        526,
    ]  # the provenance names the seed, which has to give these for ever


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (1296, 0), (5, -1)])
def test_impossible_samples(n, seed):
    with pytest.raises(UsageError):
        datasets.calibration_sample("digits", n, seed)


def test_what_is_not_there():
    with pytest.raises(UsageError, match="unknown data set 'digit'") as caught:
        datasets.load("digit", "test")
    assert "Did you mean digits?" in caught.value.fix
    assert "reszoo data add digit" in caught.value.fix
    with pytest.raises(UnavailableError) as missing:
        datasets.load("cifar10", "test")
    assert "reszoo data get cifar10" in missing.value.fix
    with pytest.raises(UsageError, match="unknown split 'validation'"):
        datasets.load("digits", "validation")
    with pytest.raises(UsageError, match="unknown data set"):
        datasets.load("../digits", "test")
