"""A file that is not whole yet: its bytes in `<name>.reszoo-part`, and beside them, in JSON, which bytes those are."""

import os
from pathlib import Path
from typing import BinaryIO

import msgspec

from .cleaning import public
from .errors import ReszooError
from .imposters import HEAD_BYTES, refuse_content
from .types import Record

PART_SUFFIX = ".reszoo-part"  # by which everybody can tell whose it is
ORIGIN_SUFFIX = ".reszoo-part.json"
OTHER_FILE = "It is another file now: update reszoo, or name a mirror that has the right one with RESZOO_MIRROR."


class Origin(Record, frozen=True, kw_only=True):
    """Where the bytes come from. `url` is as `cleaning.public` gives it, since this is written to disk;
    `validator` is the ETag or the date that If-Range takes, and tells the file's version; `sha256` is the
    whole file's, if the server states it.
    """

    url: str
    validator: str | None
    total_bytes: int | None
    sha256: str | None


class PartialFile:
    """The beginning of `target`, which is `expected_bytes` long when it is whole (None: unknown)."""

    def __init__(self, target: Path, expected_bytes: int | None) -> None:
        self.path = target.with_name(target.name + PART_SUFFIX)
        self.origin_path = target.with_name(target.name + ORIGIN_SUFFIX)
        self.expected_bytes = expected_bytes

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self, url: str) -> Origin | None:
        """Where the bytes come from; None if they cannot be gone on with from `url`, and the file starts again."""
        try:
            origin = msgspec.json.decode(self.origin_path.read_bytes(), type=Origin)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return origin if origin.url == public(url) and origin.validator and self.size() > 0 else None

    def start(self, origin: Origin) -> None:
        self.path.write_bytes(b"")  # first: old bytes must never stand beside a new origin
        self.origin_path.write_bytes(msgspec.json.encode(origin))  # half of it would be no JSON, and no origin

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.origin_path.unlink(missing_ok=True)

    def refuse_excess(self, size_bytes: int, where: str) -> None:
        """Called before bytes are written: none more than expected reaches the disk."""
        if self.expected_bytes is not None and size_bytes > self.expected_bytes:
            self.discard()
            raise ReszooError(f"{where} is {size_bytes} bytes or more, expected {self.expected_bytes}", OTHER_FILE)

    def refuse_shortage(self, where: str) -> None:
        """Called when all that was announced has come."""
        if self.expected_bytes is not None and (size := self.size()) < self.expected_bytes:
            self.discard()
            raise ReszooError(f"{where} is {size} bytes, expected {self.expected_bytes}", OTHER_FILE)

    def refuse_imposter(self, where: str) -> None:
        """Called when something has come: its beginning may tell that it is no such file."""
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        try:
            refuse_content(head, where)
        except ReszooError:
            self.discard()
            raise


def to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
