"""`get`: data sets from their home."""

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..core.download import fetched, place_of
from ..core.errors import ReszooError, UsageError
from ..core.files import check_replaceable, staged_folder
from ..core.progress import Progress, silent
from ..core.registry import unknown
from . import store
from .archives import ARCHIVES, Archive
from .info import DIGITS, DatasetInfo, home, info, is_installed, locked
from .splits import VAL_FRACTION, content_keys, stratified_cut

IMAGE = (32, 32, 3)
PIXELS = 32 * 32 * 3


def get(name: str, *, replace: bool = False, progress: Progress = silent) -> DatasetInfo:
    """Download and install a known data set; one that is here already is left alone unless `replace`."""
    if name == DIGITS.name:
        return DIGITS
    if name not in ARCHIVES:
        error = unknown(name, ARCHIVES, "data set")
        raise UsageError(error.problem, f"{error.fix} Your own images come in with `reszoo data add {name} PATH...`.")
    return install(name, ARCHIVES[name], replace=replace, progress=progress)


def install(name: str, archive: Archive, *, replace: bool, progress: Progress = silent) -> DatasetInfo:
    """Fetch `archive`, verify it, and make it the data set `name`."""
    with locked(name):
        if not is_installed(name) or replace:
            check_replaceable(home(name), store.is_ours)
            path = place_of(archive.source.url)
            with (
                fetched(archive.source, path, progress=progress),
                staged_folder(home(name), store.is_ours) as folder,
            ):
                _convert(path, archive, folder, name)
        return info(name)


def _convert(path: Path, archive: Archive, folder: Path, name: str) -> None:
    files = _read_members(path, (archive.classes, *archive.train, *archive.test))
    classes = tuple(files[archive.classes].decode().split())
    labels: dict[store.Part, NDArray[np.int64]] = {}
    parts: dict[store.Part, tuple[str, ...]] = {"trainval": archive.train, "test": archive.test}
    for part, members in parts.items():
        images, labels[part] = _parse(b"".join(files[member] for member in members), archive.label_bytes, path)
        if labels[part].max() >= len(classes):
            raise _malformed(path, f"an image of class {labels[part].max()}, but only {len(classes)} classes")
        store.write_array(folder / f"{part}.npy", images.shape, np.uint8, [images])
    keys = content_keys(image.tobytes() for image in np.load(folder / "trainval.npy", mmap_mode="r"))
    val = stratified_cut(labels["trainval"], keys, VAL_FRACTION)
    store.seal(folder, name, classes=classes, labels=labels, val=val, image=IMAGE, origin=archive.source.url)


def _parse(content: bytes, label_bytes: int, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images, uint8 (N, 32, 32, 3), and labels, int64 (N,)."""
    if not content or len(content) % (label_bytes + PIXELS):
        raise _malformed(path, f"{len(content)} bytes of records of {label_bytes + PIXELS} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, label_bytes + PIXELS)
    images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, records[:, label_bytes - 1].astype(np.int64)


def _read_members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The named files of the archive, in whatever folder; nothing is unpacked to the disk."""
    contents = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name in names and (file := archive.extractfile(member)):
                    contents[name] = file.read()
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise _malformed(path, str(error)) from error
    if missing := [name for name in names if name not in contents]:
        raise _malformed(path, f"no {', '.join(missing)}")
    return contents


def _malformed(path: Path, reason: str) -> ReszooError:
    return ReszooError(
        f"{path} is no CIFAR archive in the binary layout: {reason}", "Delete it and run the same command again."
    )
