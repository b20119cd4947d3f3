"""`reszoo prune` as its users meet it: all the way to an integer artifact, an interrupt, and mistakes."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from inprocess import reszoo
from msgspec.structs import replace
from processes import started

from reszoo import zoo
from reszoo.cli import prune_report
from reszoo.cli.export import export
from reszoo.cli.prune import prune
from reszoo.cli.quantize import quantize
from reszoo.cli.show import show
from reszoo.cli.spelling import spelled
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.export import artifacts
from reszoo.models.cost import cost_of
from reszoo.workflows.pruning.prune import prune as run

RESZOO = str(Path(sys.executable).with_name("reszoo"))
REF = "resnet8_v1.reszoo_digits"
UNMEASURED: dict[str, Any] = {"measure": False}
QUICK: dict[str, Any] = {"measure": False, "importance": "l2"}


@pytest.mark.long
def test_prune_and_finetune_through_an_interrupt_then_quantize_and_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "small"
    command = ("prune", REF, "--macs", "0.5", "--no-measure", "--out", str(folder))
    command += ("--finetune", "digits", "--set", "epochs=4")
    with started([RESZOO, *command], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("epoch   1")
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert "Run it again with --resume" in said
    assert not folder.exists()

    same = {"macs": "0.5", "finetune": "digits", "set_": ["epochs=4"], "out": folder, **UNMEASURED}
    with pytest.raises(
        UsageError, match=r"an earlier run has left .*small.pruned and .*small.unfinished\nGive `resume=True`"
    ):
        prune(REF, **same)
    with pytest.raises(UsageError, match="was started with other options"):
        prune(REF, resume=True, importance="l1", **same)
    prune(REF, resume=True, **same)
    printed = capsys.readouterr()
    assert printed.err.startswith("going on from step ")
    for said in (
        "32 -> ",
        "val accuracy after pruning: 0.",
        "after fine-tuning: not measured, it was trained on val",
        "multiples of 8",
        "test accuracy: 0.9",
        f"Next: reszoo quantize {REF}-macs0.5",
    ):
        assert said in printed.out

    parent, pruned, tuned = zoo.load(REF), zoo.read(folder.with_name("small.pruned")), zoo.read(folder)
    assert tuned.spec == pruned.spec
    assert cost_of(tuned.spec).macs <= 0.5 * cost_of(parent.spec).macs
    assert [step.name for step in tuned.provenance] == [*(step.name for step in parent.provenance), "prune", "train"]
    assert [step.input_sha256 for step in tuned.provenance[-2:]] == [parent.sha256, pruned.sha256]
    assert tuned.provenance[-1].config["teacher"] == f"{REF} {parent.sha256}"

    export([str(folder)], to="onnx", out=tmp_path / "float")
    quantize([str(folder)], images=32, measure=False, out=tmp_path / "int8")
    floats, integers = (artifacts.read(tmp_path / name) for name in ("float", "int8"))
    assert integers.size_bytes < floats.size_bytes
    assert [step.name for step in integers.provenance[-4:]] == ["prune", "train", "export", "quantize"]
    with pytest.raises(UsageError, match=f"is an artifact, not a checkpoint\nName the checkpoint: {REF}-macs0.5"):
        prune(str(tmp_path / "int8"), macs="0.5", **UNMEASURED)


def test_what_it_says_to_do_next_can_be_typed(tmp_path: Path) -> None:
    done = reszoo("prune", REF, "--macs", "0.5", "--no-measure", "--importance", "l2", cwd=tmp_path)
    assert f"{REF}-macs0.5 is in runs/{REF}-macs0.5" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Next: reszoo "))
    assert f"{REF}-macs0.5" in reszoo("list", "resnet8_v1.*macs*").stdout
    trained = reszoo(*line.removeprefix("Next: reszoo ").split(), "--epochs", "1", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert f"{REF}-macs0.5-digits is in runs" in trained.stdout
    assert reszoo("show", f"{REF}-macs0.5-digits").returncode == 0  # from another folder


def test_what_rounding_cost_is_said(tmp_path: Path) -> None:
    parent = zoo.load(REF)
    made = run(parent, macs=0.5, importance="l2", measure=False, out=tmp_path / "made")
    assert prune_report._gap(made) == ""
    *steps, last = made.pruned.provenance
    config = last.config | {"macs": f"at most {0.9 * cost_of(parent.spec).macs:g}"}
    far = replace(made.pruned, provenance=(*steps, replace(last, config=config)))
    said = prune_report._gap(made._replace(pruned=far))
    assert re.fullmatch(r"0\.\d+ of the macs are left where 0\.9 was asked for", said)


def test_the_recipe_decides_how_the_network_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["epochs=1", "teacher_share=0", "stochastic_depth=0.2"]
    prune(REF, macs="0.5", out=tmp_path / "made", finetune="digits", set_=changes, json=True, **QUICK)
    tuned, on_test = zoo.read(tmp_path / "made"), json.loads(capsys.readouterr().out)["test"]
    assert on_test["correct"] / on_test["n"] == tuned.metrics[0].value
    assert on_test["interval"][0] < tuned.metrics[0].value < on_test["interval"][1]
    assert tuned.spec.stochastic_depth == 0.2
    assert tuned.provenance[-1].config["teacher"] == "null"


@pytest.mark.long
def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    options = ("--macs", "0.5", "--no-measure", "--out", str(folder), "--finetune", "digits", "--set", "epochs=1000")
    first = [RESZOO, "prune", REF, *options]
    with started(first, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("epoch   1")
        for more in ({}, {"finetune": "digits"}, {"finetune": "digits", "resume": True}):
            with pytest.raises(UsageError, match=r"another process is at work on .*small\n"):
                prune(REF, macs="0.5", out=folder, **QUICK | more)
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 130
    assert "everything is saved" in said
    assert sorted(path.name for path in tmp_path.glob("small*")) == ["small.pruned", "small.unfinished"]


def test_blocks_can_be_removed_and_json_tells_what_remains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prune(REF, params="99%", blocks=True, importance="change", measure=False, out=tmp_path / "made", json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["checkpoint"]["spec"]["plan"]["blocks"] == {"stages.0": []}
    assert record["after"]["params"] < 0.99 * record["before"]["params"]
    assert record["val"]["parent"]["correct"] >= record["val"]["pruned"]["correct"]
    assert "speed_check" not in record


def test_the_older_spelling_of_blocks_works_and_is_not_shown(tmp_path: Path) -> None:
    done = reszoo(
        "prune", REF, "--macs", "0.9", "--units", "--importance", "random", "--no-measure", "--out", tmp_path / "x"
    )
    assert done.returncode == 0, done.stderr
    assert zoo.read(tmp_path / "x").provenance[-1].config["remove"] == "blocks"
    shown = reszoo("prune", "--help").stdout
    assert "--blocks" in shown
    assert "--units" not in shown


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
        ({"macs": "0.5", "params": "0.5"}, "macs and params exclude each other"),
        ({"macs": "0"}, "macs 0 is no target for pruning\nGive more than 0"),
        ({"macs": "50"}, "--macs '50' is neither a percentage from 0% to 100% nor a fraction below 1\nIt is a share"),
        ({"latency": "5ms", "measure": True}, "write half as --latency 50% or --latency 0.5"),
        ({"latency": "100%"}, "latency 1 is no target"),
        ({"latency": "0.5", "measure": False}, "a latency has to be measured\nLeave --no-measure away"),
        (
            {"macs": "0.5", "round_to": "auto"},
            "--round-to auto goes with a latency as the target\nGive a number: --round-to 8",
        ),
        ({"macs": "0.5", "round_to": "0"}, "--round-to '0' is neither auto nor a positive"),
        ({"macs": "0.5", "importance": "tailor"}, "unknown importance 'tailor'\nDid you mean taylor"),
        ({"macs": "0.5", "measure": True, "runtime": "tensorflow"}, "unknown runtime 'tensorflow'"),
        (
            {"latency": "0.5", "measure": True, "runtime": "tensorrt"},
            "measures latency on the CPU, and tensorrt runs on",
        ),
        ({"macs": "0.5", "exclude": ["stages.7"]}, "'stages.7' matches no channel group"),
        ({"macs": "0.01"}, "cost of 0.01 of the network's cannot be reached: the nearest is 0."),
        ({"macs": "0.5", "set_": ["epochs=1"]}, "--set: nothing is trained\nAdd --finetune prune-finetune"),
        ({"macs": "0.5", "device": "cuda"}, "--device: nothing is trained\nAdd --finetune"),
        ({"macs": "0.5", "batch": 32}, "--batch: without a speed check, no latency is measured\nLeave --batch away"),
        ({"macs": "0.5", "importance": "l1", "seed": 0}, "--seed: --importance l1 needs no images"),
        ({"macs": "0.5", "importance": "random", "images": 9}, "--images: --importance random needs no images"),
        ({"macs": "0.5", "finetune": "digits", "teacher": REF, "set_": ["teacher_share=0"]}, "learnt from the teacher"),
        ({"macs": "0.5", "images": 5000}, "5000 calibration images from the 1295 training images of digits"),
        (
            {"macs": "0.5", "blocks": True, "ranking": "local"},
            "--ranking: where blocks are removed, no channels are\nLeave --ranking away",
        ),
        (
            {"macs": "0.5", "mixed": True, "blocks": True},
            "--blocks and --mixed exclude each other\nMixed plans remove blocks, too: leave --blocks away",
        ),
        ({"macs": "0.5", "mixed": True, "ranking": "local"}, "--ranking: in a mixed plan the loss decides"),
        ({"macs": "0.5", "mixed": True, "importance": "change"}, "unknown importance of mixed 'change'"),
        ({"macs": "0.01", "mixed": True}, "cost of 0.01 of the network's cannot be reached: the nearest is 0."),
        ({"macs": "0.5", "mixed": True, "exclude": ["stages.7"]}, "'stages.7' matches no block or channel group"),
        ({"macs": "0.5", "precision": "int8"}, "--precision: without a speed check, no latency is measured"),
        (
            {"macs": "0.5", "measure": True, "runtime": "torch", "precision": "int8"},
            "latency in int8 on torch is not available here: format torch has no precision int8\nIt has fp32. "
            "Or choose another --runtime: ",
        ),
        (
            {"macs": "0.5", "measure": True, "runtime": "torch", "precision": "int8"},
            "latency in int8 on torch is not available here: ",
        ),
        (
            {"sensitivity": True, "mixed": True, "statistics": "kept", "out": None, "measure": True},
            "--mixed, --statist",
        ),
        ({"macs": "0.5", "finetune": "digit"}, "unknown recipe 'digit'"),
        ({"macs": "0.5", "finetune": "digits", "teacher": "resnet8_v1.reszoo_cifar10"}, "trained on digits"),
        ({"macs": "0.5", "finetune": "digits", "set_": ["batch=2000"]}, "a batch of 2000 images is more than the 1438"),
        (
            {"sensitivity": True, "macs": "0.5", "min_share": 0.0, "measure": True},
            "--macs, --min-share, --out: --sensitivity makes no network",
        ),
        ({"sensitivity": True, "exclude": ["*"], "out": None, "measure": True}, "every channel group is excluded"),
        ({"macs": "0.5", "plot": Path("plot.svg")}, "--plot shows what --sensitivity finds"),
        ({"sensitivity": True, "plot": Path("plot.gif"), "out": None, "measure": True}, "neither a .png nor a .svg"),
    ],
)
def test_mistakes_are_explained_and_leave_nothing(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ReszooError) as caught:
        prune(REF, **UNMEASURED | {"out": tmp_path / "made"} | options)
    assert says in spelled(str(caught.value))
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


def test_pruning_runs_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UsageError, match="pruning runs in one process"):
        prune(REF, macs="0.5", finetune="digits", out=tmp_path / "made", **QUICK)


def test_only_a_checkpoint_can_be_pruned(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for ref, says in (
        (str(tmp_path / "empty"), "holds no checkpoint"),
        ("resnet8_v9", "unknown checkpoint 'resnet8_v9'"),
        ("resnet8_v?.reszoo_digits", "names 2 networks"),
    ):
        with pytest.raises(ReszooError, match=says.replace("?", r"\?")):
            prune(ref, macs="0.5", **UNMEASURED)


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    prune(REF, macs="0.5", out=tmp_path / "mine", **QUICK)  # an empty folder is as good as none
    with pytest.raises(UsageError, match=r"mine is there already\nChoose another `out`"):
        prune(REF, macs="0.4", out=tmp_path / "mine", **QUICK)
    for place in (".", "/"):
        with pytest.raises(UsageError, match="is a folder that is there already"):
            prune(REF, macs="0.4", out=Path(place), **QUICK)
    (tmp_path / "next.unfinished").mkdir()
    with pytest.raises(UsageError, match=r"an earlier run with `finetune` has left .*next.unfinished\nFinish it with"):
        prune(REF, macs="0.5", out=tmp_path / "next", **QUICK)
    with pytest.raises(UsageError, match=r"there is no .*next.pruned\nDelete .*next.unfinished to start again"):
        prune(REF, macs="0.5", out=tmp_path / "next", finetune="digits", resume=True, **QUICK)


def test_without_its_images_a_network_is_scored_by_its_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = "resnet8_v1.reszoo_cifar10"
    with pytest.raises(UnavailableError, match="Or score without images: `importance=l2`"):
        prune(ref, macs="0.5", out=tmp_path / "made", **UNMEASURED)
    with pytest.raises(UnavailableError, match="Or remove channels alone, and score them without images"):
        prune(ref, macs="0.5", mixed=True, importance="l2", out=tmp_path / "made", **UNMEASURED)
    with pytest.raises(UnavailableError, match=r"quantizing \S+ needs training images of cifar10"):
        prune(ref, latency="0.5", importance="l2", precision="int8", out=tmp_path / "made")
    prune(ref, macs="0.5", out=tmp_path / "made", **QUICK)
    printed = capsys.readouterr().out
    assert "val accuracy of the parent: not measured, the data set cifar10 is not on this machine" in printed
    assert f"Next: reszoo train --from {ref}-macs0.5 --teacher {ref} --data cifar10 --recipe prune-finetune" in printed


def test_show_tells_what_a_plan_has_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prune(REF, params="99%", blocks=True, out=tmp_path / "shorter", importance="random", measure=False)
    prune(str(tmp_path / "shorter"), macs="0.6", out=tmp_path / "both", **QUICK)
    capsys.readouterr()
    show([str(tmp_path / "both")])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "blocks 1+1+1 basic, 16/32/64 channels, before pruning" in lines
    assert "stage 0, pruned none of 1 blocks" in lines
    assert any(re.fullmatch(r"stage 2, pruned 1 blocks, \d+ channels, \d+ inside", line) for line in lines)
    assert any(line.endswith("> prune > prune") for line in lines)
