"""`reszoo prune` as its users meet it: the whole way to an integer artifact, an interrupt, and mistakes."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reszoo import zoo
from reszoo.cli.export import export
from reszoo.cli.prune import prune
from reszoo.cli.quantize import quantize
from reszoo.core.errors import ReszooError, UsageError
from reszoo.export import artifacts
from reszoo.models.cost import cost_of

RESZOO = str(Path(sys.executable).with_name("reszoo"))
REF = "resnet8_v1.reszoo_digits"
UNMEASURED: dict[str, Any] = {"measure": False, "round_to": "8"}


def test_prune_and_finetune_through_an_interrupt_then_quantize_and_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "small"
    command = ("prune", REF, "--macs", "0.5", "--no-measure", "--round-to", "8", "--out", str(folder))
    command += ("--finetune", "digits", "--set", "epochs=6")
    with subprocess.Popen([RESZOO, *command], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("epoch   1")
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert "Run the same command with --resume" in said
    assert not folder.exists()

    same = {"macs": "0.5", "finetune": "digits", "set_": ["epochs=6"], "out": folder, **UNMEASURED}
    with pytest.raises(UsageError, match=r"there is an unfinished run in .*small.pruned"):
        prune(REF, **same)
    with pytest.raises(UsageError, match="was started with other options"):
        prune(REF, resume=True, importance="l1", **same)
    prune(REF, resume=True, **same)
    printed = capsys.readouterr()
    assert printed.err.startswith("going on from step ")
    for said in (
        "32 -> ",
        "as it was cut: 0.",
        "fine-tuned: ",
        "test accuracy: 0.9",
        f"Next: reszoo quantize {folder}",
    ):
        assert said in printed.out

    parent, cut, tuned = zoo.load(REF), zoo.read(folder.with_name("small.pruned")), zoo.read(folder)
    assert tuned.spec == cut.spec
    assert cost_of(tuned.spec).macs <= 0.5 * cost_of(parent.spec).macs
    assert [step.name for step in tuned.lineage] == [*(step.name for step in parent.lineage), "prune", "train"]
    assert [step.input_sha256 for step in tuned.lineage[-2:]] == [parent.sha256, cut.sha256]
    assert tuned.lineage[-1].config["teacher"] == f"{REF} {parent.sha256}"

    export([str(folder)], to="onnx", out=tmp_path / "float")
    quantize([str(folder)], images=32, measure=False, out=tmp_path / "int8")
    floats, integers = (artifacts.read(tmp_path / name) for name in ("float", "int8"))
    assert integers.size_bytes < floats.size_bytes
    assert [step.name for step in integers.lineage[-4:]] == ["prune", "train", "export", "quantize"]
    with pytest.raises(UsageError, match=f"is an artifact, not a checkpoint\nName the checkpoint: {REF}-macs0.5"):
        prune(str(tmp_path / "int8"), macs="0.5", **UNMEASURED)


def test_units_can_go_and_json_tells_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prune(REF, params="99%", units=True, importance="change", measure=False, out=tmp_path / "made", json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["checkpoint"]["spec"]["plan"]["units"] == {"stages.0": []}
    assert record["after"]["params"] < 0.99 * record["before"]["params"]
    assert record["val"]["of the parent"]["correct"] >= record["val"]["as it was cut"]["correct"]
    assert "latency" not in record


def test_sensitivity_is_a_table_and_a_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prune(REF, sensitivity=True, exclude=["stages.?", "stages.2*"])
    table = capsys.readouterr().out
    assert [line.split()[:2] for line in table.splitlines() if line.startswith(" stages")] == [
        ["stages.0.0.convs.0", "16"],
        ["stages.1.0.convs.0", "32"],
    ]
    assert (tmp_path / f"{REF}-sensitivity.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "pruning needs one target\nChoose one of --macs"),
        ({"macs": "0.5", "params": "0.5"}, "--macs and --params exclude each other"),
        ({"macs": "0"}, "--macs 0 is no target for pruning\nGive more than 0"),
        ({"macs": "1.5"}, "--macs '1.5' is neither"),
        ({"latency": "100%"}, "--latency 100% is no target"),
        ({"latency": "0.5", "measure": False}, "--latency has to be measured"),
        ({"macs": "0.5", "measure": False, "round_to": "auto"}, "--round-to auto has to be measured\nGive a number"),
        ({"macs": "0.5", "round_to": "0"}, "--round-to '0' is neither auto nor a positive"),
        ({"macs": "0.5", "importance": "tailor"}, "unknown importance of channels 'tailor'\nDid you mean taylor"),
        ({"macs": "0.5", "measure": True, "runtime": "tensorflow"}, "unknown runtime 'tensorflow'"),
        ({"macs": "0.5", "exclude": ["stages.7"]}, "'stages.7' matches no space"),
        ({"macs": "0.01"}, "cost of 0.01 of the network's cannot be reached: the nearest is 0."),
        ({"macs": "0.5", "set_": ["epochs=1"]}, "are about fine-tuning\nAdd --finetune"),
        ({"macs": "0.5", "finetune": "digit"}, "unknown recipe 'digit'"),
        ({"macs": "0.5", "finetune": "digits", "teacher": "resnet8_v1.reszoo_cifar10"}, "trained on digits"),
        ({"sensitivity": True, "macs": "0.5"}, "--sensitivity prunes to no target"),
        ({"sensitivity": True, "plot": Path("plot.gif")}, "neither a .png nor a .svg"),
    ],
)
def test_mistakes_are_explained_and_leave_nothing(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ReszooError) as caught:
        prune(REF, **UNMEASURED | {"out": tmp_path / "made"} | options)
    assert says in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


def test_only_a_checkpoint_can_be_pruned(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for ref, says in (
        (str(tmp_path / "empty"), "checkpoint.json does not exist"),
        ("resnet8_v9", "unknown checkpoint 'resnet8_v9'"),
        ("resnet8_v?.reszoo_digits", "matches 2 checkpoints"),
    ):
        with pytest.raises(ReszooError, match=says.replace("?", r"\?")):
            prune(ref, macs="0.5", **UNMEASURED)


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match=r"mine is there already\nChoose another --out"):
        prune(REF, macs="0.5", out=tmp_path / "mine", **UNMEASURED)
