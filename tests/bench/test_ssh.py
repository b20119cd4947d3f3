"""A board over ssh: what is measured there, and what is said when it cannot be. The sshd and the lines are real."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from inprocess import reszoo as verb
from msgspec.structs import replace
from processes import children, started, state, wait_until_gone
from smalldisk import mounted
from sshd import NAME, Board, board

import reszoo
from reszoo import zoo
from reszoo.bench.comparison import Contestant, Effort, compare
from reszoo.bench.harness import load_request, measure
from reszoo.bench.predictions import Predictions
from reszoo.bench.protocol import Loaded
from reszoo.bench.target import parse_target
from reszoo.bench.targets.ssh import SshTarget
from reszoo.core.errors import UnavailableError
from reszoo.core.measured import MEASURED, Comparison, Failure, Measurement, Scenario
from reszoo.core.types import Artifact
from reszoo.export import export

REF = "resnet8_v1.reszoo_digits"


@pytest.fixture(scope="module")
def the_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with board(tmp_path_factory.mktemp("board")) as found:
        yield found


@pytest.fixture
def device(the_board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """With an empty folder, and a client's configuration of this test's own."""
    the_board.device_folder = tmp_path / "device"
    the_board.trust()
    for name, value in the_board.environment.items():
        monkeypatch.setenv(name, value)
    return the_board


@pytest.fixture
def there(device: Board) -> Iterator[SshTarget]:
    with SshTarget(device.target) as target:
        yield target


def agents(device: Board) -> list[int]:
    """Those that run there: a worker's file stands in their command."""
    pattern = f"{device.device_folder}/worker-[0-9a-f]*.pyz agent"
    listed = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def wrapper(folder: Path, line: str) -> str:
    """A Python of the device's that is not as it should be."""
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    return f"ssh://{NAME}{program}"


def test_what_is_measured_there_is_what_is_measured_here(
    device: Board, artifact: Artifact, quick: Scenario, tmp_path: Path
) -> None:
    with SshTarget(device.target) as target:
        measured = measure(artifact, replace(quick, target=target.name), target=target)
        agent, *_ = agents(device)
    assert isinstance(measured, Measurement), measured
    assert measured.way == MEASURED
    assert measured.subject.scenario.target == device.target
    assert measured.host.machine == os.uname().machine
    assert measured.host.versions["onnxruntime"]
    assert measured.memory.taken_bytes > 1 << 20
    assert measured.cold_start.import_s > 0
    assert measured.conditions.load_before is not None
    wait_until_gone([agent])
    kept = sorted(path.name for path in device.store.glob("*/*"))
    assert kept == ["artifact.json", "inputs.npy", "model.onnx"]


def test_what_lies_there_is_not_sent_again(
    there: SshTarget, artifact: Artifact, quick: Scenario, device: Board
) -> None:
    with there.worker(artifact, quick, patience_s=60.0):
        before = {path: path.stat().st_mtime_ns for path in device.store.rglob("*")}
    with there.worker(artifact, quick, patience_s=60.0):
        assert {path: path.stat().st_mtime_ns for path in device.store.rglob("*")} == before
    assert there.clean() > 1000
    assert list(device.store.iterdir()) == []


def test_a_worker_that_waits_stands_still(there: SshTarget, device: Board, artifact: Artifact, quick: Scenario) -> None:
    with there.worker(artifact, quick, patience_s=60.0) as worker:
        worker.ask(load_request(worker, there.host()), Loaded)
        (agent,) = agents(device)
        (child,) = children(agent)
        worker.pause()
        assert state(child) == "T"
        worker.resume()
        logits = worker.predict(np.zeros((1, 1, 8, 8), np.float32))
        assert logits.shape == (1, 10)
    assert state(child) in ("", "Z")


@pytest.mark.alone
def test_contestants_are_compared_there(there: SshTarget, artifact: Artifact, quick: Scenario) -> None:
    contestant = Contestant(artifact, replace(quick, target=there.name))
    found = compare([contestant, contestant], Effort(1.0, 0.1, round_s=0.2, least_rounds=2), target=there)
    assert isinstance(found, Comparison), found
    assert 0.5 < found.ratios[0].value < 2
    assert found.conditions[0].foreign_cpu_s is not None


def test_answers_are_those_that_are_given_here(device: Board, artifact: Artifact, tmp_path: Path) -> None:
    checkpoint = zoo.load(REF)
    here = reszoo.load_artifact(artifact.path).evaluate("digits")
    there = reszoo.load_artifact(artifact.path).evaluate("digits", target=device.target)
    assert there.predictions.images_sha256 == here.predictions.images_sha256
    assert np.array_equal(there.predictions.top5, here.predictions.top5)
    assert there.predictions.logits == pytest.approx(here.predictions.logits, abs=1e-5)
    measured = verb(
        *("bench", checkpoint.ref, "--target", device.target, "--accuracy", "digits", "--half-width", "90%"),
        *("--time-limit", "0.05", "--out", tmp_path / "results"),
    )
    assert measured.returncode == 0, measured.stderr
    assert f"target {device.target}" in measured.stdout
    assert "measured" in measured.stdout
    (kept,) = (tmp_path / "results").glob("*.predictions.safetensors")
    assert Predictions.read(kept).correct == here.correct


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ssh://nobody.invalid", "nobody knows that name"),
        ("ssh://127.0.0.1:1", "nothing listens there"),
        (f"ssh://{NAME}/nowhere/python3", "there is no /nowhere/python3 on board"),
        (f"ssh://{NAME}/bin/ls", "board cannot be used"),
    ],
)
def test_a_device_that_cannot_be_reached_says_why(device: Board, name: str, reason: str) -> None:
    with pytest.raises(UnavailableError, match=reason) as caught, parse_target(name):
        pass
    assert caught.value.fix


def test_a_host_key_that_is_not_known_or_has_changed_is_refused(device: Board) -> None:
    known = device.folder / "known_hosts"
    known.unlink()
    with pytest.raises(UnavailableError, match="its host key is not known here"), parse_target(device.target):
        pass
    assert not known.exists()  # nothing was trusted by itself
    other = (device.folder / "user_key.pub").read_text()
    known.write_text(f"[127.0.0.1]:{device.port} {other}")
    with pytest.raises(UnavailableError, match="not the one that it had") as caught, parse_target(device.target):
        pass
    assert "ssh-keygen -R" in caught.value.fix


def test_nobody_is_asked_for_a_password(device: Board) -> None:
    keys = device.folder / "user_key.pub"
    allowed = keys.read_text()
    keys.write_text("")
    try:
        with pytest.raises(UnavailableError, match="asks for a password or another key"), parse_target(device.target):
            pass
    finally:
        keys.write_text(allowed)


def test_a_python_that_is_too_old_says_so(device: Board, tmp_path: Path) -> None:
    pretend = "import sys; sys.version_info = (3, 8, 10); sys.version = '3.8.10 (old)'; sys.argv = sys.argv[2:]"
    older = f"{pretend}; exec(sys.argv[0])"
    name = wrapper(tmp_path, f'exec {sys.executable} -c {shlex.quote(older)} "$@"')
    with (
        pytest.raises(UnavailableError, match=r"Python on board is 3.8.10, and has to be 3.9 or newer"),
        SshTarget(name),
    ):
        pass


def test_a_device_without_the_runtime_says_how_to_install_it(device: Board, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", empty], check=True)
    name = f"ssh://{NAME}{empty}/bin/python"
    done = verb("bench", REF, "--target", name, "--runtime", "onnxruntime")
    assert done.returncode == 3, done.stderr
    assert "has no package onnxruntime" in done.stderr
    assert "-m pip install numpy onnxruntime" in done.stderr


def test_a_runtime_that_was_built_for_another_system_fails_with_the_loaders_words(
    device: Board, artifact: Artifact, quick: Scenario, tmp_path: Path
) -> None:
    said = "/lib/libm.so.6: version `GLIBC_2.38' not found"
    (tmp_path / "onnxruntime.py").write_text(f"raise ImportError({said!r})\n")
    name = wrapper(tmp_path, f'PYTHONPATH={tmp_path} exec {sys.executable} "$@"')
    with SshTarget(name) as target:
        failed = measure(artifact, replace(quick, target=name), target=target)
    assert isinstance(failed, Failure)
    assert failed.reason == f"onnxruntime cannot be imported: {said}"


def test_a_machine_that_no_wheel_is_for_is_named(there: SshTarget) -> None:
    there.facts["host"]["machine"] = "armv7l"
    there.facts["modules"]["onnxruntime"] = False
    missing = there.engines()["onnxruntime"].unavailable("cpu")
    assert missing is not None
    assert "armv7l" in missing.reason
    assert "PyPI has it for x86_64 and aarch64 only" in missing.reason


def test_what_would_have_to_be_built_there_says_how_to_do_it_by_hand(there: SshTarget) -> None:
    missing = there.engines()["c"].unavailable("cpu")
    assert missing is not None
    assert "reszoo builds nothing on a device" in missing.reason
    assert "`make check`" in missing.fix


def test_an_artifact_that_nothing_runs_there_is_told_what_does(device: Board, tmp_path: Path) -> None:
    made = export(zoo.load(REF), "torch", out=tmp_path / "torch")
    done = verb("bench", made.path, "--target", device.target)
    assert done.returncode == 3, done.stderr
    assert "torch on ssh://board" in done.stderr
    assert "--runtime onnxruntime" in done.stderr
    done = verb("bench", made.path, "--target", device.target, "--runtime", "onnxruntime")
    assert "it is in format torch, and onnxruntime runs onnx, ort" in done.stderr


def test_two_at_once_on_one_device_disturb_nobody(
    there: SshTarget, device: Board, artifact: Artifact, quick: Scenario
) -> None:
    with (
        pytest.raises(UnavailableError, match="board is busy: another reszoo measures on it since"),
        SshTarget(device.target),
    ):
        pass
    assert isinstance(measure(artifact, replace(quick, target=there.name), target=there), Measurement)


def test_of_several_devices_one_that_is_away_is_a_row(device: Board, tmp_path: Path) -> None:
    both = f"{device.target},ssh://nobody.invalid"
    done = verb(
        *("bench", REF, "--target", both, "--runtime", "onnxruntime", "--half-width", "90%", "--time-limit", "0.05"),
        *("--out", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout
    assert "ssh://nobody.invalid: not available here: nobody.invalid cannot be reached" in done.stderr


@pytest.mark.parametrize(("size", "reason"), [("24k", "cannot be stored on board"), ("150k", "No space left")])
def test_a_full_disk_is_a_reason_and_leaves_nothing(
    device: Board, artifact: Artifact, quick: Scenario, tmp_path: Path, size: str, reason: str
) -> None:
    with mounted(device.device_folder, f"size={size}"):
        try:
            with SshTarget(device.target) as target:
                failed = measure(artifact, replace(quick, target=target.name), target=target)
                assert isinstance(failed, Failure)
                said = failed.reason
        except UnavailableError as error:
            said = error.problem
        assert reason in said
        left = [path.name for path in device.device_folder.rglob("*") if "coming" in path.name or ".pyz." in path.name]
        assert left == []
        wait_until_gone(agents(device))


def on_the_line(device: Board) -> None:
    """End the connection's process on the device's side, as a reboot does."""
    for pid in device.sessions():
        os.kill(pid, signal.SIGKILL)


def of_ours(target: SshTarget) -> None:
    assert target.device
    os.kill(target.device.process.pid, signal.SIGKILL)


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_line_that_is_cut_is_a_failed_row_and_the_next_one_is_measured(
    there: SshTarget, device: Board, artifact: Artifact, quick: Scenario, is_ours: bool
) -> None:
    slow = replace(quick, target=there.name, precision=1e-9, sampling_limit_s=60.0)
    cut: Callable[[], None] = (lambda: of_ours(there)) if is_ours else (lambda: on_the_line(device))
    before = agents(device)

    def stage(name: str, *_: object) -> None:
        if name == "sampling":
            threading.Timer(0.3, cut).start()

    failed = measure(artifact, slow, target=there, progress=stage)
    assert isinstance(failed, Failure)
    assert "the line to board was lost" in failed.reason
    wait_until_gone(before)
    end = time.monotonic() + 30  # a device that has ended its agent is free again
    while not isinstance(again := measure(artifact, replace(quick, target=there.name), target=there), Measurement):
        assert time.monotonic() < end, again
        time.sleep(0.5)


def test_a_harness_that_falls_silent_is_not_waited_for(tmp_path: Path) -> None:
    """As when a line is lost that nobody closes."""
    from reszoo.bench.device.packing import packed

    file = tmp_path / "worker.pyz"
    file.write_bytes(packed().data)
    program = (
        f"import sys; sys.path.insert(0, {str(file)!r}); sys.argv = [{str(file)!r}]\n"
        "from reszoo.bench.device import agent\n"
        f"agent.SILENCE_S = 0.5; agent.main({str(tmp_path)!r})\n"
    )
    with started([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        assert agent.stdout
        assert b'"do": "begin"' in agent.stdout.readline()
        assert agent.wait(20) == 0


def test_doctor_says_what_runs_there(device: Board) -> None:
    done = verb("doctor", "--target", device.target)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout
    assert "Measuring there, now" in done.stdout
    assert verb("target", "clean", device.target).returncode == 0
