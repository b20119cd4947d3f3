"""Which data sets are on this machine and what each holds. Light: no image is touched here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Literal

from msgspec import field

from ..core import locks, migrations
from ..core.documents import read_json
from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.files import cache_dir, explained
from ..core.refs import inside
from ..core.registry import unknown
from ..core.schemas import Schema
from ..core.types import NotNegative, Positive, Record
from .archives import ARCHIVES

Split = Literal["train", "val", "test", "trainval"]

DOCUMENT = "dataset.json"
NAME = re.compile(r"[a-z0-9_-]+")


class DatasetInfo(Record, frozen=True, kw_only=True):
    """A data set, as `dataset.json` describes it.

    wnids           the WordNet ids of the classes; empty where their folders had other names
    counts          images per split; a split that the data set does not have is missing
    image           (height, width, channels) where all images are one array; None where they are files
    origin          where the images came from, for people
    left_out        how many files and hidden folders of the import are not in it, by reason
    warnings        what its user may not have meant: one class only, a split without some class, the same images twice
    max_pixels      of an image, where that is above Pillow's limit
    decoding        the rule by which its files became, or become, pixels: 1 left out the EXIF orientation, which 2
                    (see `images`) heeds
    sha256          of the images, labels and val cut; "" of a data set that an older reszoo has brought in
    """

    schema: ClassVar[Schema] = migrations.DATASET

    name: str
    classes: tuple[str, ...]
    wnids: tuple[str, ...] = ()
    counts: dict[Split, Positive]
    image: tuple[Positive, Positive, Positive] | None
    size_bytes: NotNegative
    origin: str
    left_out: dict[str, Positive] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    max_pixels: Positive | None = None
    decoding: Literal[1, 2] = 1
    sha256: str = ""


DIGITS = DatasetInfo(
    name="digits",
    classes=tuple("0123456789"),
    counts={"train": 1295, "val": 143, "trainval": 1438, "test": 359},
    image=(8, 8, 1),
    size_bytes=0,
    origin="scikit-learn",
)
# of an imported checkpoint
UNNAMED = "the checkpoint does not say which data set it was trained on"
RESERVED = {DIGITS.name, "photos"}  # `photos` names the crops that parity is measured on


def installed() -> list[DatasetInfo]:
    """Every data set on this machine, the built-in one first."""
    return [info(name) for name in installed_names()]


def installed_names() -> list[str]:
    documents = sorted(data_dir().glob(f"[!.]*/{DOCUMENT}"))
    return [DIGITS.name, *(document.parent.name for document in documents)]


def is_installed(name: str) -> bool:
    return name == DIGITS.name or (NAME.fullmatch(name) is not None and (home(name) / DOCUMENT).is_file())


def info(name: str) -> DatasetInfo:
    """The description of an installed data set.

    Raises UsageError for an unknown name, UnavailableError for a data set that can be downloaded but is not here.
    """
    if name == DIGITS.name:
        return DIGITS
    if not is_installed(name):
        raise _missing(name)
    return read_json(home(name) / DOCUMENT, DatasetInfo, reinstall(name))


def _missing(name: str) -> ReszooError:
    if not name:
        return UsageError(
            UNNAMED, "Bring in its images with `reszoo data add NAME PATH...`, and name them: `data=NAME`."
        )
    bring = f"Bring in your own images with `reszoo data add {name} PATH...`."
    if name in ARCHIVES:
        return UnavailableError(
            f"the data set {name} is not on this machine",
            f"Download it with `reszoo data get {name}`. {bring}",
        )
    error = unknown(name, {*ARCHIVES, *installed_names()}, "data set")
    return UsageError(error.problem, f"{error.fix} {bring} Download cifar10 or cifar100 with `reszoo data get NAME`.")


def reinstall(name: str) -> str:
    """The fix for a data set whose files are damaged."""
    return f"Bring it in again: `datasets.get({name}, replace=True)` or `datasets.add({name}, PATH, replace=True)`."


def data_dir() -> Path:
    return cache_dir() / "data"


def home(name: str) -> Path:
    """The folder of the data set `name`."""
    return inside(data_dir(), name)


def check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot name a data set", "Use lower-case letters, digits, - and _, such as `my-flowers`."
        )


def check_new_name(name: str) -> None:
    check_name(name)
    if name in RESERVED:
        raise UsageError(f"{name!r} is built in", "Choose another name.")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time change the data set `name`."""
    with explained(home(name)), locks.locked(home(name)):
        yield
