"""`reszoo data`, as its users type it."""

import json
from pathlib import Path

import numpy as np
import pytest
from inprocess import reszoo
from PIL import Image


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    folder = tmp_path / "flowers"
    for label in ("rose", "tulip"):
        (folder / label).mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")
    (folder / "notes.txt").write_text("from the garden")
    return folder


def test_add_then_list(flowers):
    added = reszoo("data", "add", "flowers", flowers)
    assert (added.returncode, added.stderr) == (0, "")
    assert "flowers: 2 classes, 18 train, 2 val; 8x8x3" in added.stdout
    assert "1 left out: no image (.txt)" in added.stdout
    listed = reszoo("data", "list").stdout
    assert [line.split()[0] for line in listed.splitlines() if "8x8" in line] == ["digits", "flowers"]
    as_json = json.loads(reszoo("data", "list", "--json").stdout)
    assert [(info["name"], info["counts"]["trainval"]) for info in as_json] == [("digits", 1438), ("flowers", 20)]


def test_a_test_split_on_request(flowers):
    added = reszoo("data", "add", "flowers", flowers, "--test", "20%", "--json")
    assert json.loads(added.stdout)["counts"] == {"train": 14, "val": 2, "trainval": 16, "test": 4}
    mistaken = reszoo("data", "add", "other", flowers, "--test", "20")
    assert mistaken.returncode == 2
    assert "Write a fifth as --test 20% or --test 0.2." in mistaken.stderr


def test_what_is_not_where_it_should_be_is_unavailable(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("RESZOO_MIRROR", tmp_path.as_uri())
    done = reszoo("data", "get", "cifar10")
    assert (done.returncode, done.stdout) == (3, "")
    assert "cifar-10-binary.tar.gz does not exist" in done.stderr


def test_add_replaces_only_when_told(flowers):
    assert reszoo("data", "add", "flowers", flowers, "--json").returncode == 0
    again = reszoo("data", "add", "flowers", flowers)
    assert again.returncode == 2
    assert "there is a data set flowers already" in again.stderr
    replaced = reszoo("data", "add", "flowers", flowers, "--replace", "--split", "test", "--json")
    assert json.loads(replaced.stdout)["counts"] == {"test": 20}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("get", "cifra10"), 2, ("unknown data set 'cifra10'", "Did you mean cifar10")),
        (("add", "x", "nowhere"), 2, ("nowhere does not exist", "Give image folders or zips")),
        (("add", "x", "nowhere", "--split", "dev"), 2, ("Invalid value for '--split'",)),
        (("add", "Digits!", "."), 2, ("'Digits!' cannot name a data set", "lower-case")),
        (("add", "digits", "."), 2, ("'digits' is built in", "another name")),
    ],
)
def test_mistakes_are_explained(arguments, code, says, cache):
    done = reszoo("data", *arguments)
    assert done.returncode == code
    for text in says:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (cache / "data").exists() or list((cache / "data").iterdir()) == []


def test_get_offline_is_unavailable(monkeypatch, cache):
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    done = reszoo("data", "get", "cifar10")
    assert (done.returncode, done.stdout) == (3, "")
    assert "RESZOO_OFFLINE" in done.stderr


@pytest.mark.parametrize("verb", ["get", "add", "list"])
def test_help_shows_an_example(verb):
    done = reszoo("data", verb, "--help")
    assert done.returncode == 0
    assert f"Example: reszoo data {verb}" in done.stdout
