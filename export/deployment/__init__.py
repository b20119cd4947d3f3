"""What makes an artifact's folder deployable by itself, beside the model: labels.txt, README.md, run.py or a page."""

from pathlib import Path

from ...core.types import Artifact, Candidate, Checkpoint, FileRecord
from ..artifacts import record
from . import page
from .readme import readme
from .script import SCRIPT, find_entry, script


def write(artifact: Artifact, checkpoint: Checkpoint, runtime_name: str, folder: Path) -> tuple[FileRecord, ...]:
    """Write the companions of the model in `folder`; gives their records.

    run.py or the page is for this runtime. Where neither can be, it is left out, and the README says so.
    """
    _write(folder, "README.md", readme(artifact, checkpoint, runtime_name, find_entry(artifact, runtime_name)))
    _write(folder, "labels.txt", "".join(f"{' '.join(label.split())}\n" for label in artifact.labels))
    names = ("README.md", "labels.txt", *write_program(artifact, runtime_name, folder))
    return tuple(record(folder / name, folder) for name in names)


def write_program(model: Candidate, runtime_name: str, folder: Path) -> list[str]:
    """run.py or the page alone, if there is one for these files; gives the names of what was written.

    The proof runs it before there is anything to say of the model.
    """
    entry = find_entry(model, runtime_name)
    texts = {SCRIPT: script(entry)} if entry else page.texts(runtime_name)
    for name, text in texts.items():
        _write(folder, name, text)
    return list(texts)


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
