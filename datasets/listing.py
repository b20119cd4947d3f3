"""What a user's folders and zips hold: images, by split and class or as they lie, in an order that never changes.

One rule says what is an image, by its suffix, and what is junk that systems and tools leave lying about. Nothing is
unpacked: a zip's entries are read where they are, and those that could do harm are refused by name.
"""

import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Literal, NamedTuple

from ..core.errors import UsageError
from . import ilsvrc
from .classes import some
from .images import MAX_FILE_BYTES, SUFFIXES, Opener, check_plain, opener, read

Folder = Literal["train", "val", "test"]
SPLITS: dict[str, Folder] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
MOST_MEMBERS = 1 << 22  # of a zip: three times those of ImageNet
HIDDEN = "hidden, or a system's own"
JUNK = {"__macosx", "thumbs.db", "desktop.ini"}
LAYOUT = (
    "Expected [train/|val/|test/]CLASS/image.png: one folder per class, above them at most one for the split; "
    "png, jpg, jpeg, jfif, bmp, webp, gif, tif, tiff."
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file or folder inside a PATH. `where` names it in errors."""

    path: PurePath
    where: str
    is_dir: bool
    size_bytes: int
    open: Opener


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of the import."""

    split: Folder
    label: str
    member: Member


@dataclass
class Listing:
    """The images of each split, sorted by class, then by file name; `left_out` counts the other files by reason."""

    entries: dict[Folder, list[Entry]] = field(default_factory=lambda: {"train": [], "val": [], "test": []})
    left_out: Counter[str] = field(default_factory=Counter)

    def put(self, split: Folder, label: str, member: Member) -> None:
        """An image of that class. Raises UsageError for one whose file is too large."""
        if member.size_bytes > MAX_FILE_BYTES:
            size, limit = member.size_bytes / 1e6, MAX_FILE_BYTES / 1e6
            raise UsageError(f"{member.where} is {size:.0f} MB, the limit is {limit:.0f} MB", "Shrink or remove it.")
        self.entries[split].append(Entry(split, label, member))

    def leave_out(self, member: Member) -> None:
        """What is no image, by its suffix."""
        self.left_out[f"no image ({member.path.suffix.lower() or 'without a suffix'})"] += 1

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({entry.label for entries in self.entries.values() for entry in entries}))


class Found(NamedTuple):
    """The images of a folder, however deep, sorted; `ignored` counts the files that are no images."""

    images: list[Path]
    ignored: int


def images_in(folder: Path) -> Found:
    """What `opened` takes for an image, whatever folders it lies in; it may turn out not to be readable."""
    files = [path for path in _walk(folder, Counter()) if not path.is_dir()]
    images = sorted(path for path in files if _is_image(path))
    return Found(images, len(files) - len(images))


@contextmanager
def opened(paths: Iterable[Path], split: Folder | None) -> Iterator[Listing]:
    """List all images of `paths`; those in no split folder belong to `split`. The zips stay open until the end.

    A PATH that is itself named like a split (`test/`, `val.zip`) is a split folder, too. None is val for ImageNet's
    validation images, which are told by their names, and train for all others.
    """
    listing = Listing()
    seen = _Seen()
    with ExitStack() as stack:
        for path in paths:
            default = SPLITS.get(path.resolve().stem.lower()) or split
            for member in _members(path, stack, listing.left_out):
                _sort_in(member, default, listing, seen)
        if seen.flat:
            _sort_in_flat(listing, seen)
        else:
            for member in seen.truth:
                listing.leave_out(member)
        for entries in listing.entries.values():
            entries.sort(key=lambda entry: (entry.label, entry.member.path.name, entry.member.where))
        _check(listing, {} if seen.flat else seen.folders)
        yield listing


@dataclass
class _Seen:
    """What says something about the images, while they are listed.

    folders  each class folder, and where it was
    flat     ImageNet's validation images that lie in none
    truth    the files that say which classes these are of, perhaps
    """

    folders: dict[str, str] = field(default_factory=dict)
    flat: list[tuple[Folder, Member]] = field(default_factory=list)
    truth: list[Member] = field(default_factory=list)


def _sort_in(member: Member, default: Folder | None, listing: Listing, seen: _Seen) -> None:
    *folders, name = member.path.parts
    number = ilsvrc.number_of(name)
    split: Folder = default or ("train" if number is None else "val")
    if folders and folders[0].lower() in SPLITS:
        split = SPLITS[folders.pop(0).lower()]
    if folders:
        seen.folders.setdefault(folders[0], member.where)
    elif member.is_dir and name.lower() not in SPLITS:
        seen.folders.setdefault(name, member.where)
    if member.is_dir:
        return
    if ilsvrc.is_truth(name):
        seen.truth.append(member)
    elif not _is_image(member.path):
        listing.leave_out(member)
    elif not folders and number is not None:
        seen.flat.append((split, member))
    elif len(folders) != 1:
        raise UsageError(f"{member.where} lies {'too deep' if folders else 'in no class folder'}", LAYOUT)
    else:
        listing.put(split, folders[0], member)


def _sort_in_flat(listing: Listing, seen: _Seen) -> None:
    """ImageNet's validation images, each into the class that a file says."""
    truth: dict[str, bytes] = {}
    for member in seen.truth:
        content = read(member.open, member.where)
        if truth.setdefault(member.path.name, content) != content:
            raise UsageError(f"there are several files {member.path.name}, and they differ", "Add one of them.")
    classes = ilsvrc.classes(truth)
    for split, member in seen.flat:
        number = ilsvrc.number_of(member.path.name)
        if number not in classes:
            names = ", ".join(member.path.name for member in seen.truth)
            raise UsageError(f"{names}: nothing is said of {member.where}", "Remove the image, or add the whole file.")
        listing.put(split, classes[number], member)


def _check(listing: Listing, folders: dict[str, str]) -> None:
    """Refuse an import that would make another data set than its user means."""
    classes = {split: {entry.label for entry in entries} for split, entries in listing.entries.items() if entries}
    if not classes:
        raise UsageError("no images found", LAYOUT)
    for label, where in folders.items():
        if not any(label in labels for labels in classes.values()):
            raise UsageError(f"the class folder {label!r} holds no image ({where})", f"Fill or remove it. {LAYOUT}")
    for split, labels in classes.items():
        if more := sorted(labels - classes.get("train", labels)):
            raise UsageError(
                f"{split} has classes that train has not: {some(more)}", "Add training images of them, or remove them."
            )


def _members(path: Path, stack: ExitStack, left_out: Counter[str]) -> Iterator[Member]:
    if path.is_dir():
        return _folder_members(path, left_out)
    if not path.exists():
        raise UsageError(f"{path} does not exist", "Give image folders or zips.")
    if ilsvrc.is_truth(path.name):
        return iter([Member(PurePath(path.name), str(path), False, path.stat().st_size, opener(path))])
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise UsageError(f"{path} is neither a folder nor a readable zip: {error}", "Give folders or zips.") from error
    if (n := len(archive.filelist)) > MOST_MEMBERS:
        raise UsageError(f"{path} has {n:,} members, and {MOST_MEMBERS:,} are the most", "Divide it into several zips.")
    return _zip_members(path.name, archive, left_out)


def _folder_members(root: Path, left_out: Counter[str]) -> Iterator[Member]:
    for path in _walk(root, left_out):
        where, is_dir = str(path), path.is_dir()
        if not is_dir:
            check_plain(path)
        yield Member(path.relative_to(root), where, is_dir, path.stat().st_size, opener(path))


def _walk(root: Path, left_out: Counter[str]) -> Iterator[Path]:
    """All files and folders in a folder, but for junk. Links are followed; one to a folder above it leads nowhere."""
    for folder, folders, files in os.walk(root, onerror=_raise, followlinks=True):
        here = Path(folder).resolve()
        folders[:] = [name for name in folders if Path(folder, name).resolve() not in (here, *here.parents)]
        if junk := sum(map(_is_junk, (*folders, *files))):
            left_out[HIDDEN] += junk
        folders[:] = [name for name in folders if not _is_junk(name)]
        yield from (Path(folder, name) for name in (*folders, *files) if not _is_junk(name))


def _raise(error: OSError) -> None:
    raise UsageError(f"cannot read the folder {error.filename}: {error.strerror}", "Give yourself permission.")


def _zip_members(zip_name: str, archive: zipfile.ZipFile, left_out: Counter[str]) -> Iterator[Member]:
    junk: set[tuple[str, ...]] = set()
    for info in archive.infolist():
        where = f"{zip_name}: {info.filename}"
        path = PureWindowsPath(info.filename)  # knows both kinds of slashes, and drives
        if path.drive or path.root or ".." in path.parts:
            raise UsageError(f"{where} points outside of the zip", "Do not trust this zip.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UsageError(f"{where} is a symbolic link", "Put the image itself into the zip.")
        if info.flag_bits & 0x1:
            raise UsageError(f"{where} is encrypted", "Make the zip without a password.")
        if (first := next((depth for depth, name in enumerate(path.parts, 1) if _is_junk(name)), None)) is not None:
            junk.add(path.parts[:first])
        elif path.parts:
            yield Member(PurePosixPath(*path.parts), where, info.is_dir(), info.file_size, partial(archive.open, info))
    if junk:
        left_out[HIDDEN] += len(junk)


def _is_image(path: PurePath) -> bool:
    return path.suffix.lower() in SUFFIXES


def _is_junk(name: str) -> bool:
    """What operating systems and tools leave lying about: hidden files (AppleDouble's `._x.png` too), thumbnails."""
    return name.startswith(".") or name.lower() in JUNK
