"""`reszoo bench` and `reszoo compare` as users run them."""

import csv
import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from inprocess import reszoo
from measurements import a_measurement
from processes import children, started, state, wait_until_gone

from reszoo import zoo
from reszoo.bench import comparison
from reszoo.bench.accuracy import Paired, drop_verdict
from reszoo.cli import gate
from reszoo.core.errors import ReszooError
from reszoo.workflows.losses import Loss

V1, V2 = "resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"
LARGER = "resnet8_v1.reszoo_cifar10"
QUICK = ("--time-limit", "0.3", "--half-width", "50%")


@pytest.fixture(autouse=True)
def one_cache(cache: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this file: what one test has exported, the next one finds."""
    monkeypatch.setenv("RESZOO_CACHE", str(tmp_path_factory.getbasetemp() / "bench-cache"))


@pytest.mark.long
def test_export_then_bench(tmp_path: Path) -> None:
    made = reszoo("export", V2, "--input", "uint8", "--out", "made", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "digits/train" in made.stdout
    measured = reszoo(
        *("bench", "made", V2, "--runtime", "onnxruntime,torch", "--accuracy", "digits", "--json", *QUICK),
        cwd=tmp_path,
    )
    assert measured.returncode == 0, measured.stderr
    outcomes = json.loads(measured.stdout)
    accuracies = {outcome["accuracy"]["correct"] for outcome in outcomes if "accuracy" in outcome}
    assert len(accuracies) == 1
    assert "runs torch" in measured.stderr  # the artifact is ONNX: said, not skipped
    assert len(list((tmp_path / "results").glob("*.json"))) == 3
    assert len(list((tmp_path / "results").glob("*.predictions.safetensors"))) == 3


def a_broken_copy(folder: Path) -> Path:
    """A checkpoint that gets about every tenth image right."""
    good = zoo.load(V1)
    state_dict = zoo.build(good).state_dict()
    state_dict["head.weight"] = state_dict["head.weight"].roll(1, 0)
    fields = {name: getattr(good, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    zoo.save(folder, state_dict, ref=V1, metrics=(), provenance=(), **fields)
    return folder


@pytest.mark.long
def test_the_accuracy_gate(tmp_path: Path) -> None:
    gate = ("--accuracy", "digits", "--reference", V1, "--runtime", "onnxruntime", *QUICK)
    same = reszoo("bench", V1, *gate, "--max-drop", "2%", "--json", cwd=tmp_path)
    assert same.returncode == 0, same.stderr
    *_, loss = json.loads(same.stdout)
    assert (loss["kind"], loss["verdict"], loss["n"], loss["drop"]) == ("loss", "pass", 359, 0.0)

    strict = reszoo("bench", V1, *gate, "--max-drop", "0.1%", "--per-class", cwd=tmp_path)
    assert strict.returncode == 1
    assert "+0.00 points lost" in strict.stdout
    assert "not enough images to tell" in strict.stdout
    assert "the accuracy gate is not met" in strict.stderr
    with next((tmp_path / "results").glob("*.confusion.csv")).open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["true class", *zoo.load(V1).labels]
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == 359

    a_broken_copy(tmp_path / "broken")
    worse = reszoo("bench", "broken", *gate, "--max-drop", "1%", cwd=tmp_path)
    assert worse.returncode == 1
    assert "fail: " in worse.stdout


@pytest.mark.long
def test_a_gate_without_a_candidate_is_not_met(tmp_path: Path) -> None:
    assert reszoo("export", V1, "--to", "torch", "--out", "made", cwd=tmp_path).returncode == 0
    gate = ("--accuracy", "digits", "--reference", V1, "--max-drop", "2%", "--runtime", "onnxruntime", *QUICK)
    done = reszoo("bench", "made", *gate, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "onnxruntime runs onnx" in done.stderr
    assert "no accuracy could be compared" in done.stderr


def test_an_artifact_runs_in_what_reads_it_and_nothing_else_is_named(tmp_path: Path) -> None:
    assert reszoo("export", V1, "--to", "torch", "--out", "made", cwd=tmp_path).returncode == 0
    done = reszoo("bench", "made", *QUICK, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["subject"]["scenario"]["runtime"] == "torch"
    assert "not available" not in done.stderr


def test_a_latency_gate_is_not_met_by_what_cannot_be_measured(tmp_path: Path) -> None:
    gate = ("bench", V1, "--runtime", "onnxruntime,torch:cuda_graph", "--max-latency", "10s", *QUICK)
    done = reszoo(*gate, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "the gate is not met by what could not be measured: torch:cuda_graph on cpu" in done.stderr


def test_every_gate_that_is_not_met_is_named() -> None:
    paired = Paired(n=100, only_reference=50, only_candidate=0, same_answer=50)
    lost = Loss("a network", paired, drop_verdict(paired, 0.01))
    with pytest.raises(ReszooError, match=r"the accuracy gate is not met; .* takes longer than allowed"):
        gate.check([lost], [a_measurement()], 1e-3)
    with pytest.raises(ReszooError, match=r"the accuracy gate is not met$"):
        gate.check([lost], [a_measurement()], 1.0)
    gate.check([], [a_measurement()], 1.0)


def test_a_checkpoint_is_measured_in_the_precision_that_was_named(tmp_path: Path) -> None:
    done = reszoo("bench", V1, "--precision", "int8", *QUICK, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [each["subject"]["precision"] for each in json.loads(done.stdout)] == ["int8"]
    assert "torch" not in done.stderr  # which has no int8, and was not asked for


def test_what_is_left_out_or_missing_is_said_once(tmp_path: Path) -> None:
    assert reszoo("export", V1, "--to", "torch", "--out", "made", cwd=tmp_path).returncode == 0
    done = reszoo("compare", "made", "--runtime", "torch, onnxruntime", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("torch on onnxruntime") == 1
    done = reszoo("bench", V1, V2, "--runtime", "torch:cuda_graph", "--json", cwd=tmp_path)
    assert done.returncode == 3
    assert [outcome["what"] for outcome in json.loads(done.stdout)] == ["torch:cuda_graph on cpu"]


MISTAKES = [
    (["bench", V1, "--reference", V1], "--reference needs an accuracy"),
    (["bench", V1, "--accuracy", "digits", "--max-drop", "1%"], "--max-drop needs something to lose against"),
    (["bench", V1, "--accuracy", "digits", "--reference", "resnet8_v*digits"], "names 2 networks"),
    (["bench", V1, "--classes", "map.csv"], "--classes needs an accuracy"),
    (["bench", V1, "--among", "data"], "--among needs an accuracy"),
    (["bench", V1, "--among", "network"], "--among needs an accuracy"),
    (["bench", V1, "--accuracy", "digits/dev"], "there is no split 'dev'"),
    (["bench", V1, "--accuracy", "digits/"], "there is no split ''\nWrite --accuracy digits/val."),
    (["bench", V1, "--accuracy", "/val"], "no data set is named"),
    (["bench", V1, "--accuracy", ""], "no data set is named"),
    (["evaluate", V1, "--data", "digits/dev"], "--data 'digits/dev': there is no split 'dev'"),
    (["evaluate", V1, "--data", "digits/val", "--split", "test"], "are two splits"),
    (["bench", V1, "--accuracy", "digits", "--classes", "map.csv"], "map.csv cannot be read: No such file"),
    (["bench", V1, "--half-width", "lots"], "--half-width 'lots'"),
    (["bench", V1, "--half-width", "0%"], "--half-width 0%"),
    (["compare", V1, V2, "--half-width", "0%"], "--half-width 0%"),
    (["bench", V1, "--precision", "int7"], "unknown precision 'int7'"),
    (["bench", V1, "--precision", "1"], "unknown precision '1'"),  # 1 % or everything
    (["bench", V1, "--precision", "0%"], "--half-width 0%"),  # the older spelling
    (["bench", V1, "--precision", "2%", "--half-width", "1%"], "--precision and --half-width are both shares"),
    (["bench", V1, "--cold-cache", "--threads", "2"], "a cold cache is for one thread"),
    (["bench", V1, "--max-latency", "0.5"], "Write it with its unit, us, ms or s: --max-latency 0.5ms"),
    (["compare", V1], "one contestant is no comparison"),
    (["bench", V1, "--target", "shh://board"], "unknown target 'shh'\nDid you mean ssh"),
    (["compare", V1, V2, "--target", "ssh://"], "'ssh://' is no device"),
    (["compare", V1, V2, "--fail-if-slower", "-3%"], "--fail-if-slower '-3%'"),
    (["compare", V1, V2, "--runtime", "nothing"], "unknown runtime 'nothing'"),
    (["compare", V1, V2, "--runtime", "all"], "Name them: `reszoo bench --runtime all` finds them."),
]


@pytest.mark.parametrize(("arguments", "reason"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_a_mistake_is_said_before_anything_is_measured(arguments: list[str], reason: str, tmp_path: Path) -> None:
    done = reszoo(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert reason in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.alone
def test_compare_says_which_is_faster_and_gates_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same network takes several times as long for images of 32x32 as for the digits, which are 8x8."""
    less = partial(comparison.Effort, round_s=0.2, least_rounds=3)
    monkeypatch.setattr(comparison, "Effort", less)
    brief = ("--half-width", "50%", "--time-limit", "20", "--fail-if-slower", "3%")  # three rounds decide, as a rule
    done = reszoo("compare", V1, LARGER, *brief, cwd=tmp_path)
    assert "times slower" in done.stdout, done.stderr
    assert "noise floor" in done.stdout
    assert done.returncode == 1
    assert "is slower than allowed" in done.stderr
    assert len(list((tmp_path / "results").glob("compare.*.json"))) == 1


@pytest.mark.alone
@pytest.mark.long
def test_an_interrupt_leaves_no_worker_and_loses_no_round(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("reszoo"))
    command = (program, "compare", V1, V2, "--half-width", "0.01%", "--time-limit", "600")
    with started(command, cwd=tmp_path, stderr=subprocess.PIPE) as running:
        end = time.monotonic() + 240  # the first round takes a busy machine minutes
        workers: set[int] = set()
        stopped: list[int] = []
        while not list(tmp_path.glob("results/compare.*.json")):
            assert time.monotonic() < end
            workers.update(children(running.pid))
            stopped.append(sum(state(pid) == "T" for pid in children(running.pid)))
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=20) != 0
    wait_until_gone(sorted(workers))
    assert len(workers) >= 6
    assert stopped.count(2) > 20  # two of three wait while the third has its turn
    kept = json.loads(next(tmp_path.glob("results/compare.*.json")).read_text())
    assert len(kept["rounds"]) >= 2
