"""`reszoo sbom`: a bill of materials that CycloneDX's own schema accepts."""

import json
import shutil
from pathlib import Path

import pytest
from inprocess import reszoo as run

import reszoo

pytest.importorskip("cyclonedx")
ARTIFACT = Path(__file__).parents[1] / "documents" / "schema1" / "artifact"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(ARTIFACT, tmp_path / "artifact")


def test_it_lists_the_files_and_the_versions_of_the_provenance(folder: Path) -> None:
    done = run("sbom", folder, "--licence", "MIT")
    assert done.returncode == 0, done.stderr
    bill = json.loads((folder / "sbom.cdx.json").read_text())
    artifact = reszoo.load_artifact(folder)
    model = bill["metadata"]["component"]
    assert (model["type"], model["name"]) == ("machine-learning-model", artifact.source_ref)
    assert model["licenses"] == [{"license": {"id": "MIT"}}]
    hashes = {part["name"]: part["hashes"][0]["content"] for part in model["components"]}
    assert hashes == {file.name: file.sha256 for file in artifact.files}
    found = {(part["name"], part["version"]) for part in bill["components"]}
    assert found == {pair for step in artifact.provenance for pair in step.versions.items()}
    assert all(part["purl"].startswith("pkg:pypi/") for part in bill["components"])


def test_the_schema_accepts_it(folder: Path) -> None:
    pytest.importorskip("jsonschema")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    path = reszoo.load_artifact(folder).write_sbom(licence="A licence of my own")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text()) is None


def test_the_manifest_lists_it_and_one_that_was_there_is_replaced(folder: Path) -> None:
    for licence in ("MIT", "Apache-2.0"):
        reszoo.load_artifact(folder).write_sbom(licence=licence)
    names = [file.name for file in reszoo.load_artifact(folder).extras]
    assert names.count("sbom.cdx.json") == 1
    assert "Apache-2.0" in (folder / "sbom.cdx.json").read_text()


def test_a_signed_folder_is_left_as_it_is(folder: Path) -> None:
    (folder / "model.sig").write_text("{}")
    done = run("sbom", folder)
    assert done.returncode == 2
    assert "is signed" in done.stderr
    assert not (folder / "sbom.cdx.json").exists()
