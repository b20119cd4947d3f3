"""The files that a run resumes from: two slots, written in turn, so that one is whole at any moment."""

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..core.errors import ReszooError
from ..core.files import write_atomic

SLOTS = ("resume-a.pt", "resume-b.pt")


class Slots:
    """Where a run in `folder` saves itself. A state is a dict of tensors and plain values.

    Its `step` and the number of its `rows` tell which of two is the newer one.
    """

    def __init__(self, folder: Path) -> None:
        self.paths = [folder / name for name in SLOTS]
        self._next = 0

    def exist(self) -> bool:
        return any(path.exists() for path in self.paths)

    def clear(self) -> None:
        """Forget the saves of a run that was here before."""
        for path in self.paths:
            path.unlink(missing_ok=True)

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the older slot. The other one stays whole whatever happens."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        write_atomic(self.paths[self._next], buffer.getvalue())
        self._next = 1 - self._next

    def load(self) -> dict[str, Any]:
        """The state of the newer slot, on the CPU. A broken slot is an error, never silently passed over."""
        states = [(path, _read(path)) for path in self.paths if path.exists()]
        path, state = max(states, key=lambda pair: (pair[1]["step"], len(pair[1]["rows"])))
        self._next = 1 - self.paths.index(path)
        return state


def _read(path: Path) -> dict[str, Any]:
    """torch.load does not look at the checksums that torch.save writes, so a flipped bit is found here."""
    try:
        with zipfile.ZipFile(path) as archive:
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"wrong checksum in {broken}")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        other = next(path.with_name(name) for name in SLOTS if name != path.name)
        fix = (
            f"Delete it: `resume=True` then goes on from the save before it, {other}."
            if other.exists()
            else f"Delete the folder {path.parent} and start again: there was no save before it."
        )
        raise ReszooError(f"{path} is broken: {str(error).splitlines()[0]}", fix) from error
