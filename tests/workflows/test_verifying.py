"""What is claimed, measured again: it is the same, it differs by so much, or it cannot be measured here."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from measurements import a_comparison, a_measurement
from msgspec.structs import replace

import reszoo
from reszoo.core.documents import write_json
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.types import Artifact
from reszoo.workflows.verifying import Verified, check_verified, of_artifact, of_checkpoint, of_measurement, verify

REF = "resnet8_v1.reszoo_digits"


def test_a_card_is_reproduced_and_a_wrong_one_differs_by_so_many_points() -> None:
    weights, accuracy = of_checkpoint(reszoo.load(REF))
    assert (weights.outcome, accuracy.outcome) == ("reproduced", "reproduced")
    checkpoint = reszoo.load(REF)
    boasting = replace(checkpoint, metrics=(replace(checkpoint.metrics[0], value=1.0),))
    _, accuracy = of_checkpoint(boasting)
    assert accuracy.outcome == "differs"
    assert accuracy.by == "-1.67 points"
    elsewhere = replace(checkpoint, metrics=(replace(checkpoint.metrics[0], dataset="cifar10"),))
    _, accuracy = of_checkpoint(elsewhere)
    assert accuracy.outcome == "cannot be measured here"
    assert "not on this machine" in accuracy.by


def test_an_artifact_that_is_missing_a_file_differs(artifact: Artifact, tmp_path: Path) -> None:
    assert {each.outcome for each in of_artifact(artifact.path)} == {"reproduced"}
    manifest = json.loads((artifact.path / "artifact.json").read_text())
    (tmp_path / "artifact.json").write_text(json.dumps(manifest))
    found = list(of_artifact(tmp_path))
    assert [each.by for each in found] == ["the file is missing", "what is damaged is not run"]


def test_a_file_outside_of_the_folder_is_not_read(artifact: Artifact, tmp_path: Path) -> None:
    manifest = json.loads((artifact.path / "artifact.json").read_text())
    secret = tmp_path / "secret"
    secret.write_text("a key")
    manifest["files"][0]["name"] = "../secret"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "artifact.json").write_text(json.dumps(manifest))
    first, *others = [each.outcome for each in of_artifact(folder)]
    assert first == "differs"
    assert "reproduced" not in others


def test_a_measurement_of_a_network_that_is_not_here_says_so(tmp_path: Path) -> None:
    (found,) = of_measurement(a_measurement(), "one.json")
    assert found.outcome == "cannot be measured here"
    assert "resnet20_v1.akamaster_cifar10 is not on this machine" in found.by
    write_json(tmp_path / "one.json", a_measurement())
    assert [each.outcome for each in verify(tmp_path)] == ["cannot be measured here"]


def test_what_claims_nothing_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(UsageError, match="claims nothing that can be measured again"):
        list(verify(tmp_path))
    with pytest.raises(UsageError):
        list(verify("no-such-network"))


def test_what_cannot_be_read_is_named_beside_what_can(tmp_path: Path) -> None:
    write_json(tmp_path / "good.json", a_measurement())
    text = (tmp_path / "good.json").read_text()
    (tmp_path / "torn.json").write_text(text[:-40])
    (tmp_path / "newer.json").write_text(text.replace('"schema": 3', '"schema": 99'))
    rows = {Path(each.what.partition(": ")[0]).name: each for each in verify(tmp_path)}
    assert set(rows) == {"good.json", "torn.json", "newer.json"}
    assert "schema is 99" in rows["newer.json"].by
    assert "JSON" in rows["torn.json"].by
    with pytest.raises(UsageError, match="JSON"):
        list(verify(tmp_path / "torn.json"))


def test_a_model_that_does_not_load_is_not_what_was_claimed(artifact: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(artifact.path, folder)
    manifest = json.loads((folder / "artifact.json").read_text())
    (model,) = [file for file in manifest["files"] if file["name"].endswith(".onnx")]
    (folder / model["name"]).write_bytes(b"no model")
    model |= {"size_bytes": 8, "sha256": hashlib.sha256(b"no model").hexdigest()}
    (folder / "artifact.json").write_text(json.dumps(manifest))
    *files, parity = of_artifact(folder)
    assert {each.outcome for each in files} == {"reproduced"}
    assert (parity.what, parity.outcome) == (f"{folder}: parity", "differs")
    assert "load" in parity.by


def test_ratios_that_are_left_out_are_named(tmp_path: Path) -> None:
    write_json(tmp_path / "ratios.json", a_comparison())
    rows = list(verify(tmp_path / "ratios.json", latency=False))
    assert rows
    assert {each.by for each in rows} == {"latencies were left out"}


def test_the_exit_code_says_what_was_found() -> None:
    same, other, none = (
        Verified("a", "1", "1", "reproduced"),
        Verified("b", "1", "2", "differs", "+1"),
        Verified("c", "1", "", "cannot be measured here", "it is elsewhere"),
    )
    check_verified([same, none])
    with pytest.raises(ReszooError, match=r"1 of 3 claims differ: b: \+1"):
        check_verified([same, other, none])
    for several in ([none], []):
        with pytest.raises(UnavailableError, match="none of the claims"):
            check_verified(several)


def test_what_is_never_signed_has_no_signature_to_check(tmp_path: Path) -> None:
    for target in (REF, tmp_path):
        with pytest.raises(UsageError, match="is no artifact, and nothing else is signed"):
            list(verify(target, key=tmp_path / "public.pem"))
