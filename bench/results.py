"""Measurements on disk: one JSON document each."""

from pathlib import Path

from ..core.documents import write_json
from ..core.types import Measurement


def write(folder: Path, measurement: Measurement) -> Path:
    """Write it under a name that says what it is of and when it began, to the millisecond."""
    path = folder / f"{_name(measurement)}.json"
    write_json(path, measurement)
    return path


def _name(measurement: Measurement) -> str:
    scenario = measurement.scenario
    what = f"{measurement.source_ref}.{measurement.artifact_format}-{measurement.precision}"
    what += f"-{measurement.artifact_sha256[:8]}"
    how = f"{scenario.runtime_name.replace(':', '-')}.{scenario.device}.t{scenario.threads}.b{scenario.batch}"
    return f"{what}.{how}.{measurement.started_at.replace(':', '')}"
