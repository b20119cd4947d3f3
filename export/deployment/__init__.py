"""What makes an artifact's folder deployable by itself: labels.txt, README.md and run.py, beside the model."""

from pathlib import Path

from ...core.types import Artifact, Checkpoint, FileRecord
from ..artifacts import record
from .readme import readme
from .script import find_entry, script


def write(artifact: Artifact, checkpoint: Checkpoint, runtime_name: str, folder: Path) -> tuple[FileRecord, ...]:
    """Write the companions of the model in `folder`; gives their records.

    run.py is for this runtime. It is left out, and the README says so, where that cannot run the files without reszoo.
    """
    entry = find_entry(artifact, runtime_name)
    texts = {"README.md": readme(artifact, checkpoint, runtime_name, entry), "labels.txt": _lines(artifact.labels)}
    if entry:
        texts["run.py"] = script(entry)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(record(folder / name) for name in texts)


def _lines(labels: tuple[str, ...]) -> str:
    """A line a class, whatever is in its name."""
    return "".join(f"{' '.join(label.split())}\n" for label in labels)
