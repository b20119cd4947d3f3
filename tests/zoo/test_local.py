"""Checkpoints that a user made are found by their names, from any folder, and never in another one's place."""

import shutil
from pathlib import Path

import pytest

from reszoo import zoo
from reszoo.core.errors import UsageError
from reszoo.core.types import Checkpoint, ProvenanceStep
from reszoo.zoo import cache as housekeeping
from reszoo.zoo import catalogue, local, names

BUNDLED = "resnet8_v1.reszoo_digits"
MINE = "resnet8_v1.reszoo_things"


def made(folder: Path, ref: str = MINE, provenance: tuple[ProvenanceStep, ...] = ()) -> Checkpoint:
    """A copy of the bundled network, as a user's own."""
    from safetensors.numpy import load_file

    good = zoo.load(BUNDLED)
    fields = {name: getattr(good, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    mine = zoo.save(folder, load_file(good.weights_path), ref=ref, metrics=(), provenance=provenance, **fields)
    zoo.remember(mine)
    return mine


def test_it_is_listed_and_loaded_by_its_name_from_anywhere(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = made(Path("runs") / MINE)
    monkeypatch.chdir(cache)
    assert zoo.load(MINE) == zoo.find(MINE) == zoo.download(MINE) == mine
    assert zoo.resolve("resnet8_v1.*things") == [MINE]
    (card,) = zoo.list_models(MINE)
    assert (card.ref, card.where, card.is_local, card.dataset) == (MINE, "local", True, "digits")
    assert [card.ref for card in zoo.list_models("resnet8_v1*")][-1] == MINE
    with pytest.raises(UsageError, match=rf"Did you mean {MINE}"):
        zoo.resolve("resnet8_v1.reszoo_thing")


def test_a_name_of_the_catalogue_stays_the_catalogues(tmp_path: Path, cache: Path) -> None:
    mine = made(tmp_path / "mine", BUNDLED)
    assert zoo.load(BUNDLED).weights_path != mine.weights_path
    assert names.known().count(BUNDLED) == 1
    assert [card.ref for card in zoo.list_models(BUNDLED)] == [BUNDLED, str(tmp_path / "mine")]


def test_of_two_with_one_name_the_folders_are_named(tmp_path: Path, cache: Path) -> None:
    for folder in ("one", "two"):
        made(tmp_path / folder)
    with pytest.raises(UsageError, match=rf"2 checkpoints are called {MINE}\n.*{tmp_path}/one or {tmp_path}/two"):
        zoo.load(MINE)
    assert zoo.load(tmp_path / "one") == zoo.load(zoo.list_models(MINE)[0].ref)


def test_what_was_deleted_is_forgotten_and_what_was_replaced_is_found_as_it_is(tmp_path: Path, cache: Path) -> None:
    made(tmp_path / "mine")
    shutil.rmtree(tmp_path / "mine")
    assert local.found() == []
    with pytest.raises(UsageError, match="unknown checkpoint"):
        zoo.load(MINE)
    (removed,) = housekeeping.collect_garbage()
    assert removed.path.parent == cache / "local"
    made(tmp_path / "mine", "resnet8_v1.other")
    assert [each.ref for each in local.found()] == ["resnet8_v1.other"]
    assert housekeeping.collect_garbage() == []


def test_each_document_is_read_once_until_it_is_written_again(tmp_path: Path, cache: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        made(folder, f"resnet8_v1.{folder.name}")

    def reads() -> int:
        return local._described.cache_info().misses

    before = reads()
    zoo.load("resnet8_v1.one")
    zoo.list_models("resnet8_v1.*")
    with pytest.raises(UsageError):
        zoo.load("resnet8_v1.three")
    assert reads() == before + 2
    shutil.rmtree(folders[1])
    made(folders[1], "resnet8_v1.three")
    assert zoo.load("resnet8_v1.three").weights_path.parent == folders[1]
    assert reads() == before + 3


def test_the_architecture_is_what_an_import_recognised_and_else_the_name_says(tmp_path: Path, cache: Path) -> None:
    step = ProvenanceStep(name="import", config={"arch": "resnet8_v1"}, versions={}, input_sha256="a" * 64)
    made(tmp_path / "imported", "mine", (step,))
    made(tmp_path / "pruned", "resnet8_v1.own-macs0.5")
    assert [zoo.list_models(ref)[0].arch for ref in ("mine", "resnet8_v1.own-macs0.5")] == ["resnet8_v1"] * 2
    assert zoo.resolve("resnet8_v?.*macs0.5") == ["resnet8_v1.own-macs0.5"]


def test_damage_is_said_and_nothing_is_downloaded_in_its_place(tmp_path: Path, cache: Path) -> None:
    mine = made(tmp_path / "mine")
    mine.weights_path.write_bytes(b"half")
    with pytest.raises(Exception, match=r"weights.safetensors is damaged[\s\S]*Copy or make the checkpoint again"):
        zoo.download(MINE)


def test_a_wildcard_is_of_the_architecture_and_of_the_tag_by_themselves() -> None:
    refs = ["resnet50_v1.tv_imagenet1k_v2", "resnet50_v2.timm_a1h", "resnet8_v1.reszoo_digits", "mine"]
    assert catalogue.matching("resnet*_v2*", refs) == ["resnet50_v2.timm_a1h"]
    assert catalogue.matching("resnet50_v*.t*", refs) == refs[:2]
    assert catalogue.matching("*digits", refs) == ["resnet8_v1.reszoo_digits"]  # no architecture is called so
    assert catalogue.matching("mine", refs) == ["mine"]
    assert catalogue.matching("resnet50_v2", refs) == []  # an architecture is no checkpoint
    assert catalogue.matching("*", refs) == refs
    assert all("_v2." in ref for ref in zoo.resolve("resnet*_v2*"))
