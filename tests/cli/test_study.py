"""`reszoo study`, as its users type it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from coins import coins
from inprocess import reszoo
from processes import children, started, told, wait_until_gone

COMMAND = [sys.executable, "-c", "from reszoo.cli.main import main; main()"]
FLOW = ("study", "gradient-flow", "--scale", "smoke", "--seeds", "1", "--workers", "1")


def finished(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "runs").glob("*.json")}


def wait_for(state: Callable[[], bool], run: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 300
    while not state():
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


def test_killed_in_the_middle_it_goes_on_from_what_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with started([*COMMAND, *FLOW, "--out", str(out)]) as run:
        wait_for(lambda: len(finished(out)) >= 3, run)
        workers = children(run.pid)
        run.send_signal(signal.SIGKILL)
        run.wait()
        wait_until_gone(workers)  # none of them goes on alone
    kept = finished(out)
    assert 3 <= len(kept) < 28
    assert not (out / "result.json").exists()

    refused = reszoo(*FLOW, "--out", out)
    assert refused.returncode == 2
    assert "Give --resume to go on with it" in refused.stderr

    done = reszoo(*FLOW, "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert "28 runs, " in done.stdout
    now = finished(out)
    assert len(now) == 28
    assert {name: now[name] for name in kept} == kept
    assert (out / "README.md").is_file()
    assert not list(tmp_path.glob("**/.staging-*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_what_is_finished_stays(number: int, code: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with started([*COMMAND, *FLOW, "--out", str(out)], stderr=subprocess.PIPE, text=True) as run:
        wait_for(lambda: len(finished(out)) >= 1, run)
        os.killpg(run.pid, number)  # as a terminal does
        assert run.stderr is not None
        assert "Traceback" not in run.stderr.read()
    assert run.returncode == code
    assert 1 <= len(finished(out)) < 28


def test_a_worker_that_is_killed_is_told_of_and_what_is_finished_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with started([*COMMAND, *FLOW, "--out", str(out)], stderr=subprocess.PIPE, text=True) as run:
        wait_for(lambda: len(finished(out)) >= 1, run)
        for worker in children(run.pid):
            if "spawn_main" in told(worker, "cmdline"):  # the other child counts what the processes share
                os.kill(worker, signal.SIGKILL)
        assert run.stderr is not None
        said = run.stderr.read()
    assert run.returncode == 1
    assert said.splitlines()[-2].startswith("error: a worker ended")
    assert "give --resume to go on" in said
    assert "Traceback" not in said
    assert 1 <= len(finished(out)) < 28


def test_its_verdicts_are_a_table_or_json(tmp_path: Path) -> None:
    with coins(tmp_path / "mine"):
        from concurrent.futures import ThreadPoolExecutor

        with pytest.MonkeyPatch.context() as patch:  # processes would not know the new file
            patch.setattr("reszoo.core.executors.local", ThreadPoolExecutor)
            shown = reszoo("study", "coins", "--scale", "smoke", cwd=tmp_path)
            again = reszoo("study", "coins", "--scale", "smoke", "--resume", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "bent-is-bent" in shown.stdout
    assert "supported" in shown.stdout
    assert "Everything is in studies-out/coins/README.md" in shown.stderr.replace("\n", "")
    document = json.loads(again.stdout)
    assert document["findings"][0]["verdict"] == "supported"
    assert document["settings"] == {"scale": "smoke", "data": "digits", "seeds": 5}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("gradient-flaw",), 2, "unknown study 'gradient-flaw'\nDid you mean gradient-flow?"),
        (("gradient-flow", "--scale", "huge"), 2, "Invalid value for '--scale'"),
        (("gradient-flow", "--data", "digit"), 2, "Did you mean digits?"),
        (("gradient-flow", "--data", "cifar10"), 3, "Download it with `reszoo data get cifar10`"),
        (("gradient-flow", "--seeds", "0"), 2, "Invalid value for '--seeds'"),
    ],
)
def test_mistakes_are_explained(arguments: tuple[str, ...], code: int, says: str, tmp_path: Path) -> None:
    done = reszoo("study", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert not (tmp_path / "studies-out").exists()


def test_without_a_gpu_that_scale_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = reszoo("study", "gradient-flow", "--scale", "gpu", cwd=tmp_path)
    assert done.returncode == 3
    assert "Use --scale cpu" in done.stderr


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "me.jpg").touch()
    done = reszoo("study", "gradient-flow", "--scale", "smoke", "--out", tmp_path, "--resume")
    assert done.returncode == 2
    assert "choose another --out" in done.stderr
