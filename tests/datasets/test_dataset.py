"""Batches: whole, in order, at the network's size, or refused with the reason."""

import numpy as np
import pytest
from PIL import Image

from reszoo import datasets
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import Preprocess
from reszoo.datasets import info as infos
from reszoo.datasets import store

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


def two_sets(image, tree):
    """Of images that differ in size, so that they stay files, with the classes' names the other way round."""
    sizes = [(100 + 8 * n, 120) for n in range(6)]
    first = {f"{'a' if n % 2 else 'b'}/{n}.png": image(n, size=sizes[n]) for n in range(6)}
    other = {f"{'b' if n % 2 else 'a'}/{n}.png": image(n, size=sizes[n]) for n in range(6)}
    return tree("first", first), tree("other", other)


def test_who_reads_on_after_a_replacement_is_told_and_gets_no_mixture(image, tree):
    first, other = two_sets(image, tree)
    datasets.add("pets", [first])
    opened = datasets.load("pets", "trainval")
    assert opened.picture(0, 3).size
    datasets.add("pets", [other], replace=True)
    for read in (lambda: opened.picture(0, 3), lambda: opened.size(0)):
        with pytest.raises(ReszooError, match="the data set pets was replaced or removed while it was read"):
            read()
    prepare = Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 64, 64), resize=64, crop=64)
    with pytest.raises(ReszooError, match="was replaced"):
        list(opened.batches(prepare, 2))
    assert len(list(datasets.load("pets", "trainval").batches(prepare, 2))) == 3


def test_an_array_is_read_to_its_end_as_it_was(image, tree):
    datasets.add("dots", [tree("first", {f"{c}/{n}.png": image(n) for n, c in enumerate("ab" * 3)})])
    opened = datasets.load("dots", "trainval")
    before = np.array(opened.images)
    datasets.add("dots", [tree("other", {f"{c}/{n}.png": image(50 + n) for n, c in enumerate("ab" * 3)})], replace=True)
    assert np.array_equal(opened.images, before)
    assert not np.array_equal(datasets.load("dots", "trainval").images, before)


def test_a_replacement_while_a_split_is_opened_is_told(image, tree, monkeypatch):
    first, other = two_sets(image, tree)
    datasets.add("pets", [first])

    def late(*arguments):
        datasets.add("pets", [other], replace=True)
        return original(*arguments)

    original = infos.info
    monkeypatch.setattr(infos, "info", late)
    with pytest.raises(ReszooError, match="was replaced"):
        store.open_split("pets", "trainval")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("trainval-labels.npy", np.full(6, 9), "labels are not whole numbers from 0 to 1"),
        ("trainval-labels.npy", np.full(6, -1), "labels are not whole numbers"),
        ("trainval-labels.npy", np.zeros(6), "labels are not whole numbers"),
        ("trainval-labels.npy", np.zeros(5, np.int64), "6 images, 5 labels"),
        ("val.npy", np.array([10**9]), "val are not whole numbers from 0 to 5"),
        ("trainval.npy", np.zeros((6, 8, 8, 3)), "its images are float64"),
        ("trainval.npy", np.zeros((6, 9, 8, 3), np.uint8), "its images are uint8"),
    ],
)
def test_arrays_that_do_not_fit_the_description_are_damage(image, tree, name, array, message):
    datasets.add("dots", [tree("first", {f"{c}/{n}.png": image(n) for n, c in enumerate("ab" * 3)})])
    np.save(infos.home("dots") / name, array)
    with pytest.raises(ReszooError, match=f"the data set dots is damaged: .*{message}"):
        datasets.load("dots", "trainval")


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'shape': (", b"\x93NUMPY\x01\x00\x04\x00\x00\x00\x00\x00"]
)
def test_files_that_are_no_arrays_are_damage(image, tree, content):
    datasets.add("dots", [tree("first", {f"{c}/{n}.png": image(n) for n, c in enumerate("ab" * 3)})])
    (infos.home("dots") / "val.npy").write_bytes(content)
    with pytest.raises(ReszooError, match="the data set dots is damaged: "):
        datasets.load("dots", "trainval")
