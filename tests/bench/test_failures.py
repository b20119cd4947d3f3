"""Workers that fail become values with their reason; an interrupt leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from processes import children, started, wait_until_gone

from reszoo.bench.client import WorkerError
from reszoo.bench.harness import load_request, measure
from reszoo.bench.memory import ControlGroup
from reszoo.bench.protocol import Loaded, Sample, Sampled
from reszoo.bench.targets.local import LocalTarget
from reszoo.core.documents import write_json
from reszoo.core.hosts import describe
from reszoo.core.measured import Failure, Measurement, Scenario
from reszoo.core.types import Artifact
from reszoo.export import artifacts

REASONS = {
    "hangs": "did not answer for",
    "dies": "killed by SIGABRT",
    "exits": "exit code 7",
    "raises": "exit code 1",
    "rubbish": "something that is not the protocol",
}


@pytest.mark.parametrize(("way", "reason"), REASONS.items())
def test_a_worker_that_fails_becomes_a_failure_with_its_reason(
    artifact: Artifact, quick: Scenario, bad_worker: str, way: str, reason: str
) -> None:
    scenario = replace(quick, runtime="bad", variant=way)
    failed = measure(artifact, scenario, target=LocalTarget(bad_worker), patience_s=2.0 if way == "hangs" else 60.0)
    assert isinstance(failed, Failure)
    assert reason in failed.reason
    expected = {"dies": "about to abort", "raises": "ValueError: kernel failed"}.get(way, "")
    assert expected in failed.output


def test_a_runtime_that_prints_does_no_harm(artifact: Artifact, quick: Scenario, bad_worker: str) -> None:
    measured = measure(artifact, replace(quick, runtime="bad", variant="chatters"), target=LocalTarget(bad_worker))
    assert isinstance(measured, Measurement)


def test_a_worker_that_runs_out_of_memory_says_so(artifact: Artifact, quick: Scenario, bad_worker: str) -> None:
    probe = ControlGroup.create()
    if probe is None:
        pytest.skip("this process may not make control groups")
    probe.close()
    with LocalTarget(bad_worker).worker(
        artifact, replace(quick, runtime="bad", variant="eats"), patience_s=60.0
    ) as worker:
        assert worker.group
        worker.ask(load_request(worker, describe()), Loaded)
        worker.group.limit(150 << 20)
        with pytest.raises(WorkerError, match="ran out of memory"):
            worker.ask(Sample(seconds=60.0, runs_per_sample=1, settle=0), Sampled)


def test_a_model_that_is_none_becomes_a_failure_with_its_reason(
    artifact: Artifact, quick: Scenario, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"this is no ONNX file")
    forged = replace(artifact, path=folder, files=(artifacts.record(folder / "model.onnx"),))
    write_json(folder / "artifact.json", forged)
    failed = measure(forged, quick)
    assert isinstance(failed, Failure)
    assert "cannot load" in failed.reason
    assert "INVALID_PROTOBUF" in failed.reason


def test_an_artifact_that_was_replaced_is_not_measured(artifact: Artifact, quick: Scenario) -> None:
    other = replace(artifact, files=(replace(artifact.files[0], sha256="0" * 64),))
    failed = measure(other, quick)
    assert isinstance(failed, Failure)
    assert "was replaced" in failed.reason


def test_an_artifact_that_is_gone_becomes_a_failure(artifact: Artifact, quick: Scenario, tmp_path: Path) -> None:
    failed = measure(replace(artifact, path=tmp_path / "gone"), quick)
    assert isinstance(failed, Failure)
    assert "gone/model.onnx cannot be read" in failed.reason
    assert "Export it again" in failed.fix


def test_a_worker_that_is_killed_becomes_a_failure(artifact: Artifact, quick: Scenario) -> None:
    def kill_worker(stage: str, done: float = 0, total: float | None = None, /) -> None:
        if stage == "warming up":
            for pid in children(os.getpid()):
                os.kill(pid, signal.SIGKILL)

    failed = measure(artifact, quick, progress=kill_worker)
    assert isinstance(failed, Failure)
    assert "killed by SIGKILL" in failed.reason


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_harness_that_is_stopped_leaves_no_worker_behind(
    artifact: Artifact, quick: Scenario, how: signal.Signals
) -> None:
    """SIGKILL too: the worker asks the kernel to die with its parent, and even a stopped one does."""
    program = (
        "import sys; from pathlib import Path\n"
        "from reszoo.export import artifacts\n"
        "from reszoo.bench.harness import measure\n"
        "from reszoo.core.measured import Scenario\n"
        "import msgspec\n"
        "scenario = msgspec.json.decode(sys.argv[2], type=Scenario)\n"
        "say = lambda stage, *_: print(stage, flush=True)\n"
        "measure(artifacts.read(Path(sys.argv[1])), scenario, progress=say)\n"
    )
    long = replace(quick, sampling_limit_s=60.0, precision=1e-6)
    command = [sys.executable, "-c", program, str(artifact.path), msgspec.json.encode(long).decode()]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as harness:
        assert harness.stdout
        assert [harness.stdout.readline() for _ in range(3)][-1] == b"sampling\n"
        workers = children(harness.pid)
        assert workers
        os.kill(workers[0], signal.SIGSTOP)
        harness.send_signal(how)
        assert harness.wait(timeout=20) != 0
    wait_until_gone(workers)
    end = time.monotonic() + 10  # an ended worker keeps its group until init has waited for it
    while groups := groups_after_the_next_start(harness.pid):
        assert time.monotonic() < end, groups
        time.sleep(0.1)


def groups_after_the_next_start(pid: int) -> list[Path]:
    """The control groups of a harness that is gone. Making one removes what a killed harness left behind."""
    if (probe := ControlGroup.create()) is None:
        return []
    groups = list(probe.folder.parent.glob(f"reszoo-{pid}-*"))
    probe.close()
    return groups
