"""From a name to a checkpoint: over a real network, once, by many at a time, and with nothing left of a failure."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from processes import started
from safetensors.torch import save_file
from shelf import REF, weights, write_card
from webserver import Resource, WebServer, serving

from reszoo import zoo
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.zoo import catalogue

DOWNLOAD = """
import sys
from pathlib import Path
from reszoo import zoo
from reszoo.zoo import catalogue
catalogue.CARDS = Path(sys.argv[1])
print(zoo.download(sys.argv[2]).sha256)
"""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def shelf(tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue with one card, whose file the server has."""
    content = weights()
    write_card(tmp_path / "cards", web.add("/w.pth", Resource(content)), content)
    monkeypatch.setattr(catalogue, "CARDS", tmp_path / "cards")
    return tmp_path / "cards"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_name_becomes_a_network(shelf: Path, web: WebServer, cache: Path) -> None:
    assert zoo.find(REF) is None
    seen: list[tuple[str, int, int | None]] = []
    checkpoint = zoo.download(REF, progress=lambda *done: seen.append(done))
    folder = cache / "checkpoints" / REF
    assert files(cache) == {f"checkpoints/{REF}/checkpoint.json", f"checkpoints/{REF}/weights.safetensors"}
    assert zoo.read(folder) == zoo.load(REF) == zoo.load("resnet8_v1.test*") == zoo.find(REF) == checkpoint
    assert zoo.download(REF) == checkpoint
    assert len(web.seen) == 1
    assert seen
    assert zoo.list_models(REF)[0].where == "downloaded"
    assert zoo.build(checkpoint)(torch.zeros(1, 3, 32, 32)).shape == (1, 10)

    download, convert = checkpoint.provenance
    card = zoo.cards()[REF]
    assert (download.name, download.config) == ("download", {"url": card.url})
    assert (convert.name, convert.config) == ("convert", {"converter": "native", "arch": "resnet8_v1"})
    assert download.input_sha256 == convert.input_sha256 == card.sha256
    assert convert.versions["torch"] == torch.__version__.partition("+")[0]
    assert [(metric.value, metric.origin) for metric in checkpoint.metrics] == [(0.5, "published")]


def test_loading_downloads_what_is_not_here(shelf: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="RESZOO_OFFLINE"):
        zoo.load(REF)
    monkeypatch.delenv("RESZOO_OFFLINE")
    assert zoo.load(REF).ref == REF
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    assert zoo.load(REF).ref == REF


def test_eight_processes_download_and_convert_once(shelf: Path, web: WebServer, cache: Path) -> None:
    command = [sys.executable, "-c", DOWNLOAD, str(shelf), REF]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:
        eight = [started(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(8)]
        running = [stack.enter_context(each) for each in eight]
        digests = {process.communicate()[0].strip() for process in running}
    assert digests == {zoo.read(cache / "checkpoints" / REF).sha256}
    assert len(web.seen) == 1
    assert len(files(cache)) == 2


def test_a_damaged_checkpoint_is_an_error_to_load_and_healed_by_a_download(shelf: Path, web: WebServer) -> None:
    path = zoo.download(REF).weights_path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ReszooError, match=f"damaged(.|\n)*reszoo download {REF}"):
        zoo.load(REF)
    assert zoo.find(REF) is None
    zoo.download(REF)
    assert zoo.load(REF).ref == REF
    assert len(web.seen) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (weights("resnet8_v2"), r"stem\.norm\.weight is missing"),
        (weights("resnet14_v1"), r"stages\.0\.1\.convs\.0\.weight of shape 16x16x3x3 is not expected"),
        (weights()[:-1000], "damaged"),
        (b"Not found", "damaged"),
    ],
)
def test_a_file_that_is_not_what_the_card_says(
    shelf: Path, web: WebServer, cache: Path, content: bytes, message: str
) -> None:
    write_card(shelf, web.add("/w.pth", Resource(content)), content)
    catalogue.read_cards.cache_clear()
    for _ in range(2):
        with pytest.raises(ReszooError, match=message):
            zoo.download(REF)
        assert [Path(name).name.partition("-")[2] for name in files(cache)] == ["w.pth"]
    assert len(web.seen) == 1  # what was verified is not asked for again


def test_a_file_that_nothing_vouches_for_is_not_kept(shelf: Path, web: WebServer, cache: Path) -> None:
    card = write_card(shelf, web.add("/w.pth", Resource(b"Not found")), b"")
    card.write_text(re.sub("sha256 = .*", "", card.read_text()))
    catalogue.read_cards.cache_clear()
    with pytest.raises(ReszooError, match="damaged"):
        zoo.download(REF)
    assert files(cache) == set()


def without_full_hash(card: Path, digits: int) -> None:
    known = re.search('sha256 = "(.*)"', card.read_text())
    assert known
    some = f'sha256 = "{known[1][:digits]}"' if digits else ""
    card.write_text(card.read_text().replace(known[0], some))
    catalogue.read_cards.cache_clear()


@pytest.mark.parametrize("digits", [0, 8])
def test_a_file_without_a_full_hash_is_pinned_and_its_accuracy_is_nobodys(
    shelf: Path, web: WebServer, cache: Path, digits: int
) -> None:
    without_full_hash(shelf / f"{REF}.toml", digits)
    first = zoo.download(REF)
    assert zoo.is_unverified(first)
    assert first.metrics == ()
    shutil.rmtree(first.weights_path.parent)
    assert zoo.download(REF) == first

    shutil.rmtree(first.weights_path.parent)
    web.add("/w.pth", Resource(weights()))  # as good a file, and another one
    pin = cache / "pins" / f"{REF}.json"
    with pytest.raises(
        ReszooError, match=f"wrong checksum .* first downloaded\nIf you trust .* delete {pin}"
    ) as caught:
        zoo.download(REF)
    assert first.provenance[0].input_sha256 in caught.value.problem
    if digits == 0:  # of 8 digits, the card has its own word
        pin.unlink()
        assert zoo.download(REF).provenance[0].input_sha256 != first.provenance[0].input_sha256


def test_a_file_with_a_full_hash_is_verified_and_not_pinned(shelf: Path, web: WebServer, cache: Path) -> None:
    assert not zoo.is_unverified(zoo.download(REF))
    assert not (cache / "pins").exists()


def test_a_web_page_is_not_kept_whatever_its_hash(shelf: Path, web: WebServer, cache: Path) -> None:
    page = b"<html>Not found</html>"
    write_card(shelf, web.add("/w.pth", Resource(page)), page)
    catalogue.read_cards.cache_clear()
    with pytest.raises(ReszooError, match="a web page instead of the file"):
        zoo.download(REF)
    assert files(cache) == set()


def test_a_users_file_in_the_checkpoints_place_is_found_before_the_download(
    shelf: Path, web: WebServer, cache: Path
) -> None:
    notes = cache / "checkpoints" / REF / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.touch()
    with pytest.raises(UsageError, match="holds files of yours"):
        zoo.download(REF)
    assert notes.exists()
    assert web.seen == []


def test_a_wrong_checksum_leaves_nothing(shelf: Path, web: WebServer, cache: Path) -> None:
    web.files["/w.pth"].content += b"!"
    with pytest.raises(ReszooError, match="wrong checksum"):
        zoo.download(REF)
    assert files(cache) == set()


def test_safetensors_from_the_hub_are_checked_by_the_hash_it_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: WebServer, cache: Path
) -> None:
    """The real card of a timm network, with a web mirror in the hub's place."""
    timm = pytest.importorskip("timm")
    ref = "resnet18_v2.timm_ra4_in1k"
    save_file(timm.create_model("resnetv2_18").state_dict(), tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    there = web.add("/cdn/1", Resource(content))
    path = "/huggingface.co/timm/resnetv2_18.ra4_e3600_r224_in1k/resolve/main/model.safetensors"
    web.add(path, Resource(redirect=there, headers={"X-Linked-Etag": f'"{"0" * 64}"'}))
    monkeypatch.setenv("RESZOO_MIRROR", web.url)
    with pytest.raises(ReszooError, match="wrong checksum"):
        zoo.download(ref)
    web.add(path, Resource(redirect=there))
    checkpoint = zoo.download(ref)
    assert len(checkpoint.labels) == 1000
    assert checkpoint.labels[:2] == ("tench", "goldfish")
    assert zoo.build(checkpoint)(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_an_unwritable_cache(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(ReszooError, match="is a file, not a folder"):
        zoo.download(REF)


def test_names_that_cannot_be_meant(shelf: Path, tmp_path: Path) -> None:
    write_card(shelf, "https://example.org/w.pth", b"", "resnet8_v1.other_cifar10")
    catalogue.read_cards.cache_clear()
    with pytest.raises(UsageError, match="matches 2 checkpoints"):
        zoo.load("resnet8_v1.[ot]*_cifar10")
    with pytest.raises(UsageError, match="unknown checkpoint"):
        zoo.load("resnet8_v1")
    with pytest.raises(UsageError, match="there is no folder"):
        zoo.load(str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=f"Did you mean .*{REF}"):
        zoo.download("resnet8_v1.test_cifar")


def test_a_bundled_checkpoint_needs_no_network(
    shelf: Path, web: WebServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.download(REF).weights_path.parent.rename(tmp_path / "bundled")
    (tmp_path / "weights").mkdir()
    (tmp_path / "bundled").rename(tmp_path / "weights" / "resnet8_v1.own")
    monkeypatch.setattr(catalogue, "BUNDLED", tmp_path / "weights")
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    assert "resnet8_v1.own" in zoo.resolve("*")
    assert zoo.list_models("resnet8_v1.own")[0].where == "bundled"
    found = zoo.load("resnet8_v1.own")
    assert found == zoo.download("resnet8_v1.own")
    assert found.weights_path.is_relative_to(tmp_path / "weights")
    found.weights_path.write_bytes(b"")
    with pytest.raises(ReszooError, match="damaged"):
        zoo.download("resnet8_v1.own")


@pytest.mark.mirror
@pytest.mark.parametrize("depth", [20, 32, 44, 56])
def test_published_weights_from_a_folder(mirror_root: Path, monkeypatch: pytest.MonkeyPatch, depth: int) -> None:
    monkeypatch.setenv("RESZOO_MIRROR", mirror_root.resolve().as_uri())
    checkpoint = zoo.load(f"resnet{depth}_v1.akamaster_cifar10")
    logits = zoo.build(checkpoint)(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, len(checkpoint.labels))
    assert logits.isfinite().all()
