"""A data set as it was when it was opened. Who reads on after it was replaced is told, and gets no mixture of two.

A data set is replaced as a whole folder, so its document is another file then.
"""

from pathlib import Path
from typing import NamedTuple

from ..core.errors import ReszooError
from . import info


class Snapshot(NamedTuple):
    """`seen` tells the document from any other: its file system, its inode, and when it was written."""

    name: str
    document: Path
    seen: tuple[int, int, int] | None

    def check(self) -> None:
        """Raises ReszooError if another data set has taken its place. To be called after what was read."""
        if self.seen is None or _seen(self.document) != self.seen:
            raise ReszooError(f"the data set {self.name} was replaced or removed while it was read", "Run it again.")


def taken(name: str) -> Snapshot:
    """Of the installed data set."""
    document = (info.home(name) / info.DOCUMENT).absolute()
    return Snapshot(name, document, _seen(document))


def _seen(document: Path) -> tuple[int, int, int] | None:
    try:
        status = document.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
