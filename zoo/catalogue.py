"""The catalogue: one TOML card for every checkpoint that can be downloaded, and the folders that come with reszoo.

Light: reading all of it imports neither torch nor numpy.
"""

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ..core.documents import read_toml, to_builtins
from ..core.errors import ReszooError
from ..core.files import cache_dir
from ..core.refs import inside
from ..core.registry import add_unique, choose
from ..core.types import Fraction, ModelSpec, Positive, Preprocess, Record, check_name
from ..models import spec_of

CARDS = Path(__file__).parent / "cards"
FULL_SHA256 = 64  # hex digits
WILDCARD = re.compile(r"[*?[]")
BUNDLED = Path(__file__).parent / "weights"


class Published(Record, frozen=True, kw_only=True):
    """A published top-1 accuracy: a fraction of the `n` images of a split, and the page that says so."""

    value: Fraction
    split: str
    n: Positive
    source: str


class Name(NamedTuple):
    """The parts of a checkpoint's name, ARCH.TAG; the tag is empty where there is none."""

    arch: str
    tag: str


def divided(ref: str) -> Name:
    """Divided at its first dot: an architecture's name has none (`models.names.parsed`), a tag may, as REF-macs0.5."""
    arch, _, tag = ref.partition(".")
    return Name(arch, tag)


class Card(Record, frozen=True, kw_only=True):
    """A checkpoint somewhere on the web, and how to make it one of ours.

    sha256      of the file at `url`, or its first 8 or more hex digits; left out where nobody publishes it. What is not
                all of it does not verify a file: its first download is pinned (`pins`)
    spec        fields of the architecture's `ModelSpec` that this network sets otherwise
    converter   which table of `converters` renames its parameters
    paper       the architecture's, on arXiv
    labels      which list of `labels` names its classes
    """

    ref: str
    arch: str
    url: str
    sha256: str | None = None
    size_bytes: Positive | None = None
    converter: Literal["akamaster", "torchvision", "timm_resnetv2", "native"]
    licence: str
    paper: str
    dataset: str
    labels: Literal["cifar10", "imagenet1k"]
    preprocess: Preprocess
    spec: dict[str, str | int | float] = msgspec.field(default_factory=dict)
    accuracy: Published | None = None
    note: str = ""

    def __post_init__(self) -> None:
        check_name("ref", self.ref)
        if divided(self.ref).arch != self.arch:
            raise ValueError(f"ref {self.ref!r} does not start with its architecture {self.arch!r}")

    @property
    def is_verified(self) -> bool:
        """Whether its hash tells the file from any other: 32 bits can be met on purpose."""
        return self.sha256 is not None and len(self.sha256) == FULL_SHA256

    def model_spec(self) -> ModelSpec:
        spec: ModelSpec = msgspec.convert(to_builtins(spec_of(self.arch)) | self.spec, ModelSpec)
        return spec


def cards() -> dict[str, Card]:
    """Every card, by its name."""
    return read_cards(CARDS)


@cache
def read_cards(folder: Path) -> dict[str, Card]:
    by_ref: dict[str, Card] = {}
    fix = "Mend the card, or install reszoo again."
    for path in sorted(folder.glob("*.toml")):
        card = read_toml(path, Card, fix)
        if path.stem != card.ref:
            raise ReszooError(f"{path}: ref is {card.ref!r}, expected the file's name, {path.stem!r}", fix)
        by_ref[card.ref] = card
    return by_ref


def bundled() -> dict[str, Path]:
    """The folders of the checkpoints that come with the package, by name; they need no network."""
    return {path.parent.name: path.parent for path in sorted(BUNDLED.glob("*/checkpoint.json"))}


def refs() -> list[str]:
    """Every name in the catalogue; 18 comes before 101."""
    found: dict[str, object] = dict(cards())
    for ref, folder in bundled().items():
        add_unique(found, ref, folder, "the catalogue")
    return sorted(found, key=lambda ref: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", ref)])


def matching(pattern: str, names: list[str]) -> list[str]:
    """The names ARCH.TAG that a shell pattern matches, both parts by themselves: `resnet*_v2*` is of v2 networks.

    A pattern without a tag has any. One that no architecture matches is of whole names, as `*cifar10` is. What has no
    wildcard is a whole name, too.
    """
    if WILDCARD.search(pattern) is None:
        return [name for name in names if name == pattern]
    arch, tag = divided(pattern)
    parts = {name: divided(name) for name in names}
    apart = [name for name in names if fnmatchcase(parts[name].arch, arch) and fnmatchcase(parts[name].tag, tag or "*")]
    return apart or [name for name in names if fnmatchcase(name, pattern)]


def card(ref: str) -> Card:
    found: Card = choose(cards(), ref, "checkpoint")
    return found


def folder_of(ref: str) -> Path:
    """Where the checkpoint of this name lies, or will lie once it is downloaded."""
    return bundled().get(ref) or inside(cache_dir() / "checkpoints", ref)
