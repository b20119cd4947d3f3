"""A manifest is read as a whole: no file of the model is loaded that it does not list."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from reszoo.core.errors import ReszooError
from reszoo.export import artifacts
from reszoo.workflows.predicting import predict

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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["labels"].append("more"), "labels"),
        (lambda d: d["output"].update(shape=["batch"]), "the output has shape"),
        (lambda d: d["input"].update(shape=["batch", 8, 8]), "the input has shape"),
        (lambda d: d["input"].update(layout="NHWC"), "the input has shape"),
        (lambda d: d["input"].update(layout="NC"), "the input has shape"),
        (lambda d: d["input"].update(shape=[10**9, 1, 8, 8]), "images in a batch"),
        (lambda d: d["input"].update(dtype="int64"), "int64"),
        (lambda d: d["preprocess"].update(mean=[0.5, 0.5]), "mean has 2 values"),
        (lambda d: d["parity"].update(n=10**30), "n`"),
        (lambda d: d["files"][0].update(size_bytes=-1), "size_bytes"),
    ],
)
def test_what_contradicts_itself_is_refused(
    folder: Path, edit: Edit, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(change)
    with pytest.raises(ReszooError, match=rf"artifact\.json: .*{message}"):
        artifacts.read(folder)


def graph(folder: Path, name: str = "input", shape: tuple[str | int, ...] = ("n", 1, 8, 8), classes: int = 10) -> None:
    """A graph that somebody else has made: the mean of the pixels for each class."""
    fed = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    given = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)
    nodes = [
        onnx.helper.make_node("Flatten", [name], ["flat"]),
        onnx.helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        onnx.helper.make_node("Concat", ["mean"] * classes, ["logits"], axis=1),
    ]
    made = onnx.helper.make_graph(nodes, "theirs", [fed], [given])
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(made, opset_imports=[opset], ir_version=8), folder / "model.onnx")


def answers(folder: Path) -> object:
    image = np.zeros((8, 8, 1), np.uint8)
    return predict(artifacts.read(folder), image, runtime="onnxruntime")


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({"name": "other"}, "the engine cannot run the model on float32 of"),
        ({"shape": (5, 1, 8, 8)}, "the engine cannot run the model on float32 of"),
        ({"shape": ("n", 3, 8, 8)}, "the engine cannot run the model on float32 of"),
        ({"classes": 3}, r"gave logits of shape \(1, 3\), expected \(1, 10\)"),
    ],
)
def test_a_graph_that_is_not_as_described_is_an_error_in_one_line(
    folder: Path, edit: Edit, theirs: dict[str, Any], message: str
) -> None:
    graph(folder, **theirs)
    edit(lambda document: document.update(listed(folder, "model.onnx")))
    with pytest.raises(ReszooError, match=message) as caught:
        answers(folder)
    assert "\n" not in caught.value.problem
    assert "xport" in caught.value.fix


def test_a_graph_that_is_as_described_is_run(folder: Path, edit: Edit) -> None:
    graph(folder)
    edit(lambda document: document.update(listed(folder, "model.onnx")))
    assert answers(folder)


def test_no_graph_at_all_cannot_be_loaded(folder: Path, edit: Edit) -> None:
    (folder / "model.onnx").write_bytes(b"\xff" * 100)
    edit(lambda document: document.update(listed(folder, "model.onnx")))
    with pytest.raises(ReszooError, match="cannot load"):
        answers(folder)
