"""`add`: a user's folders and zips of images become a data set, whole or not at all."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.files import staged_folder
from ..core.hosts import available_cores
from ..core.progress import Progress, silent
from ..core.types import StrPath
from . import store
from .images import Header, bombs_refused, decode, read, read_header, to_array
from .info import DatasetInfo, check_new_name, home, info, is_installed, locked
from .listing import Entry, Folder, Listing, Member, opened
from .splits import VAL_FRACTION, content_keys, stratified_cut

MAX_ARRAY_SIDE = 96  # pixels: up to here, images of one size become one array
TOGETHER = 64  # images handed to the threads at once, and between two reports of progress

T = TypeVar("T")


def add(
    name: str,
    paths: Sequence[StrPath],
    split: Folder = "train",
    replace: bool = False,
    progress: Progress = silent,
    *,
    test: float | None = None,
) -> DatasetInfo:
    """Import the images of folders and zips in `[split/]class/image` layout as the data set `name`.

    `test`, a fraction, cuts a stratified test split off the training images, where there is none: by what is in their
    files, so that it is the same on every machine, and copies of a file are on one side.

    Every image is decoded once, so that a broken one is refused here and not in the middle of a training.
    `progress` counts steps, two for each image. Raises UsageError for what is refused.
    """
    check_new_name(name)
    if test is not None and not 0 < test < 1:
        raise UsageError(f"`test={test:g}` is no part of the images", "Give more than 0 and less than 1: `test=0.2`.")
    if isinstance(paths, str):
        raise UsageError(f"{paths!r} is one path, where a list of them is expected", f"Give [{paths!r}].")
    places = [Path(path) for path in paths]
    with locked(name):
        if is_installed(name) and not replace:
            raise UsageError(f"there is a data set {name} already", "Choose another name, or give `replace=True`.")
        with opened(places, split) as listing, staged_folder(home(name), store.is_ours) as folder:
            origin = ", ".join(path.resolve().name for path in places)
            if test is not None:
                _cut_test(listing, test)
            _import(listing, folder, name, origin, progress)
        return info(name)


def _cut_test(listing: Listing, fraction: float) -> None:
    """Make a part of the training images the test images, by what is in their files."""
    train, test = listing.entries["train"], listing.entries["test"]
    if test:
        raise UsageError(f"there are {len(test)} test images already", "Leave `test` away.")
    position = {label: index for index, label in enumerate(listing.classes)}
    keys = content_keys(read(entry.member.open, entry.member.where) for entry in train)
    cut = set(stratified_cut(np.array([position[entry.label] for entry in train], np.int64), keys, fraction).tolist())
    listing.entries["test"] = [entry for at, entry in enumerate(train) if at in cut]
    listing.entries["train"] = [entry for at, entry in enumerate(train) if at not in cut]
    if not listing.entries["test"]:
        raise UsageError("no class has two training images to cut a test split from", "Bring more images.")


def _import(listing: Listing, folder: Path, name: str, origin: str, progress: Progress) -> None:
    """Fill `folder`. An own val folder follows the training images in the stored training part."""
    train, val, test = (listing.entries[split] for split in ("train", "val", "test"))
    parts: dict[store.Part, list[Entry]] = {"trainval": [*train, *val], "test": test}
    parts = {part: entries for part, entries in parts.items() if entries}
    steps = _Steps(2 * sum(map(len, parts.values())), progress)
    image = _common_shape(_headers(chain(*parts.values()), steps))

    position = {label: index for index, label in enumerate(listing.classes)}
    labels: dict[store.Part, NDArray[np.int64]] = {
        part: np.array([position[entry.label] for entry in entries], np.int64) for part, entries in parts.items()
    }
    keys = {
        part: _write_array(folder / f"{part}.npy", entries, image, steps)
        if image
        else _write_files(folder / part, entries, steps)
        for part, entries in parts.items()
    }
    own_val = np.arange(len(train), len(train) + len(val))
    cut_val = train and not val
    store.seal(
        folder,
        name,
        classes=listing.classes,
        labels=labels,
        val=stratified_cut(labels["trainval"], keys["trainval"], VAL_FRACTION) if cut_val else own_val,
        image=image,
        origin=origin,
        ignored_files=listing.ignored,
    )


def _headers(entries: Iterable[Entry], steps: "_Steps") -> set[Header]:
    with bombs_refused():
        return {read_header(entry.member.open, entry.member.where) for entry in steps.over(entries)}


def _common_shape(headers: set[Header]) -> tuple[int, int, int] | None:
    """(H, W, C) if all images can be one array: of one small size, grey if all are grey."""
    sizes = {(header.height, header.width) for header in headers}
    height, width = max(sizes)
    if len(sizes) > 1 or max(height, width) > MAX_ARRAY_SIDE:
        return None
    return height, width, 1 if all(header.grey for header in headers) else 3


def _write_array(path: Path, entries: list[Entry], image: tuple[int, int, int], steps: "_Steps") -> NDArray[np.uint64]:
    """Decode all images into one .npy file. In one thread: small ones spend their time in Python."""

    def pixels(member: Member) -> NDArray[np.uint8]:
        return to_array(decode(read(member.open, member.where), member.where, image[2]))

    store.write_array(path, (len(entries), *image), np.uint8, (pixels(entry.member) for entry in steps.over(entries)))
    return content_keys(image.tobytes() for image in np.load(path, mmap_mode="r"))


def _write_files(folder: Path, entries: list[Entry], steps: "_Steps") -> NDArray[np.uint64]:
    """Copy the images to 0000000.png, 0000001.jpg, ..., and decode each to see that it is whole."""
    folder.mkdir()

    def copy(index: int) -> bytes:
        member = entries[index].member
        content = read(member.open, member.where)
        decode(content, member.where, 3)
        (folder / f"{index:07d}{member.path.suffix.lower()}").write_bytes(content)
        return content

    with ThreadPoolExecutor(available_cores()) as pool:
        rounds = (range(start, min(start + TOGETHER, len(entries))) for start in range(0, len(entries), TOGETHER))
        return content_keys(steps.over(content for indices in rounds for content in pool.map(copy, indices)))


class _Steps:
    """Counts what is done, and reports it now and then."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.done, self.total, self._progress = 0, total, progress

    def over(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            yield item
            self.done += 1
            if self.done % TOGETHER == 0 or self.done == self.total:
                self._progress("importing", self.done, self.total)
