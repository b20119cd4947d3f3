"""Housekeeping: what is damaged is named, what nobody uses goes, and what is in use stays."""

from pathlib import Path

import pytest
from filelock import FileLock
from shelf import REF, weights, write_card

from reszoo import zoo
from reszoo.zoo import cache as housekeeping
from reszoo.zoo import catalogue


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    content = weights()
    (tmp_path / "w.pth").write_bytes(content)
    write_card(tmp_path / "cards", (tmp_path / "w.pth").as_uri(), content)
    monkeypatch.setattr(catalogue, "CARDS", tmp_path / "cards")
    return tmp_path / "cards"


def put(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_an_empty_cache(cache: Path) -> None:
    assert housekeeping.checkpoints() == []
    assert housekeeping.verify() == {}
    assert housekeeping.collect_garbage() == housekeeping.collect_garbage(everything=True) == []
    assert not cache.exists()


def test_damaged_checkpoints_are_named(shelf: Path, cache: Path) -> None:
    zoo.download(REF)
    put(cache / "checkpoints" / "resnet8_v1.half" / "weights.safetensors")
    (entry, _) = reversed(housekeeping.checkpoints())
    assert entry.path == cache / "checkpoints" / REF
    assert entry.size_bytes == sum(path.stat().st_size for path in entry.path.iterdir())
    problems = housekeeping.verify()
    assert problems[REF] == ""
    assert "checkpoint.json does not exist" in problems["resnet8_v1.half"]
    put(cache / "checkpoints" / REF / "weights.safetensors")
    assert "damaged" in housekeeping.verify()[REF]


def test_leftovers_go_and_what_is_good_stays(shelf: Path, cache: Path) -> None:
    zoo.download(REF)
    left = [
        put(cache / "downloads" / "w.pth.part", 1000),
        put(cache / "downloads" / "w.pth.part.json"),
        put(cache / "downloads" / "w.pth.lock", 0),
        put(cache / "datasets" / "archive.zip.part", 5),
        put(cache / "checkpoints" / ".staging-abc" / "weights.safetensors", 7).parent,
    ]
    data = put(cache / "datasets" / "digits" / "images.npy")
    removed = housekeeping.collect_garbage()
    assert {entry.path: entry.size_bytes for entry in removed} == dict(zip(left, (1000, 10, 0, 5, 7), strict=True))
    assert not [path for path in left if path.exists()]
    assert not list(cache.rglob("*.lock"))
    assert data.exists()
    assert zoo.load(REF)
    assert housekeeping.collect_garbage() == []

    put(cache / "downloads" / "whole.pth")
    gone = {entry.path.name for entry in housekeeping.collect_garbage(everything=True)}
    assert gone == {REF, "whole.pth"}
    assert data.exists()


def test_what_another_process_works_on_stays(cache: Path) -> None:
    part, staging = cache / "downloads" / "w.pth.part", cache / "checkpoints" / ".staging-abc"
    put(part)
    put(staging / "weights.safetensors")
    with (
        FileLock(put(cache / "downloads" / "w.pth.lock", 0)),
        FileLock(put(cache / "checkpoints" / f"{REF}.lock", 0)),
    ):
        put(cache / "downloads" / "other.pth.part")
        put(cache / "checkpoints" / REF / "checkpoint.json")
        removed = housekeeping.collect_garbage(everything=True)
        assert [entry.path.name for entry in removed] == ["other.pth.part"]
        assert part.exists()
        assert staging.exists()
    housekeeping.collect_garbage(everything=True)
    assert not [path for path in cache.rglob("*") if path.is_file()]
