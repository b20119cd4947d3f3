"""`add`: what comes in is what was there, in one order; what could do harm or mislead is refused by name."""

import json
import os
import re
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import started

from reszoo import datasets
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import Preprocess
from reszoo.datasets.images import read_header

ADD = "import sys; from pathlib import Path; from reszoo import datasets; datasets.add('x', [Path(sys.argv[1])])"


def leftovers(cache: Path) -> list[str]:
    """What an import left in the data folder, data sets included."""
    return sorted(path.name for path in (cache / "data").glob("*")) if (cache / "data").exists() else []


@pytest.fixture
def flowers(image):
    """24 pictures of two classes: 10 + 10 for training, 2 + 2 for the test."""
    train = {
        f"train/{label}/{i}.png": image(i + 10 * k) for k, label in enumerate(("tulip", "rose")) for i in range(10)
    }
    test = {f"test/{label}/{i}.png": image(i + 30 + 2 * k) for k, label in enumerate(("tulip", "rose")) for i in (0, 1)}
    return train | test


def test_a_folder_and_zips_of_the_same_images_are_the_same_data_set(flowers, tree, zipped):
    names = sorted(flowers, key=lambda name: zlib.crc32(name.encode()))  # in no order that means anything
    datasets.add("folder", [tree("flowers", flowers)])
    halves = [{name: flowers[name] for name in names[part::2]} for part in (0, 1)]
    datasets.add("zips", [zipped("b.zip", halves[0]), zipped("a.zip", halves[1])])
    for split, count in (("train", 18), ("val", 2), ("trainval", 20), ("test", 4)):
        one, other = datasets.load("folder", split), datasets.load("zips", split)
        assert len(one) == count
        assert one.classes == other.classes == ("rose", "tulip")
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.images, other.images)


def test_what_is_in_a_data_set_tells_it_from_others_of_its_shape(image, tree, zipped):
    files = {f"{label}/{i}.png": image(i + k * 10) for k, label in enumerate("ab") for i in range(3)}
    first = datasets.add("x", [tree("x", files)])
    assert len(first.sha256) == 64
    assert datasets.add("same", [zipped("x.zip", files)]).sha256 == first.sha256
    relabelled = {name.replace("a/", "c/"): content for name, content in files.items()}
    for number, others in enumerate((files | {"a/0.png": image(99)}, relabelled | {"c/0.png": files["b/0.png"]})):
        other = datasets.add("x", [tree(f"other{number}", others)], replace=True)
        assert (other.counts, other.image) == (first.counts, first.image)
        assert other.sha256 != first.sha256
    assert datasets.info.info("digits").sha256 == ""  # built in


def test_every_pixel_and_label_arrives(image, tree):
    files = {f"{label}/{i}.png": image(i + k * 10) for k, label in enumerate("ab") for i in range(3)}
    datasets.add("exact", [tree("exact", files)])
    stored = datasets.load("exact", "trainval")
    expected = np.stack([np.asarray(Image.open(BytesIO(files[name]))) for name in sorted(files)])
    np.testing.assert_array_equal(stored.images, expected)
    assert isinstance(stored.images, np.memmap)
    assert stored.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert stored.labels.dtype == np.int64


def test_an_own_val_folder_is_val_as_it_is(image, tree):
    files = {f"{split}/a/{i}.png": image(i + k * 100) for k, split in enumerate(("train", "Valid")) for i in range(4)}
    datasets.add("own", [tree("own", files)])
    train, val, trainval = (datasets.load("own", split) for split in ("train", "val", "trainval"))
    assert (train.indices.tolist(), val.indices.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])
    np.testing.assert_array_equal(np.concatenate([train.images, val.images]), trainval.images)


def test_a_test_split_is_cut_off_the_training_images_the_same_whichever_way_they_come(image, tree, zipped):
    files = {f"{label}/{i}.png": image(i + 20 * k) for k, label in enumerate("ab") for i in range(10)}
    info = datasets.add("folder", [tree("cut", files)], test=0.2)
    assert info.counts == {"train": 14, "val": 2, "trainval": 16, "test": 4}
    datasets.add("zip", [zipped("cut.zip", files)], test=0.2)
    cut, again = datasets.load("folder", "test"), datasets.load("zip", "test")
    assert cut.labels.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(cut.images, again.images)
    rest = datasets.load("folder", "trainval").images
    assert not any((seen == one).all() for seen in rest for one in cut.images)


@pytest.mark.parametrize("size", [(8, 8), (120, 100)])
def test_copies_are_on_one_side_of_a_test_cut(size, image, tree):
    """Small pictures are copies by their pixels, whatever their files, and large ones by their files."""
    files = {f"{label}/{i}.png": image(i // 2, size=size) for label in "ab" for i in range(8)}
    if size == (8, 8):
        files |= {f"{label}/{i}.bmp": image(i, size=size, kind="BMP") for label in "ab" for i in range(4)}
    info = datasets.add("x", [tree("x", files)], test=0.5)
    assert info.warnings == ()
    assert info.counts["test"] >= 4
    assert sum(info.counts[split] for split in ("train", "val", "test")) == len(files)


@pytest.mark.parametrize("size", [(8, 8), (120, 100)])
def test_a_test_cut_leaves_each_class_an_image_to_train_on(size, image, tree):
    files = {f"{label}/{i}.png": image(i + 5 * k, size=size) for k, label in enumerate("ab") for i in range(3)}
    info = datasets.add("x", [tree("x", files)], test=0.9)
    assert info.counts == {"train": 2, "trainval": 2, "test": 4}
    assert datasets.load("x", "train").labels.tolist() == [0, 1]
    assert datasets.load("x", "test").labels.tolist() == [0, 0, 1, 1]


def test_large_images_are_cut_with_their_labels_and_an_own_val_stays(image, tree):
    """The colour of each picture says its class and its split."""

    def plain(red, green):
        file = BytesIO()
        Image.new("RGB", (120, 100), (red, green, 0)).save(file, "PNG")
        return file.getvalue()

    files = {f"train/{label}/{i}.png": plain(100 * k, i) for k, label in enumerate("ab") for i in range(10)}
    files |= {f"val/{label}/{i}.png": plain(100 * k, 200) for k, label in enumerate("ab") for i in range(2)}
    folder = tree("x", files)
    told = []
    info = datasets.add("x", [folder], test=0.2, progress=lambda stage, done, total: told.append((done, total)))
    assert info.counts == {"train": 16, "val": 4, "trainval": 20, "test": 4}
    assert told[-1] == (48, 48)
    preprocess = Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 32, 32), resize=32, crop=32)
    for split in ("train", "val", "test"):
        ((images, labels),) = datasets.load("x", split).batches(preprocess, 20)
        assert (images[:, 0, 0, 0] // 100).tolist() == labels.tolist()
        assert ((images[:, 0, 0, 1] == 200) == (split == "val")).all()


def test_a_test_split_that_cannot_be_cut_is_refused(flowers, image, tree, cache):
    with pytest.raises(UsageError, match="there are 4 test images already"):
        datasets.add("x", [tree("flowers", flowers)], test=0.2)
    with pytest.raises(UsageError, match="no class has two training images"):
        datasets.add("x", [tree("few", {"a/1.png": image(1), "b/1.png": image(2)})], test=0.5)
    with pytest.raises(UsageError, match="there are no training images to cut a test split from"):
        datasets.add("x", [tree("held", {"a/1.png": image(1), "a/2.png": image(2)})], split="val", test=0.5)
    with pytest.raises(UsageError, match=r"`test=2` is no part of the images"):
        datasets.add("x", [tree("flowers", flowers)], test=2)
    assert leftovers(cache) == []


@pytest.mark.parametrize("pack", ["folders", "zips"])
def test_paths_named_like_splits_are_splits(pack, image, tree, zipped):
    """`data add x photos/train photos/test` must never train on the test images."""
    train, test = {f"a/{i}.png": image(i) for i in range(5)}, {f"a/{i}.png": image(i + 9) for i in range(3)}
    if pack == "folders":
        paths = [tree("train", train), tree("test", test)]
    else:
        paths = [zipped("train.zip", train), zipped("test.zip", test)]
    assert datasets.add("x", paths).counts == {"train": 4, "val": 1, "trainval": 5, "test": 3}


def test_split_says_where_images_in_no_split_folder_belong(image, tree):
    folder = tree("x", {f"a/{i}.png": image(i) for i in range(3)})
    assert datasets.add("x", [folder], split="test").counts == {"test": 3}
    with pytest.raises(UsageError, match="x has no train images, it has: test"):
        datasets.load("x", "train")


def test_small_grey_images_stay_grey_and_one_coloured_makes_all_rgb(image, tree):
    grey = {f"a/{i}.png": image(i, mode="L") for i in range(3)}
    assert datasets.add("grey", [tree("grey", grey)]).image == (8, 8, 1)
    mixed = grey | {"a/9.png": image(9), "a/8.png": image(8, mode="RGBA"), "a/7.png": image(7, mode="P")}
    assert datasets.add("mixed", [tree("mixed", mixed)]).image == (8, 8, 3)


def test_large_images_stay_files_and_stream(image, tree):
    files = {f"{label}/{i}.jpg": image(i, size=(120 + i, 100), kind="JPEG") for label in "ab" for i in range(3)}
    files["b/3.webp"] = image(3, size=(100, 150), kind="WEBP")
    assert datasets.add("large", [tree("large", files)]).image is None
    stream = datasets.load("large", "trainval")
    preprocess = Preprocess(mean=(0.5,), std=(0.5,), input=(1, 32, 32), resize=40, crop=32)
    batches = list(stream.batches(preprocess, 3))
    assert [images.shape for images, _ in batches] == [(3, 32, 32, 1), (3, 32, 32, 1), (1, 32, 32, 1)]
    assert np.concatenate([labels for _, labels in batches]).tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_transparent_palettes_come_in_quietly(tree):
    file = BytesIO()
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.save(file, "PNG", transparency=bytes([0, 128]))
    datasets.add("palette", [tree("palette", {"a/1.png": file.getvalue()})])
    assert datasets.load("palette", "trainval").images[0, 0, 0].tolist() == [200, 100, 50]


def test_junk_is_passed_over_and_other_files_are_counted(image, zipped):
    junk = {"__MACOSX/a/._1.png": b"x", "a/.DS_Store": b"x", "a/Thumbs.db": b"x", ".git/b/1.png": b"x"}
    other = {"README.txt": b"x", "a/labels.csv": b"x"}
    info = datasets.add("x", [zipped("x.zip", {"a/1.png": image(1), **junk, **other})])
    assert (info.classes, info.counts["trainval"]) == (("a",), 1)
    assert info.left_out == {"no image (.txt)": 1, "no image (.csv)": 1, "hidden, or a system's own": 4}


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims to be larger than it is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# What lies in the folder beside a good image, and what the refusal must say.
BAD_FILES = {
    "truncated": (lambda image: {"a/bad.png": image(2)[:-60]}, r"a/bad\.png cannot be read"),
    "other bytes": (lambda image: {"a/bad.png": b"GIF99a" + bytes(99)}, r"a/bad\.png is not a PNG, JPEG, BMP, WebP"),
    "empty file": (lambda image: {"a/bad.jpg": b""}, r"a/bad\.jpg is not a PNG"),
    "small bomb": (
        lambda image: {"a/bad.png": png_of_size(10_000, 10_000)},
        r"a/bad\.png has 100,000,000 pixels \(10000x10000\), and the limit is 89,478,485",
    ),
    "large bomb": (
        lambda image: {"a/bad.png": png_of_size(60_000, 60_000)},
        r"a/bad\.png has 3,600,000,000 pixels",
    ),
    "32 bits": (lambda image: {"a/bad.tif": image(2, mode="F", kind="TIFF")}, r"a/bad\.tif has 32 bits per channel"),
    "no class": (lambda image: {"bad.png": image(2)}, r"bad\.png lies in no class folder"),
    "no class in train": (lambda image: {"train/bad.png": image(2)}, r"train/bad\.png lies in no class folder"),
    "too deep": (lambda image: {"b/c/bad.png": image(2)}, r"b/c/bad\.png lies too deep"),
    "class without images": (lambda image: {"b/notes.txt": b"x"}, r"class folder 'b' holds no image"),
    "test has other classes": (lambda image: {"test/b/1.png": image(2)}, r"test has classes that train has not: b"),
}


@pytest.mark.parametrize("pack", ["folder", "zip"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_by_name_and_nothing_is_left(case, pack, image, tree, zipped, cache):
    make, message = BAD_FILES[case]
    files = {"a/1.png": image(1), **make(image)}
    path = tree("x", files) if pack == "folder" else zipped("x.zip", files)
    with pytest.raises(UsageError, match=message) as caught:
        datasets.add("x", [path])
    assert caught.value.fix
    assert leftovers(cache) == []


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "C:\\evil.png", "a\\..\\..\\evil.png"]
)
def test_zip_slip_is_refused(name, image, zipped, cache):
    with pytest.raises(UsageError, match="points outside") as caught:
        datasets.add("x", [zipped("x.zip", {"a/1.png": image(1), name: image(2)})])
    assert f"x.zip: {name}" in str(caught.value)
    assert leftovers(cache) == []


def test_links_in_zips_are_refused(image, zipped, cache):
    path = zipped("x.zip", {"a/1.png": image(1)})
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UsageError, match=r"x\.zip: a/link\.png is a symbolic link"):
        datasets.add("x", [path])
    assert leftovers(cache) == []


def test_encrypted_zips_are_refused(image, zipped, cache):
    path = zipped("x.zip", {"a/1.png": image(1)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a/1\.png is encrypted"):
        datasets.add("x", [path])
    assert leftovers(cache) == []


def test_damage_inside_a_zip_is_found(image, tmp_path, cache):
    picture = image(1, kind="BMP")  # a format without a checksum of its own
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a/1.bmp", picture)
    content = bytearray(path.read_bytes())
    content[content.index(picture) + len(picture) - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.zip: a/1\.bmp cannot be read: Bad CRC-32"):
        datasets.add("x", [path])
    assert leftovers(cache) == []


def test_huge_files_are_refused_before_they_are_read(image, tree):
    folder = tree("x", {"a/1.png": image(1)})
    with (folder / "a/2.png").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(UsageError, match=r"a/2\.png is 67 MB, the limit is 67 MB"):
        datasets.add("x", [folder])


def test_pipes_and_broken_links_are_refused(image, tree):
    folder = tree("x", {"a/1.png": image(1)})
    os.mkfifo(folder / "a/2.png")  # reading it would wait for ever
    with pytest.raises(UsageError, match=r"a/2\.png is a broken link or no plain file"):
        datasets.add("x", [folder])


def test_paths_that_are_none(image, tree, tmp_path):
    with pytest.raises(UsageError, match="nowhere does not exist"):
        datasets.add("x", [tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="neither a folder nor a readable zip"):
        datasets.add("x", [tree("x", {"1.png": image(1)}) / "1.png"])
    with pytest.raises(UsageError, match="no images found") as caught:
        datasets.add("x", [tree("empty", {"a.txt": b""})])
    assert "CLASS/image.png" in caught.value.fix


@pytest.mark.parametrize("name", ["Flowers", "../x", "", "a b", "a.zip", "digits", "photos"])
def test_names_that_cannot_be(name, image, tree, cache):
    with pytest.raises(UsageError):
        datasets.add(name, [tree("x", {"a/1.png": image(1)})])
    assert not cache.exists()


def test_a_failed_replacement_leaves_the_old_data_set(image, tree, cache):
    datasets.add("x", [tree("x", {"a/1.png": image(1)})])
    before = datasets.load("x", "trainval").images.copy()
    with pytest.raises(UsageError, match="there is a data set x already"):
        datasets.add("x", [tree("y", {"a/1.png": image(2)})])
    with pytest.raises(UsageError, match="cannot be read"):
        datasets.add("x", [tree("z", {"a/1.png": image(2), "a/2.png": image(3)[:-60]})], replace=True)
    np.testing.assert_array_equal(datasets.load("x", "trainval").images, before)
    datasets.add("x", [tree("y", {})], replace=True)
    assert not np.array_equal(datasets.load("x", "trainval").images, before)
    assert leftovers(cache) == ["x"]


def test_two_processes_adding_one_name(image, tree, cache):
    """One wins, the other is told so; the data set is whole."""
    folder = tree("x", {f"a/{i}.png": image(i) for i in range(200)})
    command = [sys.executable, "-c", ADD, str(folder)]
    said = {"stderr": subprocess.PIPE, "text": True}
    with started(command, **said) as one, started(command, **said) as other:
        both = one, other
        errors = [process.communicate()[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], errors
    assert any("there is a data set x already" in error for error in errors)
    assert len(datasets.load("x", "trainval")) == 200
    assert leftovers(cache) == ["x"]


def test_damaged_data_sets_say_how_to_mend_them(image, tree, cache):
    datasets.add("x", [tree("x", {f"a/{i}.png": image(i) for i in range(3)})])
    images = cache / "data/x/trainval.npy"
    images.write_bytes(images.read_bytes()[:-100])
    with pytest.raises(ReszooError, match="the data set x is damaged") as caught:
        datasets.load("x", "train")
    assert "replace=True)`" in caught.value.fix
    (cache / "data/x/dataset.json").write_text('{"schema": 1, "name": "x"}')
    with pytest.raises(ReszooError, match=r"dataset\.json"):
        datasets.load("x", "train")


@pytest.mark.parametrize("names", [("training", "testing"), ("Train", "TEST")])
def test_splits_have_their_usual_names(names, image, tree):
    files = {f"{name}/a/{i}.png": image(i + 10 * k) for k, name in enumerate(names) for i in range(4)}
    assert datasets.add("x", [tree("x", files)]).counts == {"train": 3, "val": 1, "trainval": 4, "test": 4}


def test_what_may_not_be_meant_is_said_and_kept(image, tree):
    files = {f"train/{label}/{i}.png": image(i + 10 * k) for k, label in enumerate("abc") for i in range(4)}
    files |= {"test/a/1.png": image(31), "test/b/9.png": image(12), "test/b/8.png": image(0), "val/b/1.png": image(12)}
    files |= {"val/a/1.png": image(40), "val/c/1.png": image(41)}
    info = datasets.add("x", [tree("x", files)])
    assert info.counts == {"train": 12, "val": 3, "trainval": 15, "test": 3}
    missing, in_val, in_train, both = info.warnings
    assert missing == "test has no image of c"
    assert re.fullmatch(r"an image of val can be found in train as well, such as .*/val/b/1\.png", in_val)
    assert re.fullmatch(r"2 images of test can be found in train as well, such as .*/test/b/8\.png", in_train)
    assert re.fullmatch(r"an image of test can be found in val as well, such as .*/test/b/9\.png", both)
    assert datasets.info.info("x").warnings == info.warnings


def test_copies_among_large_images_are_found_by_their_bytes(image, tree):
    large = partial(image, size=(120, 100))
    files = {"train/a/1.png": large(1), "train/b/1.png": large(2), "test/a/9.png": large(1), "test/b/1.png": large(3)}
    (warning,) = datasets.add("x", [tree("x", files)]).warnings
    assert warning.startswith("an image of test can be found in train as well, such as")


def test_one_class_tells_nothing_apart(image, tree):
    assert datasets.add("x", [tree("x", {"a/1.png": image(1)})]).warnings == (
        "there is one class only, a: a network has nothing to tell apart",
    )


def test_a_class_folder_that_is_empty_in_one_split_only_is_a_class_that_split_lacks(image, tree):
    folder = tree("x", {"train/a/1.png": image(1), "train/b/1.png": image(2), "test/a/1.png": image(3)})
    (folder / "test" / "b").mkdir()
    assert datasets.add("x", [folder]).warnings == ("test has no image of b",)


def test_a_picture_above_pillows_limit_is_let_in_by_its_pixels(image, tree, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # a real one would take gigabytes
    folder = tree("x", {"a/1.png": image(1, size=(200, 120)), "b/1.png": image(2, size=(90, 90))})
    with pytest.raises(UsageError, match=r"a/1\.png has 24,000 pixels \(200x120\), and the limit is 10,000") as caught:
        datasets.add("x", [folder])
    assert caught.value.fix == "Shrink it, or let it in with `max_pixels=24000`."
    with pytest.raises(UsageError, match="the limit is 23,999"):
        datasets.add("x", [folder], max_pixels=23_999)
    assert datasets.add("x", [folder], max_pixels=24_000).max_pixels == 24_000
    preprocess = Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 32, 32), resize=40, crop=32)
    (images, _), *_ = datasets.load("x", "trainval").batches(preprocess, 2)
    assert images.shape == (2, 32, 32, 3)
    assert Image.MAX_IMAGE_PIXELS == 10_000
    with pytest.raises(UsageError, match="`max_pixels=0`"):
        datasets.add("y", [folder], max_pixels=0)


def test_a_header_is_read_under_the_programs_own_limit(image, tree):
    """Which is the whole process's: another thread may be decoding a picture."""
    path = tree("x", {"large.png": png_of_size(60_000, 60_000)}) / "large.png"
    limits = []

    class Watched(BytesIO):
        def read(self, *size):
            limits.append(Image.MAX_IMAGE_PIXELS)
            return super().read(*size)

    header = read_header(lambda: Watched(path.read_bytes()), "large.png")
    assert (header.height, header.width) == (60_000, 60_000)
    assert set(limits) == {Image.MAX_IMAGE_PIXELS}


def test_data_sets_that_were_added_before_are_read(image, tree, cache):
    datasets.add("x", [tree("x", {"a/1.png": image(1)})])
    document = cache / "data/x/dataset.json"
    fields = json.loads(document.read_text())
    older = {
        name: value
        for name, value in fields.items()
        if name not in ("wnids", "left_out", "warnings", "max_pixels", "sha256")
    }
    document.write_text(json.dumps(older | {"schema": 1, "ignored_files": 2}))
    info = datasets.info.info("x")
    assert (info.left_out, info.wnids, info.warnings, info.sha256) == ({"no image": 2}, (), (), "")
