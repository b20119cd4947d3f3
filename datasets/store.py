"""A data set on disk: a folder that appears whole, with its images, labels, val cut and `dataset.json`.

dataset.json            the `DatasetInfo`
trainval.npy, test.npy  uint8 (N, H, W, C): small images of one size; otherwise folders of image files, in order
*-labels.npy            int64 (N,)
val.npy                 int64, the positions in trainval that are val
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..core.documents import write_json
from ..core.errors import ReszooError
from ..core.files import sha256_of
from . import info as infos
from .dataset import Dataset, assemble
from .info import DatasetInfo, Split
from .snapshot import taken

Part = Literal["trainval", "test"]
# what NumPy raises for a file that is no array, or is cut
UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, TokenError, MemoryError, OverflowError)
EMPTY: Mapping[str, int] = {}
NAMES = {"trainval", "test", "trainval.npy", "test.npy", "trainval-labels.npy", "test-labels.npy", "val.npy"}


def is_ours(folder: Path) -> bool:
    """Whether it holds a data set, damaged or not, and nothing else."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {infos.DOCUMENT, *NAMES}


def write_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike, chunks: Iterable[NDArray[Any]]) -> None:
    """Stream `chunks` of one array into a .npy file. (`np.save` does not say that the disk is full, `write` does.)"""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype).data)


def divide(folder: Path, test: NDArray[np.int64]) -> None:
    """Make those images of trainval, which is being written in `folder`, test: the ones at these positions."""
    array = folder / "trainval.npy"
    if array.exists():
        images = np.load(array, mmap_mode="r")
        array.unlink()  # what is mapped can be read on
        rest = np.setdiff1d(np.arange(len(images)), test)
        for part, positions in (("trainval", rest), ("test", test)):
            chunks = (images[position] for position in positions)
            write_array(folder / f"{part}.npy", (len(positions), *images.shape[1:]), images.dtype, chunks)
    else:
        files = sorted((folder / "trainval").iterdir())
        (folder / "test").mkdir()
        for position in test:
            files[position].rename(folder / "test" / files[position].name)


def seal(
    folder: Path,
    name: str,
    *,
    classes: tuple[str, ...],
    wnids: tuple[str, ...] = (),
    labels: dict[Part, NDArray[np.int64]],
    val: NDArray[np.int64],
    image: tuple[int, int, int] | None,
    origin: str,
    left_out: Mapping[str, int] = EMPTY,
    warnings: tuple[str, ...] = (),
    max_pixels: int | None = None,
) -> None:
    """Write the labels, the val cut and the description beside the images that lie in `folder`."""
    for part, values in labels.items():
        write_array(folder / f"{part}-labels.npy", values.shape, np.int64, [values])
    write_array(folder / "val.npy", val.shape, np.int64, [val])
    trainval, test = (len(labels.get(part, ())) for part in ("trainval", "test"))
    counts: dict[Split, int] = {"train": trainval - len(val), "val": len(val), "trainval": trainval, "test": test}
    description = DatasetInfo(
        name=name,
        classes=classes,
        wnids=wnids,
        counts={split: count for split, count in counts.items() if count},
        image=image,
        size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        origin=origin,
        left_out=dict(left_out),
        warnings=warnings,
        max_pixels=max_pixels,
        decoding=2,
        sha256=_sha256(folder),
    )
    write_json(folder / infos.DOCUMENT, description)


def _sha256(folder: Path) -> str:
    """Of every file's name and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def open_split(name: str, split: Split) -> Dataset:
    """One split of an installed data set; its images stay on disk until they are asked for."""
    snapshot = taken(name)  # first: what is read after it is of this data set, or the check says so
    description, folder = infos.info(name), infos.home(name)
    part: Part = "test" if split == "test" else "trainval"
    try:
        labels, val = np.load(folder / f"{part}-labels.npy"), np.load(folder / "val.npy")
        images = (
            tuple(sorted((folder / part).iterdir()))
            if description.image is None
            else np.load(folder / f"{part}.npy", mmap_mode="r")
        )
    except UNREADABLE as error:
        said = (str(error).splitlines() or [""])[0]
        raise ReszooError(f"the data set {name} is damaged: {said}", infos.reinstall(name)) from error
    if problem := _problem(description, part, labels, val, images):
        raise ReszooError(f"the data set {name} is damaged: {problem}", infos.reinstall(name))
    snapshot.check()
    return assemble(description, split, labels, val, images, snapshot)


def _problem(
    description: DatasetInfo,
    part: Part,
    labels: NDArray[np.int64],
    val: NDArray[np.int64],
    images: NDArray[np.uint8] | tuple[Path, ...],
) -> str:
    """What of the arrays does not fit the description; "" where all does."""
    if not len(labels) == len(images) == description.counts.get(part):
        return f"{len(images)} images, {len(labels)} labels in {part}"
    if not isinstance(images, tuple) and (images.dtype != np.uint8 or images.shape[1:] != description.image):
        return f"its images are {images.dtype} {images.shape[1:]}, expected uint8 {description.image}"
    limits = {"labels": (labels, len(description.classes)), "val": (val, description.counts.get("trainval", 0))}
    for what, (values, end) in limits.items():
        if (
            values.dtype != np.int64
            or values.ndim != 1
            or (len(values) and not 0 <= values.min() <= values.max() < end)
        ):
            return f"{what} are not whole numbers from 0 to {end - 1}"
    return ""
