"""Measurements on disk: one JSON document each, beside the predictions that its accuracy was counted from."""

import re
from pathlib import Path

from ..core.documents import write_json
from ..core.measured import LOCAL, Among, Comparison, Measurement, Scenario, Subject
from ..core.types import Artifact, FileRecord


def write(folder: Path, measurement: Measurement) -> Path:
    """Write it under a name that says what it is of and when it began, to the millisecond."""
    return _write(folder, f"{_name(measurement.subject)}.{_stamp(measurement.started_at)}", measurement)


def write_comparison(folder: Path, comparison: Comparison) -> Path:
    return _write(folder, f"compare.{_name(comparison.subjects[0])}.{_stamp(comparison.started_at)}", comparison)


def predictions_path(
    folder: Path,
    artifact: Artifact,
    scenario: Scenario,
    dataset: str,
    split: str,
    *,
    among: Among | None = None,
    classes: FileRecord | None = None,
) -> Path:
    """The same artifact's predictions on the same runtime take each other's place, if they answer the same question.

    `among` and `classes` are the accuracy's: what answers are chosen among, and the file that tells the classes.
    """
    model = _model(artifact.source_ref, artifact.format, artifact.precision, artifact.sha256)
    chosen = f"-among-{among}" if among else ""
    said = f"-{classes.sha256[:8]}" if classes else ""
    return folder / f"{model}.{_runtime(scenario)}.{dataset}-{split}{chosen}{said}.predictions.safetensors"


def _write(folder: Path, name: str, record: Measurement | Comparison) -> Path:
    path = folder / f"{name}.json"
    write_json(path, record)
    return path


def _name(subject: Subject) -> str:
    scenario = subject.scenario
    model = _model(subject.source_ref, subject.artifact_format, subject.precision, subject.artifact_sha256)
    streams = f".s{scenario.streams}" if scenario.streams > 1 else ""
    cold = ".cold" if scenario.cold_cache else ""
    return f"{model}.{_runtime(scenario)}.t{scenario.threads}.b{scenario.batch}{streams}{cold}"


def _model(ref: str, format_name: str, precision: str, sha256: str) -> str:
    return f"{_safe(ref)}.{format_name}-{precision}-{sha256[:8]}"  # a checkpoint of one's own may have any name


def _runtime(scenario: Scenario) -> str:
    target = f"{_safe(scenario.target)}." if scenario.target != LOCAL else ""
    return f"{target}{scenario.runtime_name.replace(':', '-')}.{scenario.device}"


def _safe(text: str) -> str:
    return re.sub(r"[^\w.+-]", "_", text)


def _stamp(started_at: str) -> str:
    return started_at.replace(":", "")
