"""`add`: a user's folders and zips of images become a data set, whole or not at all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from .checking import Part, warnings_of
from .classes import named
from .images import Header, check_pixels, decode, read, read_header, to_array
from .info import DatasetInfo, check_new_name, home, info, is_installed, locked
from .listing import Entry, Folder, Listing, Member, opened
from .pixels import limit
from .splits import VAL_FRACTION, content_keys, stratified_cut

MAX_ARRAY_SIDE = 96  # pixels: up to here, images of one size become one array
TOGETHER = 64  # images handed to the threads at once, and between two reports of progress

T = TypeVar("T")


def add(
    name: str,
    paths: Sequence[StrPath],
    split: Folder | None = None,
    replace: bool = False,
    max_pixels: int | None = None,
    progress: Progress = silent,
    *,
    test: float | None = None,
) -> DatasetInfo:
    """Import the images of folders and zips in `[split/]class/image` layout as the data set `name`.

    Images in no split folder belong to `split`; None is train, and val for ImageNet's validation images, told by their
    names. These may also lie in no class folders, if one of `paths` has the file that says their classes (`ilsvrc`).

    `test`, a fraction, cuts a stratified test split off the training images, where there is none: by the same rule as
    val, so that it is the same on every machine, copies of an image are on one side, and each class keeps an image.

    Every image is decoded once, so that a broken one is refused here and not in the middle of a training.
    `progress` counts steps, two for each image. An image of more than `max_pixels` is refused; None is Pillow's limit.

    Raises UsageError for what is refused. What may be a mistake is in the result's `warnings`.
    """
    if max_pixels is not None and max_pixels < 1:
        raise UsageError(f"`max_pixels={max_pixels}` lets no image in", "Give a number of pixels.")
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
                _check_cuttable(listing)
            _import(listing, folder, name, origin, test, max_pixels, progress)
        return info(name)


def _check_cuttable(listing: Listing) -> None:
    if test := listing.entries["test"]:
        raise UsageError(f"there are {len(test)} test images already", "Leave `test` away.")
    if not listing.entries["train"]:
        raise UsageError("there are no training images to cut a test split from", "Add some, or leave `test` away.")


def _import(
    listing: Listing,
    folder: Path,
    name: str,
    origin: str,
    test_fraction: float | None,
    max_pixels: int | None,
    progress: Progress,
) -> None:
    """Fill `folder`. An own val folder follows the training images in the stored training part."""
    train, val, test = (listing.entries[split] for split in ("train", "val", "test"))
    parts: dict[store.Part, list[Entry]] = {"trainval": [*train, *val], "test": test}
    parts = {part: entries for part, entries in parts.items() if entries}
    steps = _Steps(2 * sum(map(len, parts.values())), progress)
    headers = _headers(chain(*parts.values()), max_pixels, steps)
    image = _common_shape(headers)

    position = {label: index for index, label in enumerate(listing.classes)}
    stored: dict[store.Part, Part] = {}
    for part, entries in parts.items():
        labels = np.array([position[entry.label] for entry in entries], np.int64)
        if image:
            keys = _write_array(folder / f"{part}.npy", entries, image, steps)
        else:
            keys = _write_files(folder / part, entries, max_pixels, steps)
        stored[part] = Part(entries, labels, keys)
    n = len(train)
    if test_fraction is not None:
        cut = _cut(stored["trainval"], n, test_fraction)
        store.divide(folder, cut)
        rest = np.setdiff1d(np.arange(n + len(val)), cut)
        stored["test"], stored["trainval"] = stored["trainval"].at(cut), stored["trainval"].at(rest)
        n -= len(cut)
    val_positions = np.arange(n, n + len(val))
    if n and not val:
        val_positions = stratified_cut(stored["trainval"].labels, stored["trainval"].keys, VAL_FRACTION)
    classes, wnids = named(listing.classes)
    store.seal(
        folder,
        name,
        classes=classes,
        wnids=wnids,
        labels={part: its.labels for part, its in stored.items()},
        val=val_positions,
        image=image,
        origin=origin,
        left_out=listing.left_out,
        warnings=tuple(warnings_of(classes, _splits(stored, val_positions))),
        max_pixels=_raised_limit(headers, max_pixels),
    )


def _cut(trainval: Part, n: int, fraction: float) -> NDArray[np.int64]:
    """Which of the first `n` images, those of train, become test."""
    cut = stratified_cut(trainval.labels[:n], trainval.keys[:n], fraction)
    if not len(cut):
        raise UsageError("no class has two training images to cut a test split from", "Bring more that differ.")
    return cut


def _splits(stored: Mapping[store.Part, Part], val: NDArray[np.int64]) -> dict[str, Part]:
    splits: dict[str, Part] = {}
    if trainval := stored.get("trainval"):
        train = np.setdiff1d(np.arange(len(trainval.entries)), val)
        splits |= {"train": trainval.at(train), "val": trainval.at(val)}
    if test := stored.get("test"):
        splits["test"] = test
    return splits


def _headers(entries: Iterable[Entry], max_pixels: int | None, steps: "_Steps") -> set[Header]:
    found = set()
    for entry in steps.over(entries):
        header = read_header(entry.member.open, entry.member.where, max_pixels=max_pixels)
        pixels = header.height * header.width
        check_pixels(header, entry.member.where, max_pixels, f"Shrink it, or let it in with `max_pixels={pixels}`.")
        found.add(header)
    return found


def _raised_limit(headers: set[Header], max_pixels: int | None) -> int | None:
    """What later readers have to allow: nothing where no image is above Pillow's limit."""
    largest = max(header.height * header.width for header in headers)
    return max_pixels if limit.own is not None and largest > limit.own else None


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


def _write_files(folder: Path, entries: list[Entry], max_pixels: int | None, steps: "_Steps") -> NDArray[np.uint64]:
    """Copy the images to 0000000.png, 0000001.jpg, ..., and decode each to see that it is whole."""
    folder.mkdir()

    def copy(index: int) -> bytes:
        member = entries[index].member
        content = read(member.open, member.where)
        decode(content, member.where, 3, max_pixels=max_pixels)
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
