"""Trackers: the figures of training and of studies, read back as their users read them."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import reszoo
from reszoo.core.errors import UnavailableError, UsageError
from reszoo.core.tracking import tracker


def trained(out: Path, *trackers: str) -> reszoo.Checkpoint:
    changes = {"epochs": 2, "lr": 0.05}
    return reszoo.train("resnet8_v1", data="digits", changes=changes, out=out, trackers=trackers, tag="tracked")


def logged_by_mlflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=folder.as_uri())
    experiment = client.get_experiment_by_name("reszoo")
    assert experiment is not None
    return [(run, client) for run in client.search_runs([experiment.experiment_id])]


@pytest.mark.skipif(find_spec("mlflow") is None, reason="the extra mlflow is not installed")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_training_goes_to_every_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, folder = tmp_path / "new" / "curve.jsonl", tmp_path / "mlruns"
    made = trained(tmp_path / "made", f"jsonl:{lines}", f"mlflow:{folder}")
    begun, *rows = map(json.loads, lines.read_text().splitlines())
    assert begun["run"] == made.ref == "resnet8_v1.tracked"
    assert begun["facts"]["recipe.epochs"] == "2"
    assert len(rows) == 2
    ((run, client),) = logged_by_mlflow(folder, monkeypatch)
    assert run.info.run_name == made.ref
    assert run.info.status == "FINISHED"
    assert run.data.params["recipe.lr"] == "0.05"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(row["step"], row["loss"]) for row in rows]


@pytest.mark.skipif(find_spec("mlflow") is None, reason="the extra mlflow is not installed")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_study_tells_of_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, lines = tmp_path / "mlruns", tmp_path / "runs.jsonl"
    trackers = [f"mlflow:{folder}", f"jsonl:{lines}"]
    found = reszoo.study("gradient-flow", scale="smoke", seeds=1, out=tmp_path / "out", workers=1, trackers=trackers)
    runs = logged_by_mlflow(folder, monkeypatch)
    assert len(runs) == found.runs
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len({row["run"] for row in rows}) == found.runs
    assert all(run.data.metrics["core_s"] > 0 for run, _ in runs)
    again = reszoo.study("gradient-flow", scale="smoke", seeds=1, out=tmp_path / "out", resume=True, trackers=trackers)
    assert again.runs == found.runs
    assert len(logged_by_mlflow(folder, monkeypatch)) == found.runs  # what was done is not told again


def test_tensorboard_is_written_where_it_is_installed(tmp_path: Path) -> None:
    if find_spec("tensorboard") is None:
        with pytest.raises(UnavailableError, match="tensorboard is not installed"):
            tracker(f"tensorboard:{tmp_path}")
        return
    trained(tmp_path / "made", f"tensorboard:{tmp_path / 'events'}")
    (events,) = (tmp_path / "events" / "resnet8_v1.tracked").iterdir()
    assert b"val_accuracy" in events.read_bytes()


@pytest.mark.parametrize("wrong", ["wandb:here", "jsonl", "jsonl:"])
def test_what_is_no_tracker_is_said_before_anything_is_done(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        trained(tmp_path / "made", wrong)
    assert not (tmp_path / "made").exists()
