"""The harness with real workers: what they measure."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from processes import children, told

from reszoo import zoo
from reszoo.bench import results
from reszoo.bench.harness import EvaluationRequest, measure
from reszoo.bench.predictions import Predictions
from reszoo.bench.validation.subjects import KNOWN
from reszoo.core.documents import read_json
from reszoo.core.estimates import median
from reszoo.core.measured import Measurement, Scenario
from reszoo.core.types import Artifact
from reszoo.datasets import class_map


def test_a_measurement_holds_raw_samples_and_all_that_belongs_to_them(
    artifact: Artifact, quick: Scenario, tmp_path: Path
) -> None:
    stages: list[tuple[object, ...]] = []
    file = tmp_path / "predictions.safetensors"
    classes = class_map("digits", artifact.labels, artifact.source_ref)
    evaluation = EvaluationRequest(dataset="digits", split="test", batch=100, predictions=file, classes=classes)
    measured = measure(artifact, quick, evaluation=evaluation, progress=lambda *news: stages.append(news))
    assert isinstance(measured, Measurement)
    assert len(measured.samples_s) >= 20
    assert 0 < min(measured.samples_s) < 0.1
    runs = sum(window.runs for window in measured.windows)
    assert runs == len(measured.samples_s) * measured.runs_per_sample
    memory = measured.memory
    steps = [memory.started, memory.imported, memory.loaded]
    assert sorted(steps, key=lambda pages: pages.resident_bytes) == steps
    assert memory.loaded.resident_bytes <= memory.peak_bytes
    assert 0 < memory.steady.private_bytes < memory.steady.resident_bytes
    start = measured.cold_start
    assert min(start.start_s, start.import_s, start.load_s, start.first_run_s) > 0
    assert measured.subject.artifact_sha256 == artifact.sha256
    assert measured.subject.compressed_bytes < artifact.size_bytes
    assert [stage for stage, *_ in stages[:3]] == ["loading", "warming up", "sampling"]

    path = results.write(tmp_path, measured)
    assert read_json(path, Measurement, "") == measured

    assert measured.accuracy is not None
    assert measured.accuracy.n == 359
    assert measured.accuracy.value == pytest.approx(zoo.load(artifact.source_ref).metrics[0].value, abs=0.003)
    assert stages[-1] == ("accuracy", 359, 359)
    predictions = Predictions.read(file)
    assert predictions.correct == measured.accuracy.correct
    assert predictions.artifact_sha256 == artifact.sha256


@pytest.mark.alone
def test_sampling_ends_when_the_precision_is_reached_and_says_so_when_it_is_not(
    artifact: Artifact, quick: Scenario
) -> None:
    waiting = replace(quick, runtime="wait", variant="1000")
    loose = measure(artifact, replace(waiting, precision=0.9, sampling_limit_s=60.0), target=KNOWN)
    assert isinstance(loose, Measurement)
    assert sum(window.seconds for window in loose.windows) < 30
    assert "imprecise" not in {warning.kind for warning in loose.warnings}
    strict = measure(artifact, replace(waiting, precision=1e-9), target=KNOWN)
    assert isinstance(strict, Measurement)
    assert "imprecise" in {warning.kind for warning in strict.warnings}


@pytest.mark.alone
def test_a_known_time_is_measured(artifact: Artifact, quick: Scenario) -> None:
    measured = measure(artifact, replace(quick, runtime="wait", variant="5000"), target=KNOWN)
    assert isinstance(measured, Measurement)
    assert median(measured.samples_s) == pytest.approx(5e-3, rel=0.02)


@pytest.mark.alone
def test_the_loop_adds_less_than_a_microsecond(artifact: Artifact, quick: Scenario) -> None:
    measured = measure(artifact, replace(quick, runtime="nothing"), target=KNOWN)
    assert isinstance(measured, Measurement)
    assert measured.runs_per_sample > 1  # such a short run is not timed alone
    assert 0 < min(measured.samples_s) < 1e-6


@pytest.mark.parametrize("megabytes", [30, 200])
def test_known_memory_is_attributed_to_loading(artifact: Artifact, quick: Scenario, megabytes: int) -> None:
    measured = measure(artifact, replace(quick, runtime="hold", variant=str(megabytes)), target=KNOWN)
    assert isinstance(measured, Measurement)
    memory = measured.memory
    known = pytest.approx(megabytes * 1e6, rel=0.02)
    assert memory.loaded.resident_bytes - memory.imported.resident_bytes == known
    assert memory.loaded.private_bytes - memory.imported.private_bytes == known
    assert memory.loaded.file_bytes - memory.imported.file_bytes < 1e6


@pytest.mark.alone
def test_two_streams_finish_twice_the_runs_of_one(artifact: Artifact, quick: Scenario) -> None:
    """Of a runtime that waits, so that the number of cores does not matter."""
    waiting = replace(quick, runtime="wait", variant="20000")
    one, two = (measure(artifact, replace(waiting, streams=n), target=KNOWN) for n in (1, 2))
    assert isinstance(one, Measurement)
    assert isinstance(two, Measurement)
    rates = [sum(w.runs for w in m.windows) / sum(w.seconds for w in m.windows) for m in (one, two)]
    assert rates[1] / rates[0] == pytest.approx(2, rel=0.1)
    assert median(two.samples_s) == pytest.approx(median(one.samples_s), rel=0.1)


@pytest.mark.alone
def test_a_cold_cache_makes_a_run_slower(artifact: Artifact, quick: Scenario) -> None:
    warm, cold = (measure(artifact, replace(quick, cold_cache=is_cold)) for is_cold in (False, True))
    assert isinstance(warm, Measurement)
    assert isinstance(cold, Measurement)
    assert min(cold.samples_s) > 1.2 * min(warm.samples_s)


def test_the_worker_is_bound_to_its_cores(artifact: Artifact, quick: Scenario) -> None:
    core = min(os.sched_getaffinity(0))
    seen: list[set[int]] = []

    def look(*_: object) -> None:
        seen.extend(os.sched_getaffinity(pid) for pid in children(os.getpid()))

    assert isinstance(measure(artifact, replace(quick, cores=(core,)), progress=look), Measurement)
    assert seen[-1] == {core}


def test_a_worker_without_torch_stays_small(artifact: Artifact, quick: Scenario) -> None:
    """What is measured is the runtime: a worker for ONNX Runtime never imports torch."""
    mapped: list[str] = []

    def look(*_: object) -> None:
        mapped[:] = [told(pid, "maps") for pid in children(os.getpid())]

    measured = measure(artifact, quick, progress=look)
    assert isinstance(measured, Measurement)
    assert "onnxruntime" in mapped[0]
    assert "libtorch" not in mapped[0]


def test_files_in_the_users_folder_do_not_shadow_the_workers_modules(
    artifact: Artifact, quick: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy.py", "statistics.py", "datasets.py"):
        (tmp_path / name).write_text("raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert isinstance(measure(artifact, quick), Measurement)


@pytest.mark.alone
def test_the_parent_sleeps_while_the_worker_works(artifact: Artifact, quick: Scenario) -> None:
    """A parent that polls would steal the time that it measures."""
    program = (
        "import msgspec, sys, time; from pathlib import Path\n"
        "from reszoo.bench.harness import measure\n"
        "from reszoo.core.measured import Scenario\n"
        "from reszoo.export import artifacts\n"
        "scenario = msgspec.json.decode(sys.argv[2], type=Scenario)\n"
        "times = {}\n"
        "def note(stage, *_): times[stage] = (time.process_time(), time.monotonic())\n"
        "measure(artifacts.read(Path(sys.argv[1])), scenario, progress=note)\n"
        "cpu, wall = (time.process_time() - times['sampling'][0], time.monotonic() - times['sampling'][1])\n"
        "print(cpu / wall)\n"
    )
    long = replace(quick, sampling_limit_s=3.0, precision=1e-6)
    command = [sys.executable, "-c", program, str(artifact.path), msgspec.json.encode(long).decode()]
    share = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert share < 0.3  # its statistics, while the worker waits; one that polls has 1
