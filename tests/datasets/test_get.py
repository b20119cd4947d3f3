"""`get`: the official archives' layout, from a real server; nothing but the right bytes comes in."""

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from processes import started
from webserver import Resource, Trouble, WebServer, serving

from reszoo import datasets
from reszoo.core.download import Source
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.datasets.archives import ARCHIVES
from reszoo.datasets.downloading import install

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (120, 3, 32, 32), np.uint8)  # (N, C, H, W), as the archives have it
LABELS = np.repeat(np.arange(10, dtype=np.uint8), 12)[RANDOM.permutation(120)]
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def records(*columns: np.ndarray) -> bytes:
    rows = [column.reshape(len(column), -1).astype(np.uint8) for column in columns]
    return np.concatenate(rows, axis=1).tobytes()


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def cifar10_files() -> dict[str, bytes]:
    """100 images in five training batches, 20 for the test."""
    folder = "cifar-10-batches-bin/"
    parts = np.split(np.arange(120), 6)
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    batches = {folder + name: records(LABELS[part], PIXELS[part]) for name, part in zip(names, parts, strict=True)}
    return {folder + "batches.meta.txt": "\n".join((*CLASSES, "", "")).encode(), **batches}


@pytest.fixture
def web():
    with serving() as server:
        yield server


def archive_of(name: str, content: bytes, web: WebServer, **served):
    """The known archive `name`, but with this content and from this server."""
    url = web.add(f"/{name}.tar.gz", Resource(content=content, **served))
    source = Source(url=url, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    return msgspec.structs.replace(ARCHIVES[name], source=source)


def test_cifar10_arrives_through_a_broken_connection(web, cache):
    archive = archive_of("cifar10", packed(cifar10_files()), web, troubles=[Trouble(cut_after=100_000)])
    seen = []
    info = install("cifar10", archive, replace=False, progress=lambda *done: seen.append(done))
    assert (info.classes, info.image) == (CLASSES, (32, 32, 3))
    assert info.counts["trainval"] == 100
    trainval, test = datasets.load("cifar10", "trainval"), datasets.load("cifar10", "test")
    np.testing.assert_array_equal(trainval.images, PIXELS[:100].transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(test.images, PIXELS[100:].transpose(0, 2, 3, 1))
    assert (trainval.labels.tolist(), test.labels.tolist()) == (LABELS[:100].tolist(), LABELS[100:].tolist())
    assert seen[-1] == ("downloading", archive.source.size_bytes, archive.source.size_bytes)
    assert [path.name for path in (cache / "downloads").iterdir()] == []
    assert [path.name for path in (cache / "data").iterdir()] == ["cifar10"]


def test_val_is_the_same_whether_the_images_were_downloaded_or_added(web, tmp_path):
    install("cifar10", archive_of("cifar10", packed(cifar10_files()), web), replace=False)
    for i in range(100):
        path = tmp_path / "own/train" / CLASSES[LABELS[i]] / f"{(i * 37) % 100}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[i].transpose(1, 2, 0)).save(path)
    datasets.add("own", [tmp_path / "own"])
    official, own = datasets.load("cifar10", "val"), datasets.load("own", "val")
    assert {image.tobytes() for image in official.images} == {image.tobytes() for image in own.images}
    assert len(official) == 10


def test_cifar100_takes_the_fine_class(web):
    coarse, fine = np.full(120, 7), np.arange(120) % 100
    files = {
        "fine_label_names.txt": "\n".join(f"class{i:02}" for i in range(100)).encode(),
        "coarse_label_names.txt": b"other",
        "train.bin": records(coarse, fine, PIXELS),
        "test.bin": records(coarse[:9], fine[:9], PIXELS[:9]),
    }
    content = packed({f"cifar-100-binary/{name}": file for name, file in files.items()})
    install("cifar100", archive_of("cifar100", content, web), replace=False)
    trainval = datasets.load("cifar100", "trainval")
    assert trainval.labels.tolist() == fine.tolist()
    np.testing.assert_array_equal(trainval.images[5], PIXELS[5].transpose(1, 2, 0))


def test_a_second_get_asks_nothing_of_the_network(web, monkeypatch):
    archive = archive_of("cifar10", packed(cifar10_files()), web)
    install("cifar10", archive, replace=False)
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    assert datasets.get("cifar10").counts["test"] == 20
    with pytest.raises(UnavailableError, match="RESZOO_OFFLINE"):
        datasets.get("cifar10", replace=True)
    assert len(web.seen) == 1
    assert len(datasets.load("cifar10", "test")) == 20


def without(name: str) -> dict[str, bytes]:
    return {path: content for path, content in cifar10_files().items() if not path.endswith(name)}


MALFORMED = {
    "no test batch": (lambda: packed(without("test_batch.bin")), "no test_batch.bin"),
    "half a record": (
        lambda: packed(without("test_batch.bin") | {"x/test_batch.bin": bytes(3000)}),
        "3000 bytes of records of 3073 bytes",
    ),
    "empty batch": (lambda: packed(without("test_batch.bin") | {"x/test_batch.bin": b""}), "0 bytes of records"),
    "unknown class": (
        lambda: packed(without("test_batch.bin") | {"x/test_batch.bin": bytes([10]) + bytes(3072)}),
        "an image of class 10, but only 10 classes",
    ),
    "truncated": (lambda: packed(cifar10_files())[:-2000], "binary layout"),
    "not an archive": (lambda: b"moved", "binary layout"),
    "a page": (lambda: b"<html>moved</html>", "a web page instead of the file"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_an_archive_of_another_layout_is_refused(case, web, cache):
    make, message = MALFORMED[case]
    with pytest.raises(ReszooError, match=message):
        install("cifar10", archive_of("cifar10", make(), web), replace=False)
    assert list((cache / "data").iterdir()) == []


def test_bytes_that_are_not_the_published_ones_are_refused(tmp_path, cache, monkeypatch):
    """The real `get`, from a mirror that has something else."""
    mirrored = tmp_path / "mirror/www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(packed(cifar10_files()))
    monkeypatch.setenv("RESZOO_MIRROR", f"file://{tmp_path / 'mirror'}")
    with pytest.raises(ReszooError, match=r"is \d+ bytes, expected 170052171"):
        datasets.get("cifar10")
    assert not datasets.is_installed("cifar10")
    assert list((cache / "data").iterdir()) == []


def test_two_processes_getting_one_name_both_succeed(web):
    archive = archive_of("cifar10", packed(cifar10_files()), web)
    code = (
        "import sys, msgspec; from reszoo.datasets.archives import Archive;"
        "from reszoo.datasets.downloading import install;"
        "install('cifar10', msgspec.json.decode(sys.argv[1], type=Archive), replace=False)"
    )
    command = [sys.executable, "-c", code, msgspec.json.encode(archive).decode()]
    said = {"stderr": subprocess.PIPE, "text": True}
    with started(command, **said) as one, started(command, **said) as other:
        assert [(process.communicate()[1], process.returncode) for process in (one, other)] == [("", 0), ("", 0)]
    assert len(web.seen) == 1


def test_what_cannot_be_got():
    with pytest.raises(UsageError, match="unknown data set 'cifar'") as caught:
        datasets.get("cifar")
    assert "cifar10" in caught.value.fix
    assert datasets.get("digits").name == "digits"
    assert all(Path(archive.source.url).suffixes == [".tar", ".gz"] for archive in ARCHIVES.values())
