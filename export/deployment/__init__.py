"""What makes an artifact's folder deployable by itself: labels.txt, README.md and run.py, beside the model."""

from pathlib import Path

from ...core.types import Artifact, Candidate, Checkpoint, FileRecord
from ..artifacts import record
from .readme import readme
from .script import SCRIPT, find_entry, script


def write(artifact: Artifact, checkpoint: Checkpoint, runtime_name: str, folder: Path) -> tuple[FileRecord, ...]:
    """Write the companions of the model in `folder`; gives their records.

    run.py is for this runtime. It is left out, and the README says so, where that cannot run the files without reszoo.
    """
    entry = find_entry(artifact, runtime_name)
    _write(folder, "README.md", readme(artifact, checkpoint, runtime_name, entry))
    _write(folder, "labels.txt", "".join(f"{' '.join(label.split())}\n" for label in artifact.labels))
    write_script(artifact, runtime_name, folder)
    return tuple(record(folder / name) for name in ("README.md", "labels.txt", *([SCRIPT] if entry else [])))


def write_script(model: Candidate, runtime_name: str, folder: Path) -> None:
    """run.py alone, if there is one for these files: the proof runs it before there is anything to say of the model."""
    if entry := find_entry(model, runtime_name):
        _write(folder, SCRIPT, script(entry))


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")
