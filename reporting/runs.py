"""From what the user named to measurements: documents, and folders of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.documents import read_json
from ..core.errors import ReszooError, UsageError
from ..core.measured import Comparison, Measurement
from ..core.types import StrPath

FIX = "Measure again with reszoo bench, or leave this file out."


class Runs(NamedTuple):
    """`others` are the files of a folder that are known documents, but no measurements."""

    measurements: list[Measurement]
    others: list[Path]


def read(paths: Sequence[StrPath]) -> Runs:
    """Every measurement in these files and folders, each file once. A broken one is an error that names the field."""
    measurements: dict[Path, Measurement] = {}
    others: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UsageError(f"{path} does not exist", "Name a measurement, or a folder that reszoo bench wrote.")
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            if path.is_dir() and _is_comparison(file):
                others.append(file)
            elif file.resolve() not in measurements:
                measurements[file.resolve()] = _read(file)
    return Runs(list(measurements.values()), others)


def _read(file: Path) -> Measurement:
    measurement = read_json(file, Measurement, FIX)
    if not measurement.samples_s or min(measurement.samples_s) <= 0:
        raise ReszooError(f"{file}: samples_s must hold at least one time, and only times above 0", FIX)
    if not measurement.windows or min(window.seconds for window in measurement.windows) <= 0:
        raise ReszooError(f"{file}: windows must hold at least one window, and only seconds above 0", FIX)
    return measurement


def _is_comparison(file: Path) -> bool:
    try:
        read_json(file, Comparison, FIX)
    except ReszooError:
        return False  # `_read` says what is wrong with it as a measurement
    return True
