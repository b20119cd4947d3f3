"""Batches: whole, in order, at the network's size, or refused with the reason."""

import numpy as np
import pytest
from PIL import Image

from reszoo import datasets
from reszoo.core.errors import UsageError
from reszoo.core.types import Preprocess

GREY = Preprocess(mean=(0.5,), std=(0.5,), input=(1, 8, 8))


def test_batches_are_the_images_in_order():
    test = datasets.load("digits", "test")
    batches = list(test.batches(GREY, 100))
    assert [len(images) for images, _ in batches] == [100, 100, 100, 59]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in batches]), test.images)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), test.labels)


def test_a_subset_keeps_order_and_origin():
    val = datasets.load("digits", "val")
    part = val.subset([5, 2]).subset([1, 0])
    assert part.indices.tolist() == val.indices[[2, 5]].tolist()
    ((images, labels),) = part.batches(GREY, 8)
    np.testing.assert_array_equal(images, val.images[[2, 5]])
    np.testing.assert_array_equal(labels, val.labels[[2, 5]])
    assert list(val.subset([]).batches(GREY, 8)) == []


def test_stored_images_cannot_be_changed_through_a_batch(image, tree):
    datasets.add("x", [tree("x", {"a/1.png": image(1), "a/2.png": image(2)})])
    rgb = Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 8, 8))
    ((images, _),) = datasets.load("x", "trainval").batches(rgb, 8)
    before = images.copy()
    images[:] = 0
    np.testing.assert_array_equal(datasets.load("x", "trainval").images, before)


def test_stored_images_are_resized_when_the_network_asks():
    test = datasets.load("digits", "test").subset(range(3))
    preprocess = Preprocess(mean=(0.5,), std=(0.5,), input=(1, 12, 12), resize=16, crop=12)
    ((images, _),) = test.batches(preprocess, 3)
    large = Image.fromarray(test.images[1, ..., 0]).resize((16, 16), Image.Resampling.BILINEAR).crop((2, 2, 14, 14))
    np.testing.assert_array_equal(images[1, ..., 0], np.asarray(large))


def test_what_does_not_fit_is_refused_before_the_first_batch():
    test = datasets.load("digits", "test")
    with pytest.raises(UsageError, match="digits: 8x8 images do not give the 32x32 input"):
        test.batches(Preprocess(mean=(0.5,), std=(0.5,), input=(1, 32, 32)), 8)
    with pytest.raises(UsageError, match="digits: grey images do not fit the network, which takes RGB ones"):
        test.batches(Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 8, 8)), 8)
    with pytest.raises(UsageError, match="batch of 0"):
        test.batches(GREY, 0)


def test_a_file_of_another_size_is_named(image, tree):
    datasets.add("x", [tree("x", {"a/1.png": image(1, size=(8, 8)), "a/2.png": image(2, size=(9, 8))})])
    batches = datasets.load("x", "trainval").batches(GREY, 1)
    assert next(batches)[0].shape == (1, 8, 8, 1)
    with pytest.raises(UsageError, match=r"x, 0000001\.png: 8x9 images do not give the 8x8 input"):
        next(batches)
