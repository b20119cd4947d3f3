"""The hub as a REF, and pushing to it: against a server on this machine that speaks its protocol."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubserver import TOKEN, Hub, hub_serving
from inprocess import reszoo as run
from once import once

import reszoo
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.export.exporting import export
from reszoo.workflows.pulling import folder_of, pull
from reszoo.zoo import hub as addresses

REF = "resnet8_v2.reszoo_digits"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """The server, somebody who is signed in, and nothing of whoever runs the tests."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # read when it is imported
    with hub_serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture(scope="module")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "hub-onnx", lambda folder: export(reszoo.zoo.load(REF), "onnx", out=folder))


def front_matter(text: bytes) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(text.decode().split("---\n")[1])
    return found


def test_a_checkpoint_comes_back_as_it_was_pushed(hub: Hub, tmp_path: Path) -> None:
    ours = reszoo.load(REF)
    pushed = ours.push("hf://me/digits")
    assert set(pushed.files) == {"README.md", "checkpoint.json", "weights.safetensors"}
    assert hub.files("me/digits")["weights.safetensors"] == ours.weights_path.read_bytes()
    back = reszoo.load("hf://me/digits")
    assert (back.ref, back.sha256, back.labels, back.provenance) == (
        ours.ref,
        ours.sha256,
        ours.labels,
        ours.provenance,
    )
    assert reszoo.load(pushed.ref).sha256 == ours.sha256


def test_an_artifact_comes_back_whole_and_runs(hub: Hub, artifact_folder: Path, cache: Path) -> None:
    ours = reszoo.load_artifact(artifact_folder)
    ours.push("hf://me/digits-onnx")
    back = reszoo.load_artifact("hf://me/digits-onnx")
    assert back.path.is_relative_to(cache / "hub")
    assert {file.name for file in ours.files} < {path.name for path in back.path.iterdir()}
    image = reszoo.datasets.load("digits", "test").images[0]
    assert back.predict(image) == ours.predict(image)
    assert (back.path / "run.py").read_bytes() == (artifact_folder / "run.py").read_bytes()


def test_the_card_says_what_the_hub_asks_for(hub: Hub) -> None:
    reszoo.load("resnet20_v2.reszoo_cifar10").push("hf://me/r20")
    facts = front_matter(hub.files("me/r20")["README.md"])
    assert facts["license"] == "mit"
    assert (facts["library_name"], facts["pipeline_tag"]) == ("reszoo", "image-classification")
    assert facts["datasets"] == ["uoft-cs/cifar10"]
    (index,) = facts["model-index"]
    (result,) = index["results"]
    (metric,) = result["metrics"]
    low, high = metric["args"]["interval_95"]
    assert low < metric["value"] < high
    assert metric["args"]["n"] == 10000
    steps = [step["name"] for step in facts["reszoo"]["provenance"]]
    assert steps == [step.name for step in reszoo.load("resnet20_v2.reszoo_cifar10").provenance]
    assert hub.cards  # the hub was asked whether it is valid


def test_an_artifact_is_evaluated_for_its_card(hub: Hub, artifact_folder: Path) -> None:
    done = run("push", artifact_folder, "hf://me/digits-onnx", "--data", "digits", "--licence", "CC-BY-4.0", "--json")
    assert done.returncode == 0, done.stderr
    text = hub.files("me/digits-onnx")["README.md"]
    facts = front_matter(text)
    found = reszoo.load_artifact(artifact_folder).evaluate("digits")
    (metric,) = facts["model-index"][0]["results"][0]["metrics"]
    assert metric["value"] == pytest.approx(found.accuracy)
    assert metric["args"]["n"] == found.n
    assert facts["license"] == "cc-by-4.0"
    assert b"## How exact it is" in text  # the artifact's own README is the body
    assert json.loads(done.stdout)["ref"].startswith("hf://me/digits-onnx@")


def test_every_verb_takes_it_as_a_ref(hub: Hub, tmp_path: Path) -> None:
    reszoo.load(REF).push("hf://me/digits")
    assert "v2 (pre-activation)" in run("show", "hf://me/digits").stdout
    assert "accuracy" in run("evaluate", "hf://me/digits", "--json").stdout
    out = tmp_path / "out"
    assert run("export", "hf://me/digits", "--out", out).returncode == 0
    assert (out / "model.onnx").is_file()
    (row,) = json.loads(run("download", "hf://me/digits", "--json").stdout)
    assert Path(row["folder"], "weights.safetensors").is_file()
    done = run("train", "--from", "hf://me/digits", "--data", "digits", "--epochs", "1", "--out", tmp_path / "on")
    assert done.returncode == 0, done.stderr


def test_only_what_changed_is_downloaded_again(hub: Hub) -> None:
    reszoo.load(REF).push("hf://me/digits")
    first = pull("hf://me/digits")
    hub.asked.clear()
    pull("hf://me/digits")
    assert [each.path.rpartition("/")[2] for each in hub.asked] == ["checkpoint.json"]
    reszoo.load("resnet8_v1.reszoo_digits").push("hf://me/digits")
    second = pull("hf://me/digits")
    assert (first.ref, second.ref) == (REF, "resnet8_v1.reszoo_digits")  # type: ignore[union-attr]


def test_a_commit_is_not_asked_for_twice_and_offline_the_cache_answers(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = reszoo.load(REF).push("hf://me/digits")
    reszoo.load(pushed.ref)
    reszoo.load("hf://me/digits")
    hub.asked.clear()
    reszoo.load(pushed.ref)
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    reszoo.load("hf://me/digits")
    assert hub.asked == []
    with pytest.raises(UnavailableError, match="RESZOO_OFFLINE forbids"):
        reszoo.load("hf://me/other")
    with pytest.raises(UnavailableError, match="RESZOO_OFFLINE forbids to push"):
        reszoo.load(REF).push("hf://me/other")


def test_what_was_damaged_in_the_cache_comes_anew(hub: Hub) -> None:
    reszoo.load(REF).push("hf://me/digits")
    folder = folder_of(addresses.address("hf://me/digits"))
    pull("hf://me/digits")
    (folder / "weights.safetensors").write_bytes(b"damaged")
    assert reszoo.load("hf://me/digits").sha256 == reszoo.load(REF).sha256
    assert run("cache", "gc", "--all").returncode == 0
    assert not folder.exists()


def test_weights_of_others_are_imported_once(hub: Hub) -> None:
    from safetensors.torch import save

    state = reszoo.create_model("resnet8_v1", num_classes=4).state_dict()
    hub.put("them/net", {"model.safetensors": save(dict(state)), "nested/w.safetensors": save(dict(state))})
    assert reszoo.load("hf://them/net").spec.num_classes == 4
    assert reszoo.load("hf://them/net/nested/w.safetensors").spec.num_classes == 4
    hub.asked.clear()
    assert reszoo.load("hf://them/net").spec.num_classes == 4
    assert hub.asked == []


def test_the_token_goes_to_the_hub_alone_and_is_written_nowhere(
    hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reszoo.load(REF).push("hf://me/digits", private=True)
    reszoo.load("hf://me/digits")
    assert hub.repositories["me/digits"].is_private
    large = [each for each in hub.asked if each.path.startswith("/large/")]
    assert large
    assert {(each.host, each.authorization) for each in large} == {("localhost", None)}
    written = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert written == []
    assert not any(TOKEN.encode() in data for data in hub.files("me/digits").values())
    assert TOKEN not in "".join(capfd.readouterr())


def test_a_mirror_gets_no_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    reszoo.load(REF).push("hf://me/digits")
    with hub_serving() as mirror:
        monkeypatch.setenv("RESZOO_MIRROR", mirror.url)
        with pytest.raises(ReszooError):
            reszoo.load("hf://me/digits")
        assert mirror.asked
        assert {each.authorization for each in mirror.asked} == {None}


def test_who_is_not_signed_in_is_told_how(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    reszoo.load(REF).push("hf://me/secret", private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ReszooError, match="the server answered 401") as caught:
        reszoo.load("hf://me/secret")
    assert "set HF_TOKEN" in caught.value.fix
    with pytest.raises(UnavailableError, match="nobody is signed in"):
        reszoo.load(REF).push("hf://me/digits")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ReszooError, match="the hub refused me/digits: 401") as caught:
        reszoo.load(REF).push("hf://me/digits")
    assert "hf auth login" in caught.value.fix


def test_a_push_that_cannot_be_meant_is_refused_before_anything_is_sent(
    hub: Hub, artifact_folder: Path, tmp_path: Path
) -> None:
    ours = reszoo.load(REF)
    with pytest.raises(UsageError, match="names no repository"):
        ours.push("me/digits")
    with pytest.raises(UsageError, match="names a file"):
        ours.push("hf://me/digits/file.bin")
    moved = shutil.copytree(artifact_folder, tmp_path / "moved")
    text = (moved / "artifact.json").read_text().replace(REF, "resnet8_v2.of_nobody")
    (moved / "artifact.json").write_text(text)
    with pytest.raises(UsageError, match=r"its source resnet8_v2\.of_nobody is not on this machine"):
        reszoo.load_artifact(moved).push("hf://me/digits")
    assert hub.asked == []


def test_a_repository_holds_one_kind(hub: Hub, artifact_folder: Path) -> None:
    reszoo.load(REF).push("hf://me/digits")
    with pytest.raises(UsageError, match=r"has a checkpoint\.json"):
        reszoo.load_artifact(artifact_folder).push("hf://me/digits")
    with pytest.raises(UsageError, match="is a checkpoint"):
        reszoo.load_artifact("hf://me/digits")


def test_a_branch_is_a_revision(hub: Hub) -> None:
    reszoo.load(REF).push("hf://me/digits")
    reszoo.load("resnet8_v1.reszoo_digits").push("hf://me/digits@older")
    assert reszoo.load("hf://me/digits@older").ref == "resnet8_v1.reszoo_digits"
    assert reszoo.load("hf://me/digits").ref == REF


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_manifest_cannot_write_outside_its_folder(hub: Hub, artifact_folder: Path, cache: Path, name: str) -> None:
    manifest = json.loads((artifact_folder / "artifact.json").read_text())
    manifest["files"][0]["name"] = name
    hub.put("evil/net", {"artifact.json": json.dumps(manifest).encode(), name: b"bad"})
    with pytest.raises(ReszooError, match="names a file outside its folder"):
        reszoo.load_artifact("hf://evil/net")
    assert not list(cache.rglob("outside"))


def test_a_file_that_is_not_the_manifests_is_refused(hub: Hub, artifact_folder: Path) -> None:
    files = {path.name: path.read_bytes() for path in artifact_folder.iterdir()}
    hub.put("evil/net", files | {"model.onnx": b"another model"})
    with pytest.raises(ReszooError):
        reszoo.load_artifact("hf://evil/net")


@pytest.mark.parametrize(
    "wrong",
    ["hf://me", "hf://", "hf://me/..", "hf://../net", "hf://me/net/../../x", "hf://me/net@", "hf://me/net@a/../b"],
)
def test_what_is_no_address_is_said(wrong: str) -> None:
    with pytest.raises(UsageError, match="names no repository of the hub"):
        reszoo.load(wrong)


@pytest.mark.parametrize("arch", ["resnet18_v1", "resnet18_v2"])
def test_timm_loads_what_is_pushed(hub: Hub, tmp_path: Path, arch: str) -> None:
    import timm
    import torch

    ours = fresh(arch, tmp_path / "made")
    assert {"config.json", "model.safetensors"} < set(ours.push("hf://me/net").files)
    folder = tmp_path / "there"
    folder.mkdir()
    for name, data in hub.files("me/net").items():
        (folder / name).write_bytes(data)
    theirs = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images = torch.randn(2, *ours.spec.input, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(theirs(images), ours.module()(images), atol=1e-4, rtol=1e-4)
    assert tuple(theirs.pretrained_cfg["mean"]) == ours.preprocess.mean
    assert theirs.pretrained_cfg["label_names"] == list(ours.labels)


def fresh(arch: str, folder: Path) -> reszoo.Checkpoint:
    """A checkpoint with fresh weights, of three classes."""
    return reszoo.import_checkpoint(reszoo.create_model(arch, num_classes=3), labels=["ant", "bee", "cat"], out=folder)
