"""One file from the web: streamed, resumed, retried, verified. It appears only when it is whole and right.

While it comes down it lies beside its target as `<name>.reszoo-part`, so that a later process goes on where this one
stopped; `<name>.reszoo-lock` lets one process at a time work on it.

RESZOO_MIRROR   https://host/path becomes MIRROR/host/path; http://, https:// and file:// mirrors
RESZOO_OFFLINE  1: nothing is asked of the network
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from .cleaning import public
from .errors import NotFoundError, ReszooError, UnavailableError, UsageError
from .files import CHUNK_BYTES, cache_dir, explained, sha256_of
from .locks import locked
from .partial import PartialFile, to_disk
from .progress import Count, Progress, silent
from .refs import inside
from .transfer import download
from .types import Positive, Record

LONGEST_NAME = 50  # characters of a file's name that its name in the cache has


class WrongFileError(ReszooError):
    """What was downloaded has another hash than expected."""


class Source(Record, frozen=True, kw_only=True):
    """A file on the web and what is known of it: its sha256 or the first 8 or more hex digits of it, its length.

    `token` is for the host of `url` alone: no mirror gets it, nor where the host sends us on to, and no text shows it.
    """

    url: str
    sha256: str | None
    size_bytes: Positive | None = None
    token: str = ""

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://", "file://")):
            raise ValueError(f"{public(self.url)!r} is no https://, http:// or file:// address")
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{8,64}", self.sha256):
            raise ValueError(f"sha256 is {self.sha256!r}: expected 8 to 64 hex digits in lower case")

    def __repr__(self) -> str:
        return f"Source({public(self.url)})"


def place_of(url: str) -> Path:
    """Where a file from this address lies in the cache while it is needed."""
    key = hashlib.sha256(url.encode()).hexdigest()[:12]
    name = re.sub(r"[^\w.-]+", "-", PurePosixPath(unquote(urlsplit(url).path)).name)
    return inside(cache_dir() / "downloads", f"{key}-{name[-LONGEST_NAME:]}")


def fetch(source: Source, target: Path, *, progress: Progress = silent) -> str:
    """Bring `source` to `target` and give its sha256; a good file that is there already is left alone.

    `progress` counts bytes as they arrive. Raises ReszooError when the file cannot
    be had or is not the right one, UnavailableError when offline.
    """
    with locked(target):
        return _brought(source, target, progress)


@contextmanager
def fetched(source: Source, target: Path, *, progress: Progress = silent) -> Iterator[str]:
    """The same for the length of the block, and locked: nobody collects the file. Afterwards it goes.

    Where the block fails, a file that was verified stays for the next try. One that cannot be is downloaded anew.
    """
    with locked(target):
        if source.sha256 is None:
            target.unlink(missing_ok=True)  # whatever it is that lies there
        digest = _brought(source, target, progress)
        try:
            yield digest
        except BaseException:
            if source.sha256 is None:  # the file itself may be what is wrong
                target.unlink()
            raise
        target.unlink()


def mirrored(url: str) -> str:
    """The address to ask instead of `url` when a mirror is set."""
    mirror = os.environ.get("RESZOO_MIRROR")
    if not mirror or url.startswith("file://"):
        return url
    if not mirror.startswith(("https://", "http://", "file://")):
        raise UsageError(
            f"the mirror {public(mirror)!r} is no https://, http:// or file:// address",
            "Mend RESZOO_MIRROR or `mirror`: file:///srv/mirror, for example.",
        )
    return f"{mirror.rstrip('/')}/{url.split('://', 1)[1]}"


def _good_file(source: Source, target: Path) -> str | None:
    """The sha256 of `target` if it is there and is what `source` says."""
    if not target.is_file():
        return None
    digest = sha256_of(target)
    return digest if digest.startswith(source.sha256 or "") else None


def _brought(source: Source, target: Path, progress: Progress) -> str:
    return _good_file(source, target) or _fetch(source, target, partial(progress, "downloading"))


def _fetch(source: Source, target: Path, report: Count) -> str:
    url, part = mirrored(source.url), PartialFile(target, source.size_bytes)
    with explained(target):
        try:
            stated = _bring(url, part, report, source.token if url == source.url else "")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                part.discard()
            raise
        digest = _verified(part, url, source.sha256 or stated or "")
        part.path.replace(target)
        part.discard()
        return digest


def _bring(url: str, part: PartialFile, report: Count, token: str) -> str | None:
    """Fill `part`; gives the sha256 that the server itself states, if it does."""
    if url.startswith("file://"):
        _copy(Path(unquote(url.removeprefix("file://"))), part, report)
        return None
    if is_offline():
        raise UnavailableError(
            f"{public(url)} is not on this machine, and RESZOO_OFFLINE forbids to download it",
            "Unset RESZOO_OFFLINE (or leave `offline` away), or copy it from a folder with RESZOO_MIRROR=file:///folder.",
        )
    return download(url, part, report, token)


def is_offline() -> bool:
    """Whether nothing may be asked of the network."""
    return os.environ.get("RESZOO_OFFLINE", "0") not in ("", "0")


def _copy(path: Path, part: PartialFile, report: Count) -> None:
    if not path.is_file():
        raise NotFoundError(f"{path} does not exist", "Put the file there, or unset RESZOO_MIRROR to ask its home.")
    total = path.stat().st_size
    part.refuse_excess(total, str(path))
    done = 0
    with path.open("rb") as original, part.path.open("wb") as copy:
        while chunk := original.read(CHUNK_BYTES):
            copy.write(chunk)
            done += len(chunk)
            report(done, total)
        to_disk(copy)
    part.refuse_imposter(str(path))
    part.refuse_shortage(str(path))


def _verified(part: PartialFile, url: str, expected: str) -> str:
    """The sha256 of the whole file; a file that is not the expected one is deleted."""
    digest, size = sha256_of(part.path), part.size()
    if digest.startswith(expected) and part.expected_bytes in (None, size):
        return digest
    part.discard()
    raise WrongFileError(
        f"wrong checksum of {public(url)}: expected sha256 {expected}, found {digest} ({size} bytes)",
        "The bytes were deleted. Try again; if it happens twice, the file there is another one: use a mirror.",
    )
