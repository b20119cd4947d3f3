"""Artifacts and inputs on a device: a folder each, called by its content, whole or not at all."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

COMING = ".coming-"
CHUNK_BYTES = 1 << 20


class Store:
    """Nobody else is at work in it: the agent holds the device's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.sweep()  # after an agent that was killed

    def path(self, key: str) -> Path:
        return self.folder / key

    def has(self, key: str) -> bool:
        return self.path(key).is_dir()

    def put(self, key: str, name: str, size_bytes: int, sha256: str, read: Callable[[int], bytes]) -> None:
        """One of a folder's files. Raises ValueError where its bytes are not those that were meant, or OSError."""
        path = self.folder / (COMING + key) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        found, left = hashlib.sha256(), size_bytes
        with path.open("wb") as file:
            while left:
                data = read(min(left, CHUNK_BYTES))
                found.update(data)
                left -= len(data)
                file.write(data)
        if found.hexdigest() != sha256:
            raise ValueError(f"{name} was damaged on its way")

    def keep(self, key: str) -> None:
        """All files of the folder have come."""
        (self.folder / (COMING + key)).replace(self.path(key))

    def drop(self, key: str) -> None:
        """What has come of the folder so far."""
        shutil.rmtree(self.folder / (COMING + key), ignore_errors=True)

    def sweep(self) -> None:
        """Remove what has not come as a whole."""
        for left in self.folder.glob(COMING + "*"):
            shutil.rmtree(left)

    def clean(self) -> int:
        """Remove everything. Returns its bytes."""
        sizes = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file()]
        for path in self.folder.iterdir():
            shutil.rmtree(path)
        return sum(sizes)
