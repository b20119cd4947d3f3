"""Which files of a folder are images: one rule, for data sets and for predictions."""

import os
from pathlib import Path

import pytest

from reszoo import datasets
from reszoo.core.errors import UsageError
from reszoo.datasets.listing import images_in, opened

JUNK = ("._1.png", ".hidden.png", "Thumbs.db", "desktop.ini", "__MACOSX/1.png", ".cache/1.png")
OTHERS = ("notes.txt", "1.svg", "noext")


def test_images_are_found_and_junk_is_not(image, tree):
    names = ("b/2.PNG", "b/1.jpeg", "a/1.webp", "a/ü 猫.bmp")
    folder = tree(".photos", {name: image(n) for n, name in enumerate((*names, *JUNK, *OTHERS))})
    images, ignored = images_in(folder)
    assert [str(path.relative_to(folder)) for path in images] == ["a/1.webp", "a/ü 猫.bmp", "b/1.jpeg", "b/2.PNG"]
    assert ignored == len(OTHERS)


def test_a_data_set_has_the_same_images(image, tree):
    names = (f"{label}/{name}" for label in "ab" for name in ("1.png", "2.JPG", *JUNK, *OTHERS))
    folder = tree("x", {name: image(n) for n, name in enumerate(names)})
    with opened([folder], "train") as listing:
        taken = [Path(entry.member.where) for entry in listing.entries["train"]]
    assert sorted(taken) == images_in(folder).images
    assert images_in(folder).ignored == 2 * len(OTHERS)
    assert listing.left_out == {
        "no image (.txt)": 2,
        "no image (.svg)": 2,
        "no image (without a suffix)": 2,
        "hidden, or a system's own": 2 * len(JUNK),
    }


def test_links_are_followed_but_not_in_circles(image, tree):
    folder, elsewhere = tree("x", {"a/1.png": image(1)}), tree("y", {"2.png": image(2)})
    (folder / "a" / "up").symlink_to(folder)
    (folder / "b").symlink_to(elsewhere)
    assert images_in(folder).images == [folder / "a/1.png", folder / "b/2.png"]


def test_what_is_no_plain_file_is_found_and_a_data_set_refuses_it(image, tree):
    folder = tree("x", {"a/1.png": image(1)})
    (folder / "a" / "gone.png").symlink_to("nowhere")
    os.mkfifo(folder / "a" / "pipe.png")
    assert [path.name for path in images_in(folder).images] == ["1.png", "gone.png", "pipe.png"]
    with pytest.raises(UsageError, match=r"\.png is a broken link or no plain file\nRemove it"):
        datasets.add("x", [folder])
