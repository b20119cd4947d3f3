"""`reszoo quantize` and `export --precision int8` as their users meet them."""

import json
import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from inprocess import reszoo
from outliers import PLANTED, plant
from processes import started

from reszoo import zoo
from reszoo.core.errors import UnavailableError, UsageError
from reszoo.core.types import Checkpoint
from reszoo.export import ExportOptions, artifacts, export, exported
from reszoo.export.contract.format import formats
from reszoo.export.exporting import folder_name
from reszoo.quantize import QuantizeConfig
from reszoo.workflows.quantization import speed_check

REF = "resnet8_v1.reszoo_digits"
SMALL = QuantizeConfig(images=32, calibration="minmax")


def int8(config: QuantizeConfig | None = SMALL, **options: object) -> ExportOptions:
    return ExportOptions(precision="int8", quantize=config, **options)


def copy_of(folder: Path, dataset: str) -> Checkpoint:
    """The checkpoint, as if it had been trained on another data set."""
    source = zoo.load(REF)
    fields = {name: getattr(source, name) for name in ("spec", "preprocess", "labels", "licence")}
    state = zoo.build(source).state_dict()
    return zoo.save(folder, state, ref="copy.test", dataset=dataset, metrics=(), provenance=(), **fields)


def test_it_says_what_was_saved_and_what_it_cost(tmp_path: Path) -> None:
    done = reszoo("quantize", REF, "--images", "64", "--no-measure", "--out", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    certificate = r"safe: \d+ of 10 layers unchanged, \d+ channels rescaled"
    assert re.search(rf"\d+% .* \d\.\d{{4}} of 256 +10 of 10 +{certificate}", done.stdout)
    assert artifacts.read(tmp_path / "made").precision == "int8"


def test_json_and_a_layer_that_stays_float(tmp_path: Path) -> None:
    done = reszoo("quantize", REF, "--images", "32", "--keep-float", "head", "--json", "--no-measure", cwd=tmp_path)
    (row,) = json.loads(done.stdout)
    assert row["layers"] == {"quantized": 9, "floats": ["head"]}
    assert row["artifact"]["certificate"]["layers"] == 9
    assert row["artifact"]["files"][0]["size_bytes"] < row["float_size_bytes"] / 2
    assert row["artifact"]["provenance"][-1]["config"]["images"] == "32"
    assert Path(row["artifact"]["path"]).parent == tmp_path


IN_A_PROCESS = f"""
import sys
from pathlib import Path
from reszoo import zoo
from reszoo.export import ExportOptions, export
from reszoo.quantize import QuantizeConfig

options = ExportOptions(precision="int8", quantize=QuantizeConfig(images=64))
export(zoo.load("{REF}"), "onnx", out=Path(sys.argv[1]), options=options)
"""


@pytest.mark.long
def test_the_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """Sets of names are iterated in another order in each process."""
    command = (sys.executable, "-c", IN_A_PROCESS)
    with ExitStack() as stack:
        each = [started([*command, seed], cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": seed}) for seed in "12"]
        both = [stack.enter_context(process) for process in each]
        assert [process.wait(timeout=200) for process in both] == [0, 0]
    first, second = (artifacts.read(tmp_path / seed) for seed in "12")
    assert first.files == second.files
    assert first.provenance == second.provenance


@pytest.mark.long
def test_its_speed_is_checked_against_its_float_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(speed_check.check_speed.__kwdefaults__, "effort", speed_check.EFFORT._replace(limit_s=1.0))
    done = reszoo("quantize", REF, "--images", "32", "--out", "made", "--json", cwd=tmp_path)
    (row,) = json.loads(done.stdout)
    assert row["speed_check"]["kind"] == "ratio"
    low, high = row["speed_check"]["interval"]
    assert 0.2 < low <= row["speed_check"]["value"] <= high < 5
    assert "against float on onnxruntime with 1 threads in batches of 1: " in done.stderr.replace("\n", " ")
    # what it says follows from the interval: a warning unless all of it is below 1
    assert ("`reszoo doctor" in done.stderr) == (high >= 1), done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_an_engine_is_shown_where_its_speed_cannot_be_checked(tmp_path: Path) -> None:
    if missing := formats()["tensorrt-rtx"].unavailable():
        pytest.skip(missing.reason)
    options = ("--calibration", "minmax", "--images", "32", "--batch", "1:4:8", "--compute-capability", "8.6")
    done = reszoo("quantize", REF, "--to", "tensorrt-rtx", *options, "--out", "made", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r" of 256, through onnx +10 of 10 +none", done.stdout)
    assert re.search(r"\bmade +tensorrt-rtx.* is not available here: PyTorch finds no CUDA GPU", done.stdout)
    made = artifacts.read(tmp_path / "made")
    assert made.input.batch_limits == (1, 8)
    assert made.provenance[-1].config["activations"] == "s8"


def test_layers_are_kept_in_float_until_the_budget_is_met(tmp_path: Path) -> None:
    plant(tmp_path / "planted")
    command = ("quantize", "./planted", "--calibration", "minmax", "--images", "128", "--no-measure")
    refused = reszoo(*command, "--out", "made", cwd=tmp_path)
    assert refused.returncode == 1
    assert "differs from its source" in refused.stderr
    done = reszoo(*command, "--max-drop", "0.5%", "--out", "made", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    trials = [record for record in row["search"] if record["kind"] == "trial"]
    assert trials[0]["keep_float"] == []
    assert trials[0]["drop"] > 0.05
    (chosen,) = (trial for trial in trials if trial["chosen"])
    assert chosen["drop"] <= 0.005
    assert PLANTED in chosen["keep_float"] == row["layers"]["floats"]
    assert artifacts.read(tmp_path / "made").provenance[-1].config["keep_float"] == ",".join(chosen["keep_float"])


def test_the_first_bad_layer_is_named(tmp_path: Path) -> None:
    plant(tmp_path / "planted")
    done = reszoo("quantize", "./planted", "--calibration", "minmax", "--explain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"The first that is bad is {PLANTED}. The likely reason is outliers" in done.stdout.replace("\n", " ")
    assert (tmp_path / "resnet8_v1.planted-explain.svg").read_bytes().startswith(b"<?xml")
    assert {path.name for path in tmp_path.iterdir()} == {"planted", "resnet8_v1.planted-explain.svg"}


MISTAKES = [
    ([REF, "--scheme", "int9"], 2, "unknown quantization scheme 'int9'", "int8"),
    ([REF, "--calibration", "kl"], 2, "kl", "entropy"),
    ([REF, "--to", "torch"], 2, "no scheme quantizes the format torch|no precision int8", "onnx|fp32"),
    ([REF, "--images", "0"], 2, "--images 0 is not possible", "`int` >= 1"),
    ([REF, "--images", "2000"], 2, "cannot draw 2000 .* 1295", "from 1 to 1295"),
    ([REF, "--images", "4", "--batch", "8"], 2, "4 calibration images do not fill one batch of 8", "at least 8"),
    ([REF, "--keep-float", "conv1"], 2, "unknown graph node 'conv1'", "Known|Did you mean"),
    ([REF, "--to", "tensorrt-rtx", "--activations", "u8"], 2, "no u8 activations", "or choose s8"),
    (["*digits", "--out", "x"], 2, "2 checkpoints match", "Leave --out away"),
    (
        [REF, "--scheme", "int8-nncf", "--calibration", "mse"],
        2,
        "has no calibration mse",
        "It has minmax|Leave the option away",
    ),
    ([REF, "--max-drop", "2"], 2, "--max-drop '2' is neither", "--max-drop 0.5%"),
    ([REF, "--explain", "--out", "x"], 2, "--explain writes no artifact", "Leave"),
    ([REF, "--explain", "--plot", "x.pdf"], 2, "neither a .png nor a .svg", "x.svg"),
    ([REF, "--plot", "x.svg"], 2, "--plot shows what --explain finds", "Add --explain"),
    (["resnet8_v1.reszoo_cifar10"], 3, "needs training images of cifar10", "reszoo data get cifar10"),
]


@pytest.mark.parametrize(("arguments", "code", "reason", "fix"), MISTAKES, ids=lambda v: str(v))
def test_a_mistake_gets_its_reason_its_fix_and_leaves_nothing(
    arguments: list[str], code: int, reason: str, fix: str, tmp_path: Path
) -> None:
    done = reszoo("quantize", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert re.search(reason, done.stderr)
    assert re.search(fix, done.stderr)
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


def test_an_artifact_is_no_checkpoint_to_quantize(tmp_path: Path) -> None:
    export(zoo.load(REF), "onnx", out=tmp_path / "made", options=int8())
    done = reszoo("quantize", "./made", cwd=tmp_path)
    assert done.returncode == 2
    assert f"is an artifact, not a checkpoint\nName the checkpoint: {REF}" in done.stderr


def test_the_images_are_recorded(tmp_path: Path) -> None:
    def hashed(name: str, **choices: object) -> str:
        config = QuantizeConfig(calibration="minmax", images=32, **choices)
        return (
            export(zoo.load(REF), "onnx", out=tmp_path / name, options=int8(config))
            .provenance[-1]
            .config["indices_sha256"]
        )

    assert hashed("a") == hashed("b") != hashed("c", seed=1)


def test_parity_is_not_measured_on_the_images_that_it_was_calibrated_on(tmp_path: Path) -> None:
    made = export(zoo.load(REF), "onnx", out=tmp_path / "made", options=int8())
    assert made.parity.images == "digits/train, seed 1"


def test_photographs_are_no_calibration_images(tmp_path: Path) -> None:
    """Parity takes them where the data set is not here; ranges read from them would be wrong."""
    with pytest.raises(UnavailableError, match=r"needs training images of imagenet1k(?s:.*)reszoo data add imagenet1k"):
        export(copy_of(tmp_path / "source", "imagenet1k"), "onnx", out=tmp_path / "made", options=int8())
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("options", [{"input": "uint8"}, {"batch": 5}, {"opset": 22}])
def test_it_goes_with_the_other_options(options: dict[str, object], tmp_path: Path) -> None:
    made = export(zoo.load(REF), "onnx", out=tmp_path / "made", options=int8(**options))
    assert made.parity.top1_agreement >= 0.98
    assert made.certificate is not None
    assert made.certificate.layers == 10


def test_an_integer_artifact_and_its_float_one_are_of_the_same_weights(tmp_path: Path) -> None:
    """By that hash a benchmark lists them as one model."""
    made = export(zoo.load(REF), "onnx", out=tmp_path / "made", options=int8())
    assert made.weights_sha256 == exported(zoo.load(REF), "onnx").weights_sha256 == zoo.load(REF).sha256


def test_a_quantization_needs_precision_int8(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp32 is not quantized"):
        export(zoo.load(REF), "onnx", out=tmp_path / "made", options=ExportOptions(quantize=SMALL))


def test_the_cache_keeps_each_configuration_apart() -> None:
    checkpoint = zoo.load(REF)
    first = exported(checkpoint, "onnx", int8())
    written = (first.path / "model.onnx").stat().st_mtime_ns
    assert exported(checkpoint, "onnx", int8()) == first
    assert (first.path / "model.onnx").stat().st_mtime_ns == written
    other = exported(checkpoint, "onnx", int8(QuantizeConfig(images=32, calibration="minmax", keep_float=("head",))))
    assert other.path != first.path
    assert artifacts.read(first.path) == first


def test_a_folder_is_named_by_what_was_chosen() -> None:
    assert folder_name("onnx", int8(None)) == folder_name("onnx", int8(QuantizeConfig())) == "onnx-int8"
    chosen = QuantizeConfig(calibration="entropy", images=64, equalise=True, bias_correction=False)
    assert folder_name("litert", int8(None)) == "litert-int8"  # its scheme is int8-litert, which says no more
    assert folder_name("onnx", int8(QuantizeConfig(scheme="int8-nncf"))) == "onnx-int8-nncf"
    assert folder_name("onnx", int8(chosen, batch=8)) == "onnx-int8-entropy-images64-equalise-no_bias_correction-batch8"
