"""The hash of a file that nobody publishes one of: that of its first download, which every later one must have."""

from pathlib import Path

from ..core.documents import read_json, write_json
from ..core.files import cache_dir
from ..core.refs import inside
from ..core.types import Record, Sha256


class Pin(Record, frozen=True, kw_only=True):
    """What was at an address when a checkpoint was first downloaded from there."""

    url: str
    sha256: Sha256


def path_of(ref: str) -> Path:
    """Where the pin of a checkpoint of the catalogue lies. Who trusts another file deletes it."""
    return inside(cache_dir() / "pins", f"{ref}.json")


def pinned(ref: str, url: str) -> str | None:
    """The sha256 that was seen at the address first; None where nothing was."""
    if not path_of(ref).exists():
        return None
    pin = read_json(path_of(ref), Pin, f"Delete {path_of(ref)}: the next download is pinned again.")
    return pin.sha256 if pin.url == url else None


def pin(ref: str, url: str, sha256: str) -> None:
    """Keep what was seen."""
    write_json(path_of(ref), Pin(url=url, sha256=sha256))
