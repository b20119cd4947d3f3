"""The ONNX format: what is in the file, and that it never appears unless it is right."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from families import shrunk
from foreign import randomise
from smalldisk import mounted

import reszoo
from reszoo import datasets, models, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.locks import locked
from reszoo.core.types import Checkpoint, Preprocess
from reszoo.export import ExportOptions, artifacts, export, exported
from reszoo.export.formats.onnx import OPSETS, OnnxFormat
from reszoo.export.parity import _fix
from reszoo.export.quantizing import format_for, step
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.contract import schemes

V1, V2 = "resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"


def save_random(folder: Path, arch: str) -> Checkpoint:
    spec = shrunk(models.spec_of(arch))
    return zoo.save(
        folder,
        randomise(models.build(spec)).state_dict(),
        ref=f"{arch}.random",
        spec=spec,
        preprocess=Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3, input=spec.input),
        labels=tuple(map(str, range(spec.num_classes))),
        dataset="none",
        metrics=(),
        licence="MIT",
        provenance=(),
    )


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path / "model.onnx").graph.node)


def test_batch_norms_are_folded_wherever_a_convolution_comes_first(tmp_path: Path) -> None:
    v1 = export(zoo.load(V1), "onnx", out=tmp_path / "v1")
    v2 = export(zoo.load(V2), "onnx", out=tmp_path / "v2")
    assert operators(v1.path)["BatchNormalization"] == 0
    # in v2 a norm follows an addition in each of the three blocks and at the end
    assert operators(v2.path)["BatchNormalization"] == 4


@pytest.mark.parametrize("batch", [None, 1, 2])
def test_raw_pixels_of_one_channel_add_no_shape_arithmetic(batch: int | None) -> None:
    """One channel has the same order first and last: there `contiguous()` leaves strides that make a gather."""
    content = OnnxFormat().graph(zoo.load(V2), ExportOptions(input="uint8", batch=batch))
    kinds = Counter(node.op_type for node in onnx.load_from_string(content).graph.node)
    assert (kinds["Gather"], kinds["Reshape"], kinds["GlobalAveragePool"]) == (0, 1, 1)


def test_the_file_is_named_dynamic_and_describes_itself(tmp_path: Path) -> None:
    artifact = export(zoo.load(V1), "onnx", out=tmp_path / "made", options=ExportOptions(opset=20))
    model = onnx.load(artifact.path / "model.onnx")
    (fed,), (given,) = model.graph.input, model.graph.output
    assert (fed.name, given.name) == ("input", "logits")
    assert fed.type.tensor_type.shape.dim[0].dim_param == given.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [entry.version for entry in model.opset_import if not entry.domain] == [20]
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["reszoo.ref"] == V1
    assert facts["reszoo.weights_sha256"] == zoo.load(V1).sha256
    assert facts["reszoo.version"] == reszoo.__version__
    provenance = msgspec.json.encode(zoo.load(V1).provenance)
    assert facts["reszoo.provenance_sha256"] == hashlib.sha256(provenance).hexdigest()
    assert facts["reszoo.labels"] == '["0","1","2","3","4","5","6","7","8","9"]'


def test_nothing_of_the_exporting_machine_is_in_the_file(tmp_path: Path) -> None:
    artifact = export(zoo.load(V1), "onnx", out=str(tmp_path / "made"))
    assert artifact.path == tmp_path / "made"
    content = (artifact.path / "model.onnx").read_bytes()
    assert b".py" not in content
    assert str(Path.home()).encode() not in content or str(Path.home()) == "/"


@pytest.mark.long
@pytest.mark.afresh
def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (export(zoo.load(V2), "onnx", out=tmp_path / name) for name in "ab")
    assert first.files == second.files


@pytest.mark.parametrize("opset", [OPSETS.start, OPSETS.stop - 1])
def test_the_ends_of_the_opset_range_can_be_written(opset: int, tmp_path: Path) -> None:
    artifact = export(zoo.load(V1), "onnx", out=tmp_path / "made", options=ExportOptions(opset=opset))
    assert artifact.parity.top1_agreement == 1


def test_raw_pixels_give_what_normalised_ones_do(tmp_path: Path) -> None:
    """A deployer feeds uint8 images with ONNX Runtime alone, and knows nothing of mean and std."""
    checkpoint = zoo.load(V2)
    artifact = export(checkpoint, "onnx", out=tmp_path / "made", options=ExportOptions(input="uint8"))
    test = datasets.load("digits", "test")
    session = onnxruntime.InferenceSession(artifact.path / "model.onnx")
    logits = session.run(None, {"input": test.images})[0]
    accuracy = (logits.argmax(1) == test.labels).mean()
    assert accuracy == pytest.approx(checkpoint.metrics[0].value, abs=0.003)


def test_a_fixed_batch_is_fixed_and_proven(tmp_path: Path) -> None:
    artifact = export(zoo.load(V1), "onnx", out=tmp_path / "made", options=ExportOptions(batch=3))
    assert artifact.input.shape == (3, 1, 8, 8)
    assert artifact.parity.n == 258
    session = onnxruntime.InferenceSession(artifact.path / "model.onnx")
    with pytest.raises(Exception, match="Got: 1 Expected: 3"):
        session.run(None, {"input": np.zeros((1, 1, 8, 8), np.float32)})


@pytest.mark.parametrize("batch", [150, 300])
def test_a_large_fixed_batch_is_proven_on_no_fewer_images(batch: int, tmp_path: Path) -> None:
    artifact = export(zoo.load(V1), "onnx", out=tmp_path / "made", options=ExportOptions(batch=batch))
    assert artifact.parity.n == 300


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    whole = export(zoo.load(V1), "onnx", out=tmp_path / "fp32")
    half = export(zoo.load(V1), "onnx", out=tmp_path / "fp16", options=ExportOptions(precision="fp16"))
    assert half.size_bytes < 0.6 * whole.size_bytes
    assert half.input.dtype == "float32"


@pytest.mark.long("resnet20_v1", "resnet20_plain", "resnet29_v2", "resnet18_v2_cifar")
@pytest.mark.parametrize("arch", ["resnet20_v1", "resnet20_v2", "resnet20_plain", "resnet29_v2", "resnet18_v2_cifar"])
def test_every_family_is_proven_on_photographs_where_its_data_set_is_not_here(arch: str, tmp_path: Path) -> None:
    artifact = export(save_random(tmp_path / "checkpoint", arch), "onnx", out=tmp_path / "made")
    assert artifact.parity.images == "photo crops, seed 0"
    assert artifact.parity.max_abs_error < 1e-3


def convolutions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == "Conv"]


class Disturbed(OnnxFormat):
    """Writes a network in which a convolution in its middle has other weights than it should."""

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        super().write(checkpoint, options, folder)
        model = onnx.load(folder / "model.onnx")
        victim = convolutions(model)[3]
        weight = next(tensor for tensor in model.graph.initializer if tensor.name == victim.input[1])
        weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight)[::-1].copy(), weight.name))
        onnx.save(model, folder / "model.onnx")


@pytest.mark.long("{'precision': 'fp16', 'input': 'uint8', 'batch': 3}")
@pytest.mark.parametrize("options", [{}, {"precision": "fp16", "input": "uint8", "batch": 3}], ids=str)
def test_an_export_that_differs_names_the_first_layer_that_does_and_leaves_nothing(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = ExportOptions(**options)
    OnnxFormat().write(zoo.load(V1), fine, tmp_path)
    victim = convolutions(onnx.load(tmp_path / "model.onnx"))[3].name
    monkeypatch.setattr("reszoo.export.exporting.format_named", lambda name: Disturbed())
    with pytest.raises(ReszooError, match=r"differs from its source.*nothing was written") as caught:
        export(zoo.load(V1), "onnx", out=tmp_path / "made", options=fine)
    assert f"the first layer that differs is the Conv {victim} (" in str(caught.value)
    assert "Try another `opset`" in caught.value.fix
    assert list(tmp_path.glob("*made*")) == list(tmp_path.glob(".staging*")) == []


def test_the_verdict_outlives_a_search_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("no such node\nat line 7")

    monkeypatch.setattr("reszoo.export.exporting.format_named", lambda name: Disturbed())
    monkeypatch.setattr("reszoo.export.divergence.first_divergence", fail)
    said = (
        r"differs from its source: run\.py in batches of 1: max error .*; "
        r"the layer could not be found \(RuntimeError: no such node\); nothing"
    )
    with pytest.raises(ReszooError, match=said):
        export(zoo.load(V1), "onnx", out=tmp_path / "made")


INT8_FIXES = {
    QuantizeConfig(scheme="int8-litert"): (
        f"Try `quantize({V1}, scheme=int8-litert, to=litert)` with `max_drop`, which keeps layers in float."
    ),
    QuantizeConfig(scheme="int8-pt2e"): (
        f"Try `quantize({V1}, scheme=int8-pt2e, to=executorch)` with another `calibration` "
        "or `max_drop`, which keeps layers in float."
    ),
    QuantizeConfig(scheme="int8", bias_correction=False): (
        f"Try `quantize({V1}, scheme=int8, to=onnx)` with another `calibration` or `bias_correction=True` "
        f"or `max_drop`, which keeps layers in float. `quantize({V1}, scheme=int8, explain=True)` looks for the "
        "first bad layer."
    ),
}


@pytest.mark.parametrize("config", INT8_FIXES, ids=lambda config: config.scheme)
def test_only_what_a_scheme_has_is_advised(config: QuantizeConfig, tmp_path: Path) -> None:
    fixed = schemes()[config.scheme].complete(config)
    artifact = export(zoo.load(V1), "torch", out=tmp_path / "made")
    done = step(zoo.load(V1), fixed, "")
    integer = msgspec.structs.replace(
        artifact, format=format_for(config.scheme), precision="int8", provenance=(*artifact.provenance, done)
    )
    assert _fix(integer) == INT8_FIXES[config]


@pytest.mark.long
def test_weights_that_are_not_numbers_never_pass(tmp_path: Path) -> None:
    source = zoo.load(V1)
    state = zoo.build(source).state_dict()
    state["head.bias"] = torch.full_like(state["head.bias"], float("nan"))
    fields = {name: getattr(source, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    poisoned = zoo.save(tmp_path / "nan", state, ref="nan.test", metrics=(), provenance=(), **fields)
    with pytest.raises(ReszooError, match=r"the source itself is broken: nan\.test gives NaN"):
        export(poisoned, "onnx", out=tmp_path / "made")


@pytest.mark.parametrize("options", [{"opset": 17}, {"opset": 99}])
def test_an_opset_out_of_range_is_refused_with_the_range(options: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="from 18 to 25"):
        export(zoo.load(V1), "onnx", out=tmp_path / "made", options=ExportOptions(**options))


@pytest.mark.parametrize("options", [{"opset": 20}, {"batch": 2}, {"precision": "fp16"}, {"input": "uint8"}])
def test_a_format_refuses_options_it_does_not_have(options: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="format torch"):
        export(zoo.load(V1), "torch", out=tmp_path / "made", options=ExportOptions(**options))


def test_a_folder_of_the_users_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not a folder that reszoo wrote"):
        export(zoo.load(V1), "onnx", out=tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_file_that_the_user_put_beside_an_artifact_is_not_lost(tmp_path: Path) -> None:
    export(zoo.load(V1), "onnx", out=tmp_path / "made")
    (tmp_path / "made" / "deploy.py").write_text("mine")
    with pytest.raises(UsageError, match="holds files of yours"):
        export(zoo.load(V2), "onnx", out=tmp_path / "made")
    assert (tmp_path / "made" / "deploy.py").exists()


def test_an_older_artifact_is_replaced_but_by_one_of_its_own_kind(tmp_path: Path) -> None:
    export(zoo.load(V1), "onnx", out=tmp_path / "made")
    export(zoo.load(V1), "onnx", out=tmp_path / "made", options=ExportOptions(input="uint8"))
    for ref, format_name in ((V2, "onnx"), (V1, "torch")):
        with pytest.raises(UsageError, match=f"made holds {V1} as onnx"):
            export(zoo.load(ref), format_name, out=tmp_path / "made")
    with locked(tmp_path / "made"), pytest.raises(UsageError, match="another process is at work"):
        export(zoo.load(V1), "onnx", out=tmp_path / "made")
    kept = artifacts.read(tmp_path / "made")
    assert (kept.source_ref, kept.input.dtype) == (V1, "uint8")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".staging")] == []


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=128k") as disk:
        with pytest.raises(ReszooError, match="no space left"):
            export(zoo.load(V1), "onnx", out=disk / "made")
        assert list(disk.iterdir()) == []


def test_the_cache_gives_the_same_artifact_until_it_is_damaged(cache: Path) -> None:
    first = exported(zoo.load(V1), "onnx")
    written = (first.path / "model.onnx").stat().st_mtime_ns
    assert exported(zoo.load(V1), "onnx") == first
    assert (first.path / "model.onnx").stat().st_mtime_ns == written
    (first.path / "model.onnx").write_bytes(b"not a model")
    assert exported(zoo.load(V1), "onnx").files == first.files


def test_a_manifest_that_was_edited_by_hand_is_explained(tmp_path: Path) -> None:
    artifact = export(zoo.load(V1), "onnx", out=tmp_path / "made")
    manifest = artifact.path / "artifact.json"
    good = manifest.read_text()
    for bad, message in (
        (good.replace('"fp32"', '"fp99"'), r"artifact.json.*fp99.*precision"),
        (good.replace('"schema": 2', '"schema": 7'), "schema is 7"),
        (good[:-20], "not valid JSON"),
        (good.replace('"name": "model.onnx"', '"name": "../model.onnx"'), "outside its folder"),
    ):
        manifest.write_text(bad)
        with pytest.raises(ReszooError, match=message):
            artifacts.read(artifact.path)
