"""A manifest is read as a whole: no file of the model is loaded that it does not list."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from reszoo.core.errors import ReszooError
from reszoo.export import artifacts

GOOD = Path(__file__).resolve().parents[1] / "documents" / "schema1" / "artifact"
Edit = Callable[[Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(GOOD, tmp_path / "made")


@pytest.fixture
def edit(folder: Path) -> Edit:
    def change(what: Callable[[dict[str, Any]], object]) -> None:
        document = json.loads((folder / artifacts.MANIFEST).read_text())
        what(document)
        (folder / artifacts.MANIFEST).write_text(json.dumps(document))

    return change


def listed(folder: Path, *names: str) -> dict[str, object]:
    found = [artifacts.record(folder / name) for name in names]
    return {"files": [{"name": file.name, "sha256": file.sha256, "size_bytes": file.size_bytes} for file in found]}


def test_a_good_manifest_is_read(folder: Path) -> None:
    assert artifacts.read(folder).path == folder


def test_a_manifest_that_lists_nothing_or_not_the_model_is_refused(folder: Path, edit: Edit) -> None:
    (folder / "model.onnx").write_bytes(b"damaged")
    edit(lambda document: document.update(files=[]))
    with pytest.raises(ReszooError, match=r"artifact\.json lists no file"):
        artifacts.read(folder)
    edit(lambda document: document.update(listed(folder, "labels.txt")))
    with pytest.raises(ReszooError, match=r"artifact\.json does not list 'model\.onnx'"):
        artifacts.read(folder)


def test_the_data_of_a_tensor_lies_in_a_listed_file(folder: Path, edit: Edit) -> None:
    path = folder / "model.onnx"
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="more.data", size_threshold=0)
    edit(lambda document: document.update(listed(folder, "model.onnx")))
    with pytest.raises(ReszooError, match=r"artifact\.json does not list 'more\.data', which is a part of the model"):
        artifacts.read(folder)
    edit(lambda document: document.update(listed(folder, "model.onnx", "more.data")))
    assert artifacts.read(folder).path == folder


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"format": "openvino"}, "model.bin"),
        ({"format": "ncnn"}, "model.ncnn.bin"),
        ({"format": "torch"}, "checkpoint"),
    ],
)
def test_every_file_that_a_runtime_opens_is_listed(
    folder: Path, edit: Edit, fields: dict[str, object], name: str
) -> None:
    edit(lambda document: document.update(fields))
    with pytest.raises(ReszooError, match=f"does not list '{name}"):
        artifacts.read(folder)


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "model\u0000.onnx", "model\n.onnx"])
def test_a_file_of_a_manifest_lies_in_its_folder(folder: Path, edit: Edit, name: str) -> None:
    edit(lambda document: document["files"][0].update(name=name))
    with pytest.raises(ReszooError, match="names a file outside its folder"):
        artifacts.read(folder)


@pytest.mark.parametrize("ref", ["../x", "/abs/x", "\u001b[31m"])
def test_the_name_of_a_source_is_a_name(folder: Path, edit: Edit, ref: str) -> None:
    edit(lambda document: document.update(source_ref=ref))
    with pytest.raises(ReszooError, match=r"artifact\.json: source_ref .* cannot name a checkpoint"):
        artifacts.read(folder)
