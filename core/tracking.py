"""Where the figures of runs go besides their own folder: one interface for training and for studies.

jsonl:FILE        a line of JSON for each step
tensorboard:DIR   event files, in a folder for each run
mlflow:DIR        MLflow's files, as `mlflow ui --backend-store-uri DIR` reads them, or the address of its server
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from .errors import UsageError
from .missing import require
from .registry import unknown


class Tracker(Protocol):
    """Is told of runs, several of which may go on at once. One that goes on after an interruption begins again."""

    def began(self, run: str, facts: Mapping[str, str]) -> None:
        """Before the first figure: what decides the run, by name."""

    def logged(self, run: str, figures: Mapping[str, float], step: int) -> None:
        """Figures at that step."""

    def ended(self, run: str) -> None:
        """However it ended."""


def tracker(text: str) -> Tracker:
    """The tracker that "KIND:PLACE" names. Nothing is written before a run begins.

    Raises:
        UsageError: There is no such kind, or no place.
        UnavailableError: What writes it is not installed.
    """
    kind, colon, place = text.partition(":")
    if kind not in TRACKERS:
        raise unknown(kind, TRACKERS, "tracker")
    if not colon or not place:
        raise UsageError(f"{text!r} says no place", f"Write it as {kind}:PLACE.")
    made: Tracker = TRACKERS[kind](place)
    return made


class JsonLines:
    """Appends a line for each step to one file, and one for each beginning."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def began(self, run: str, facts: Mapping[str, str]) -> None:
        self._append({"run": run, "facts": dict(facts)})

    def logged(self, run: str, figures: Mapping[str, float], step: int) -> None:
        self._append({"run": run, "step": step, **figures})

    def ended(self, run: str) -> None: ...

    def _append(self, row: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


class TensorBoard:
    """Writes scalars through PyTorch's writer."""

    def __init__(self, folder: str) -> None:
        require("tensorboard", "to write for it", "tensorboard")
        self.folder, self.writers = Path(folder), dict[str, Any]()

    def began(self, run: str, facts: Mapping[str, str]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writers[run] = SummaryWriter(str(self.folder / run))

    def logged(self, run: str, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self.writers[run].add_scalar(name, value, step)

    def ended(self, run: str) -> None:
        self.writers.pop(run).close()


class MLflow:
    """Logs to MLflow's file store in a folder, or to a server."""

    EXPERIMENT = "reszoo"

    def __init__(self, place: str) -> None:
        require("mlflow", "to log to it", "mlflow")
        self.uri = place if "://" in place else Path(place).absolute().as_uri()
        self.runs = dict[str, str]()
        self._client: Any = None

    def began(self, run: str, facts: Mapping[str, str]) -> None:
        found = self.client.get_experiment_by_name(self.EXPERIMENT)
        experiment = found.experiment_id if found else self.client.create_experiment(self.EXPERIMENT)
        self.runs[run] = self.client.create_run(experiment, run_name=run).info.run_id
        for name, text in facts.items():
            self.client.log_param(self.runs[run], name, text)

    def logged(self, run: str, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self.client.log_metric(self.runs[run], name, value, step=step)

    def ended(self, run: str) -> None:
        self.client.set_terminated(self.runs.pop(run))

    @property
    def client(self) -> Any:
        if self._client is None:
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # which its makers maintain, but do not extend
            from mlflow import MlflowClient

            self._client = MlflowClient(tracking_uri=self.uri)
        return self._client


TRACKERS: dict[str, Any] = {"jsonl": JsonLines, "tensorboard": TensorBoard, "mlflow": MLflow}
