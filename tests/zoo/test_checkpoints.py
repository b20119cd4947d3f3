"""Checkpoints on disk: what is written is what is read, and nothing that is damaged is used."""

import json
import re
from pathlib import Path

import pytest
import torch

from reszoo import models, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import Checkpoint, ModelSpec, Preprocess, ProvenanceStep, StrPath
from reszoo.zoo.labels import CIFAR10

SPEC = models.spec_of("resnet8_v2")
STEP = ProvenanceStep(name="train", config={"epochs": "1"}, versions={"torch": "2"}, input_sha256="")


def save(folder: StrPath, state: dict[str, torch.Tensor], spec: ModelSpec = SPEC, replace: bool = False) -> Checkpoint:
    return zoo.save(
        folder,
        state,
        ref="resnet8_v2.mine",
        spec=spec,
        preprocess=Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3, input=(3, 32, 32)),
        labels=CIFAR10,
        dataset="cifar10",
        metrics=(),
        licence="MIT",
        replace=replace,
        provenance=(STEP,),
    )


@pytest.fixture
def model() -> torch.nn.Module:
    return models.build(SPEC).eval()


@pytest.fixture
def saved(tmp_path: Path, model: torch.nn.Module) -> Checkpoint:
    return save(tmp_path / "mine", model.state_dict())


def test_there_and_back(saved: Checkpoint, model: torch.nn.Module, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.json", "weights.safetensors"]
    assert zoo.read(folder) == zoo.load(str(folder)) == saved
    assert saved.weights_path == folder / "weights.safetensors"
    assert saved.size_bytes == saved.weights_path.stat().st_size
    assert json.loads((folder / "checkpoint.json").read_text())["weights_path"] == "weights.safetensors"
    built = zoo.build(saved)
    images = torch.randn(2, 3, 32, 32)
    assert not built.training
    assert torch.equal(built(images), model(images))


def test_a_folder_may_be_moved(saved: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    assert zoo.load("moved").weights_path == tmp_path / "moved" / "weights.safetensors"


def test_a_built_network_can_be_trained(saved: Checkpoint) -> None:
    model = zoo.build(saved).train()
    model(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_damaged_weights_are_found(saved: Checkpoint, tmp_path: Path) -> None:
    content = bytearray(saved.weights_path.read_bytes())
    content[-1] ^= 1
    saved.weights_path.write_bytes(content)
    with pytest.raises(ReszooError, match=f"damaged: expected sha256 {saved.sha256}") as caught:
        zoo.read(tmp_path / "mine")
    assert caught.value.fix == "Copy or make the checkpoint again."
    saved.weights_path.unlink()
    with pytest.raises(ReszooError, match=r"weights\.safetensors does not exist"):
        zoo.read(tmp_path / "mine")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda text: "", "not valid JSON"),
        (lambda text: "[]", "expected an object"),
        (lambda text: text.replace('"schema": 3', '"schema": 9'), "schema is 9"),
        (lambda text: text.replace('"family": "v2"', '"family": "v3"'), r"v3.*`\$\.spec\.family`"),
        (lambda text: text.replace('"num_classes": 10', '"num_classes": 11'), "10 labels, but the network has 11"),
        (lambda text: text.replace('"weights.safetensors"', '"../../etc/passwd"'), "weights_path"),
        (lambda text: text.replace('"licence"', '"license"'), "licen[cs]e"),
        (lambda text: text.replace('"num_classes": 10', '"num_classes": 1000000000'), "channels or classes"),
        (lambda text: text.replace('"stem_width": 16', '"stem_width": 1000000000'), "channels or classes"),
        (lambda text: re.sub(r'"size_bytes": \d+', f'"size_bytes": {10**30}', text), "size_bytes"),
        (lambda text: re.sub(r'"input": \[\s*3', '"input": [1', text, count=1), "channels"),
        (lambda text: text.replace("resnet8_v2.mine", "../../mine"), r"ref '../../mine' cannot name a checkpoint"),
        (lambda text: text.replace("resnet8_v2.mine", "/abs/mine"), r"ref '/abs/mine' cannot name a checkpoint"),
        (lambda text: text.replace("resnet8_v2.mine", r"\u001b[31m"), r"ref '\\x1b\[31m' cannot name a checkpoint"),
    ],
)
def test_a_corrupt_document(saved: Checkpoint, tmp_path: Path, edit: object, message: str) -> None:
    path = tmp_path / "mine" / "checkpoint.json"
    path.write_text(edit(path.read_text()))  # type: ignore[operator]
    with pytest.raises(ReszooError, match=message) as caught:
        zoo.load(str(tmp_path / "mine"))
    assert str(path) in caught.value.problem


def test_a_folder_that_holds_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ReszooError, match=r"holds no checkpoint: it has no checkpoint\.json"):
        zoo.load(str(tmp_path))


def test_weights_that_do_not_fit_are_not_saved(tmp_path: Path, model: torch.nn.Module) -> None:
    with pytest.raises(ReszooError, match=r"resnet8_v2\.mine: stem\.norm\.weight is missing, expected shape 16"):
        save(tmp_path / "wrong", model.state_dict(), models.spec_of("resnet8_v1"))
    assert list(tmp_path.iterdir()) == []


def test_a_spec_that_was_edited_is_found_when_building(saved: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "checkpoint.json"
    path.write_text(path.read_text().replace('"stem_width": 16', '"stem_width": 24'))
    with pytest.raises(ReszooError, match=r"stem\.conv\.weight has shape 16x3x3x3, expected 24x3x3x3"):
        zoo.build(zoo.read(tmp_path / "mine"))


def test_weights_that_are_integers_are_not_built(tmp_path: Path, model: torch.nn.Module) -> None:
    state = {name: tensor.to(torch.int64) for name, tensor in model.state_dict().items()}
    with pytest.raises(ReszooError, match=r"\S+ is of torch\.int64, expected floats"):
        zoo.build(save(tmp_path / "mine", state))


def test_saving_replaces_nothing_unless_it_is_told_to(saved: Checkpoint, tmp_path: Path) -> None:
    state = models.build(SPEC).state_dict()
    with pytest.raises(UsageError, match="mine is there already"):
        save(tmp_path / "mine", state)
    assert zoo.read(tmp_path / "mine") == saved
    other = save(tmp_path / "mine", state, replace=True)
    assert other.sha256 != saved.sha256
    assert zoo.read(tmp_path / "mine") == other
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(UsageError, match="holds files of yours"):
        save(tmp_path / "mine", state, replace=True)
    assert zoo.read(tmp_path / "mine") == other
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_paths_may_be_text(tmp_path: Path) -> None:
    saved = save(str(tmp_path / "mine"), models.build(SPEC).state_dict())
    assert zoo.read(str(tmp_path / "mine")) == zoo.load(tmp_path / "mine") == saved
    with pytest.raises(UsageError, match=r"there is no folder .*missing"):
        zoo.load(tmp_path / "missing")
