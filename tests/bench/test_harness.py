"""The harness with real workers: what they measure, and what becomes of those that fail."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from reszoo import zoo
from reszoo.bench import results
from reszoo.bench.harness import measure
from reszoo.bench.plan import Planned, plan
from reszoo.bench.protocol import EvaluationJob, Progress
from reszoo.bench.table import by_model
from reszoo.core.documents import read_json
from reszoo.core.errors import UsageError
from reszoo.core.types import Artifact, Failure, Measurement, Scenario, Unavailable
from reszoo.export import ExportOptions, export
from reszoo.export.runtimes.onnxruntime import OnnxRuntime

REF = "resnet8_v1.reszoo_digits"
QUICK = Scenario(runtime="onnxruntime", variant="", device="cpu", batch=1, threads=1, warmup_s=0.05, sampling_s=0.2)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(zoo.load(REF), "onnx", out=tmp_path_factory.mktemp("bench") / "made")


def test_a_measurement_holds_raw_samples_and_all_that_belongs_to_them(artifact: Artifact, tmp_path: Path) -> None:
    stages: list[Progress] = []
    job = EvaluationJob(dataset="digits", split="test", batch=100)
    measured = measure(artifact, QUICK, evaluation=job, on_progress=stages.append)
    assert isinstance(measured, Measurement)
    assert len(measured.samples_s) >= 20
    assert 0 < min(measured.samples_s) < 0.1
    assert sum(measured.samples_s) <= 5
    memory = measured.memory
    assert memory.baseline_bytes < memory.runtime_bytes < memory.loaded_bytes <= memory.peak_bytes
    assert measured.cold_start.load_s > 0
    assert measured.accuracy is not None
    assert measured.accuracy.n == 359
    assert measured.accuracy.value == pytest.approx(zoo.load(REF).metrics[0].value, abs=0.003)
    assert {stage.stage for stage in stages} == {"warming up", "sampling", "accuracy"}
    assert measured.artifact_sha256 == artifact.sha256

    path = results.write(tmp_path, measured)
    assert read_json(path, Measurement, "") == measured


def test_a_worker_without_torch_stays_small(artifact: Artifact) -> None:
    """What is measured is the runtime: a worker for ONNX Runtime never imports torch."""
    measured = measure(artifact, QUICK)
    assert isinstance(measured, Measurement)
    assert measured.memory.peak_bytes < 200e6


def test_accuracy_with_a_fixed_batch_counts_every_image_once(tmp_path: Path) -> None:
    fixed = export(zoo.load(REF), "onnx", out=tmp_path / "made", options=ExportOptions(batch=64))
    (planned,) = plan(fixed, QUICK, [1], [64], "digits")
    assert isinstance(planned, Planned)
    measured = measure(fixed, planned.scenario, evaluation=planned.evaluation)
    assert isinstance(measured, Measurement)
    assert measured.accuracy is not None
    assert measured.accuracy.n == 359
    with pytest.raises(UsageError, match="fixed batch of 64"):
        plan(fixed, QUICK, [1], [1, 64], None)


def test_a_model_that_is_none_becomes_a_failure_with_its_reason(artifact: Artifact, tmp_path: Path) -> None:
    from reszoo.export import artifacts

    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"this is no ONNX file")
    forged = msgspec.structs.replace(artifact, path=folder, files=(artifacts.record(folder / "model.onnx"),))
    from reszoo.core.documents import write_json

    write_json(folder / "artifact.json", forged)
    failed = measure(forged, QUICK)
    assert isinstance(failed, Failure)
    assert "cannot load" in failed.reason
    assert "INVALID_PROTOBUF" in failed.reason


def test_a_worker_that_is_killed_becomes_a_failure(artifact: Artifact) -> None:
    def kill_worker(_: Progress) -> None:
        children = subprocess.run(
            ["pgrep", "-f", "reszoo.bench.worker", "-P", str(os.getpid())], capture_output=True, text=True, check=True
        )
        os.kill(int(children.stdout.split()[0]), signal.SIGKILL)

    failed = measure(artifact, QUICK, on_progress=kill_worker)
    assert isinstance(failed, Failure)
    assert failed.reason == "the worker was killed by SIGKILL"


def test_an_interrupt_leaves_no_worker_behind(artifact: Artifact, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from reszoo.export import artifacts\n"
        "from reszoo.bench.harness import measure\n"
        "from reszoo.core.types import Scenario\n"
        "import msgspec\n"
        "scenario = msgspec.json.decode(sys.argv[2], type=Scenario)\n"
        "measure(artifacts.read(Path(sys.argv[1])), scenario, on_progress=lambda _: print('going', flush=True))\n"
    )
    long = msgspec.json.encode(msgspec.structs.replace(QUICK, sampling_s=60.0)).decode()
    command = [sys.executable, "-c", program, str(artifact.path), long]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as harness:
        assert harness.stdout
        assert harness.stdout.readline() == b"going\n"
        workers = _children(harness.pid)
        assert workers
        harness.send_signal(signal.SIGINT)
        assert harness.wait(timeout=20) != 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_what_cannot_be_measured_here_is_a_value(artifact: Artifact) -> None:
    (missing,) = plan(artifact, msgspec.structs.replace(QUICK, runtime="torch"), [1], [1], None)
    assert isinstance(missing, Unavailable)
    assert "runs torch" in missing.reason
    assert "--to torch" in missing.fix


def test_classes_of_another_data_set_are_refused(cache: Path, artifact: Artifact, tmp_path: Path) -> None:
    from PIL import Image

    from reszoo import datasets

    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / "pets" / split / label
            folder.mkdir(parents=True)
            for i in range(3):
                Image.new("L", (8, 8), 40 * i).save(folder / f"{i}.png")
    datasets.add("pets", [tmp_path / "pets"])
    with pytest.raises(UsageError, match=r"10 classes .*pets has 2"):
        plan(artifact, QUICK, [1], [1], "pets")


def test_two_checkpoints_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    bundled = zoo.load(REF)
    state = zoo.build(bundled).state_dict()
    state["head.weight"] = -state["head.weight"]
    fields = {name: getattr(bundled, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    worse = zoo.save(tmp_path / "worse", state, ref=REF, metrics=(), lineage=(), **fields)
    planned = [plan(checkpoint, QUICK, [1], [1], "digits")[0] for checkpoint in (bundled, worse)]
    assert all(isinstance(p, Planned) for p in planned)
    measured = [measure(p.artifact, p.scenario, evaluation=p.evaluation) for p in planned]
    accuracies = [m.accuracy.value for m in measured]
    assert accuracies[0] > 0.9 > accuracies[1]
    assert len(by_model(measured)) == 2


def test_a_device_that_the_runtime_does_not_have_is_said() -> None:
    class CpuOnly(OnnxRuntime):
        devices = ("cpu",)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reszoo.bench.plan.runtimes", lambda: {"onnxruntime": CpuOnly()})
        (missing,) = plan(zoo.load(REF), msgspec.structs.replace(QUICK, device="cuda"), [1], [1], None)
    assert isinstance(missing, Unavailable)
    assert "runs on cpu only" in missing.reason


def test_files_in_the_users_folder_do_not_shadow_the_workers_modules(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy.py", "statistics.py", "datasets.py"):
        (tmp_path / name).write_text("raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(measure(artifact, QUICK), Measurement)


def test_every_scenario_is_planned_and_accuracy_is_measured_once() -> None:
    planned = plan(zoo.load(REF), QUICK, [2, 1], [32, 1], "digits")
    scenarios = [
        (p.scenario.threads, p.scenario.batch, p.evaluation is not None) for p in planned if isinstance(p, Planned)
    ]
    assert scenarios == [(1, 1, False), (1, 32, False), (2, 1, False), (2, 32, True)]


def test_the_parent_sleeps_while_the_worker_works(artifact: Artifact) -> None:
    """A parent that polls would steal the time that it measures."""
    before = time.process_time()
    measured = measure(artifact, msgspec.structs.replace(QUICK, sampling_s=2.0))
    assert isinstance(measured, Measurement)
    assert time.process_time() - before < 0.2


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]
