"""A search that is done for real, with the variants of PyTorch, which need no export that takes long."""

import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inprocess import reszoo as command
from msgspec.structs import replace
from once import once
from PIL import Image
from processes import started
from smalldisk import mounted

import reszoo
from reszoo import training
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.files import cache_dir
from reszoo.export.exporting import exported
from reszoo.workflows.optimization import tasks
from reszoo.workflows.optimization.candidates import candidates
from reszoo.workflows.optimization.known import Known
from reszoo.workflows.optimization.live import Live
from reszoo.workflows.optimization.log import Log
from reszoo.workflows.optimization.optimize import optimize, plan_for
from reszoo.workflows.optimization.records import CONTROL, Happened, Judged, Missing, Request, Trained
from reszoo.workflows.optimization.selection import Build, Judge, Train

REF = "resnet8_v1.reszoo_digits"
LIMITS: dict[str, Any] = {"max_drop": 0.03, "runtime": ["torch", "torch:bf16"]}


def search(out: Path, **changes: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return reszoo.optimize(reszoo.load(REF), **{"out": out, "executor": pool, **LIMITS, **changes})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RESZOO_CACHE", str(folder.with_name("optimize-cache")))
            search(folder)

    return once(tmp_path_factory, "optimized", make)


@pytest.mark.alone
def test_it_leaves_the_artifact_the_evidence_and_a_page(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = json.loads((done / "result.json").read_text())
    assert result["outcome"] == "met"
    artifact = reszoo.load_artifact(done / "artifact")
    assert artifact.source_ref == REF
    chosen = next(row for row in result["rows"] if row["status"] == "chosen")
    assert chosen["runtime"].startswith("torch")
    assert chosen["accuracy"]["value"] > 0.9
    assert result["test"]["n"] == 359
    assert {row["key"] for row in result["rows"]} > {
        f"{REF}/torch fp32 on torch t1",
        f"{REF}/torch fp32 on torch:bf16 t1",
    }
    assert all(row["why"] for row in result["rows"])
    text = (done / "README.md").read_text()
    assert text.startswith("# met: ")
    assert "359 images of digits/test, which chose nothing" in text
    assert "<script>" in (done / "report.html").read_text()
    events = sorted(path.name for path in (done / "events").iterdir())
    monkeypatch.setenv("RESZOO_CACHE", str(done.with_name("optimize-cache")))
    copy = tmp_path / "copy"  # other tests read the folder itself
    shutil.copytree(done, copy)
    again = search(copy)  # everything is known: nothing is measured again
    assert isinstance(again.artifact, reszoo.Artifact)
    assert again.search.choice == result["choice"]
    assert sorted(path.name for path in (copy / "events").iterdir()) == events


@pytest.mark.alone
def test_a_folder_goes_on_with_the_same_search_only(done: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"other limits: max_drop is 0.03 there, and 0.02 here"):
        search(done, max_drop=0.02)
    other = tmp_path / "other"
    shutil.copytree(done, other)
    plan = json.loads((other / "search.json").read_text())
    plan["machine"]["processor"] = "another"
    (other / "search.json").write_text(json.dumps(plan))
    with pytest.raises(UsageError, match="another machine, or with other versions: processor was another"):
        search(other)
    plan = json.loads((done / "search.json").read_text())
    plan["machine"]["ncnn-of-old"] = "1.0"
    (other / "search.json").write_text(json.dumps(plan))
    with pytest.raises(UsageError, match=r"ncnn-of-old was 1.0, and is None"):
        search(other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is there already"):
        search(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_network_that_is_fed_otherwise_is_another(done: Path, tmp_path: Path) -> None:
    its = reszoo.load(REF)
    darker = replace(its, preprocess=replace(its.preprocess, mean=(0.9,), std=(0.1,)))
    with ThreadPoolExecutor(1) as pool, pytest.raises(UsageError, match="a search among other networks"):
        optimize(darker, out=done, executor=pool, **LIMITS)
    rights = [tasks.answers(each, "digits", "val").correct for each in (its, darker, its)]
    assert rights[0] == rights[2] > rights[1]
    folders = [exported(each, "torch").path for each in (its, darker, its)]
    assert folders[0] == folders[2] != folders[1]


@pytest.mark.alone
def test_what_the_cache_has_lost_is_made_again(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESZOO_CACHE", str(tmp_path / "cache"))
    lost = tmp_path / "lost"
    shutil.copytree(done, lost)
    for path in (lost / "events").iterdir():
        event = json.loads(path.read_text())
        if event["event"]["type"] == "built":
            event["event"]["path"] = str(tmp_path / "gone")
            path.write_text(json.dumps(event))
    shutil.rmtree(lost / "artifact")
    found = search(lost)
    assert found.search.choice == json.loads((done / "result.json").read_text())["choice"]
    assert found.artifact.sha256 == reszoo.load_artifact(done / "artifact").sha256


def test_a_training_that_was_finished_or_that_diverged_is_told_and_stops_nothing(tmp_path: Path) -> None:
    wild = tmp_path / "wild.toml"
    text = 'schema = 1\nname = "wild"\nsummary = "for a test"\nepochs = 1\nbatch = 64\nlr = '
    wild.write_text(f"{text}1e9\n")
    its, folder = reszoo.load(REF), tmp_path / "search" / "networks" / "a"
    bad = tasks.train(its, "channels 0.5", folder, str(wild), None)
    assert isinstance(bad, Missing)
    assert bad.kind == "failed"
    assert "went bad" in bad.reason
    wild.write_text(f"{text}0.01\n")
    folder = folder.with_name("b")
    first, again = (tasks.train(its, "channels 0.5", folder, str(wild), None) for _ in range(2))
    assert isinstance(first, Trained)
    assert again == replace(first, seconds=0.0)


@pytest.mark.alone
def test_what_is_verified_is_reproduced_until_a_byte_is_another(done: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(done, folder)
    found = list(reszoo.verify(folder, latency=False))
    *others, latency = found
    assert {each.outcome for each in others} == {"reproduced"}
    assert len(others) >= 4  # hash, parity, size, accuracy
    assert (latency.outcome, latency.by) == ("cannot be measured here", "latencies were left out")
    weights = next((folder / "artifact").glob("*.safetensors"))
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    outcomes = [each.outcome for each in reszoo.verify(folder / "artifact")]
    assert outcomes.count("differs") == 1
    assert outcomes[-1] == "cannot be measured here"  # the parity: what is damaged is not run
    of_search = list(reszoo.verify(folder, latency=False))
    assert [each.outcome for each in of_search].count("differs") == 2  # the file, and that the choice is not to be read
    told = command("verify", folder / "artifact")
    assert told.returncode == 1
    assert f"1 of {len(outcomes)} claims differ" in told.stderr


@pytest.mark.alone
def test_a_disk_that_fills_costs_nothing_that_was_done(done: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=512k") as disk:
        out = disk / "out"
        out.mkdir()
        for name in ("search.json", "events"):
            (shutil.copytree if name == "events" else shutil.copy)(done / name, out / name)
        before = {path.name: path.read_bytes() for path in (out / "events").iterdir()}
        with pytest.raises(ReszooError, match="no space left on the disk"):
            search(out)  # the page is larger than the disk
        assert {path.name: path.read_bytes() for path in (out / "events").iterdir()} == before
        assert not (out / "report.html").exists()


def test_an_export_that_failed_for_want_of_space_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = candidates([reszoo.load(REF)], Request(runtimes=("torch",)), reszoo.bench.target.parse_target("local"))
    with mounted(tmp_path / "disk", "size=128k") as disk:
        monkeypatch.setenv("RESZOO_CACHE", str(disk))
        with pytest.raises(ReszooError, match="no space left on the disk"):
            tasks.build(reszoo.load(REF), found[0], None, None)


@pytest.mark.long
@pytest.mark.alone
def test_a_cluster_builds_and_judges_and_this_machine_measures(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with ExitStack() as stack:
        cluster = stack.enter_context(
            distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
        )
        seen: list[Happened] = []
        found = optimize(
            reszoo.load(REF), out=tmp_path / "out", dask=cluster.scheduler_address, on_event=seen.append, **LIMITS
        )
    assert found.search.outcome == "met"
    assert any(isinstance(event, Judged) for event in seen)


@pytest.mark.long
@pytest.mark.alone
def test_after_ctrl_c_the_same_command_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    line = [sys.executable, "-m", "reszoo.cli.main", "optimize", REF, "--runtime", "torch", "--max-drop", "3%"]
    with started([*line, "--workers", "1", "--out", str(out)]) as run:
        end = time.monotonic() + 600
        while len(list((out / "events").glob("*.json"))) < 2:
            assert run.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(60) == 130
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "events").glob("*.json")}
    assert not (out / "result.json").exists()
    finished = command(*line[3:], "--workers", "1", "--out", out)
    assert finished.returncode == 0, finished.stderr
    now = {path.name: path.stat().st_mtime_ns for path in (out / "events").glob("*.json")}
    assert {name: now[name] for name in kept} == kept
    assert len(now) > len(kept)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--latency", "0.5"), 2, "Write it with its unit, us, ms or s: --latency 0.5ms."),
        (("--size", "10"), 2, "--size 1MB"),
        (("--throughput", "2000"), 2, "--throughput 2000/s"),
        (("--budget", "30"), 2, "--budget 30min"),
        (("--finetune", "prune-finetune"), 2, "pruned networks lose accuracy, and none is measured"),
        (("--max-drop", "1%", "--finetune", "nonsense"), 2, "nonsense"),
        (("--max-drop", "1%", "--data", "cifar10"), 3, "chosen by speed alone"),
        (("--runtime", "coreml"), 3, "coreml is not available on local"),
        (("--runtime", "nonsense"), 2, "unknown runtime 'nonsense'"),
        (("--threads", "9999"), 2, "threads"),
        (("--latency", "1ms", "--throughput", "1/s", "--batch", "64"), 2, "differ by more than a thousand times"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_done(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = command("optimize", REF, *words, "--out", out)
    assert found.returncode == code
    assert said in found.stderr
    assert not out.exists()


def test_an_artifact_and_two_networks_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to optimize"):
        optimize(out=tmp_path / "out")
    with pytest.raises(UsageError, match="two networks are called"):
        optimize(reszoo.load(REF), reszoo.load(REF), out=tmp_path / "out")


def test_what_is_not_tried_is_told_with_its_reason() -> None:
    target = reszoo.bench.target.parse_target("local")
    found, left_out = candidates([reszoo.load(REF)], Request(max_drop=0.01), target)
    reasons = {each.what: each for each in left_out}
    assert reasons["torch:compile"].fix == "Name it: `runtime=torch:compile`."
    assert reasons["tflite-micro"].kind == "unavailable"
    assert reasons[f"pruned forms of {REF}"].kind == "not tried"
    assert "same kernels" in reasons["ort on onnxruntime"].reason
    precisions = {(c.format, c.scheme or c.precision) for c in found}
    assert {("onnx", "fp32"), ("onnx", "int8"), ("torch", "fp32")} <= precisions
    assert all(each.is_exact for each in candidates([reszoo.load(REF)], Request(), target)[0])
    pruned, _ = candidates([reszoo.load(REF)], Request(max_drop=0.01, finetune="prune-finetune", shares=(0.5,)), target)
    assert {c.plan for c in pruned} == {"", "channels 0.5", "blocks 0.5"}


@pytest.mark.parametrize(
    ("request_", "has_test"),
    [
        (Request(max_drop=0.01, data="digits"), True),
        (Request(latency=1e-3, objective="accuracy", data="digits"), True),
        (Request(data="digits"), False),
    ],
)
def test_the_test_split_has_the_last_word_wherever_accuracy_counts(request_: Request, has_test: bool) -> None:
    target = reszoo.bench.target.parse_target("local")
    assert plan_for([reszoo.load(REF)], request_, target).has_test == has_test


def test_a_pruned_network_whose_source_knows_val_is_held_against_that_fine_tuned(tmp_path: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text('schema = 1\nname = "short"\nsummary = "for a test"\nepochs = 1\nbatch = 64\nlr = 0.01\n')
    source, folder = reszoo.load(REF), tmp_path / "search"
    asked = Request(max_drop=0.5, data="digits", finetune=str(recipe), shares=(0.5,), runtimes=("torch",))
    made = plan_for([source], asked, reszoo.bench.target.parse_target("local"))
    (network,) = made.networks
    assert network.val is not None
    assert network.val > 0.97
    made = replace(made, networks=(replace(network, accuracy=0.8, n=359),))  # as if its card said so
    events: list[Happened] = []

    def do(action: Any) -> None:
        events.extend(live.perform(action, Known(made, events)))

    c = next(c for c in made.configurations if c.plan == "channels 0.5" and c.is_exact)
    with ThreadPoolExecutor(1) as pool:
        live = Live({REF: source}, folder, pool)
        for plan in (CONTROL, c.plan):
            do(Train(REF, plan))
        (control, _) = events
        assert isinstance(control, Trained)
        assert reszoo.load(control.path).provenance[-1].config["train_on"] == "train"
        assert len([*cache_dir().glob("answers/????????????/*.safetensors")]) == 1  # both learn from the same ones
        # a control that answers otherwise than the source: pruned, and not fine-tuned
        poor = reszoo.load(folder / "networks" / f"{REF}-channels-0.5")
        events[0] = replace(control, path=poor.weights_path.parent)
        do(Build((c.build,)))
        do(Judge(c, made.images))
    judged = events[-1]
    assert isinstance(judged, Judged)
    of_poor, of_source = (tasks.answers(each, "digits", "val").correct for each in (poor, source))
    assert judged.correct + judged.only_reference - judged.only_candidate == of_poor < of_source


@pytest.mark.parametrize(("steps", "views", "is_too_long"), [(1000, 10, True), (1000, 0, False), (200, 10, False)])
def test_what_the_teacher_takes_before_an_epoch_counts_as_often_as_it_answers(
    steps: int, views: int, is_too_long: bool
) -> None:
    guard = tasks.Guard(0.5, per_epoch=100, views=views)
    guard.began(steps, 0)
    time.sleep(0.1)
    with pytest.raises(tasks.TooLongError) if is_too_long else nullcontext():
        for step in range(1, 22):
            guard.stepped(step, 0.0)


@pytest.mark.parametrize(
    ("data", "changes", "views"),
    [
        ("digits", {"epochs": 5}, 6),
        ("digits", {"epochs": 100}, 40),
        ("digits", {"mixup": 0.2}, 0),
        ("files", {}, 0),
    ],
)
def test_answers_are_kept_where_the_same_images_are_shown_again(
    data: str, changes: dict[str, Any], views: int, tmp_path: Path
) -> None:
    if data == "files":
        for side in range(100, 120):
            place = tmp_path / "photos" / "ab"[side % 2] / f"{side}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((side, side, 3), side, np.uint8)).save(place)
        reszoo.datasets.add(data, [str(tmp_path / "photos")])
    assert tasks.views_for(replace(training.load("prune-finetune"), **changes), data) == views


def test_a_missing_runtime_is_no_reason_to_stop_unless_it_was_named() -> None:
    target = reszoo.bench.target.parse_target("local")
    _, left_out = candidates([reszoo.load(REF)], Request(), target)
    assert any(each.what == "coreml" and isinstance(each, Missing) for each in left_out)
    with pytest.raises(UnavailableError, match="coreml is not available"):
        candidates([reszoo.load(REF)], Request(runtimes=("coreml",)), target)


def test_a_torn_or_foreign_event_says_which_file(tmp_path: Path, done: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(done, folder)
    next((folder / "events").glob("*.json")).write_text("{")
    log = Log(folder)
    from reszoo.core.documents import read_json
    from reszoo.workflows.optimization.records import Plan

    with pytest.raises(ReszooError, match="is not valid JSON"):
        log.enter(read_json(folder / "search.json", Plan, ""))
