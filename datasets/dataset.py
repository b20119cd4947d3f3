"""A split of a data set: labels, and images in batches at the size a network takes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import UsageError
from ..core.hosts import available_cores
from ..core.types import Preprocess
from .classes import own_class_map
from .images import MODES, decode, opener, read, read_header, to_array
from .info import DatasetInfo, Split
from .preprocess import check_channels, fit, geometry
from .snapshot import Snapshot

Batches = Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Dataset(ABC):
    """Labelled images of one split.

    labels    int64 (N,), positions in `classes`
    indices   int64 (N,), each image's position among all stored test images, or all stored training images
    """

    name: str
    split: Split
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}/{self.split}: {len(self):,} images, {len(self.classes)} classes)"

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> Self:
        """The images at these positions of this data set, in this order."""
        chosen = np.asarray(indices, np.int64)
        return replace(self, labels=self.labels[chosen], indices=self.indices[chosen])

    def relabelled(self, classes: tuple[str, ...], positions: Sequence[int]) -> Self:
        """The same images with other classes, of which `positions` says where each of the present ones stands."""
        return replace(self, classes=classes, labels=np.array(positions, np.int64)[self.labels])

    def for_network(self, ref: str, labels: tuple[str, ...]) -> Self:
        """The same images, labelled with the outputs of the network `ref`. Raises UsageError where it does not fit."""
        return self.relabelled(labels, own_class_map(self.name, labels, ref).targets)

    def batches(self, preprocess: Preprocess, size: int) -> Batches:
        """Yield (uint8 (n, H, W, C), int64 (n,)), resized and cropped to `preprocess.input`; n is `size`.

        The last batch may be smaller. Raises UsageError where the images do not fit the network.
        """
        if size < 1:
            raise UsageError(f"a batch of {size} images is none", "Choose a batch size of at least 1.")
        labels = (self.labels[start : start + size] for start in range(0, len(self), size))
        return zip(self._image_batches(preprocess, size), labels, strict=True)

    @abstractmethod
    def _image_batches(self, preprocess: Preprocess, size: int) -> Iterator[NDArray[np.uint8]]: ...


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ArrayDataset(Dataset):
    """Equal images in one array: nothing is decoded. `stored` is uint8 (M, H, W, C), memory-mapped."""

    stored: NDArray[np.uint8]

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """uint8 (N, H, W, C), one for each label: the memory map itself where the split is all of it."""
        is_all = np.array_equal(self.indices, np.arange(len(self.stored)))
        return self.stored if is_all else self.stored[self.indices]

    def _image_batches(self, preprocess: Preprocess, size: int) -> Iterator[NDArray[np.uint8]]:
        height, width, channels = self.stored.shape[1:]
        check_channels(channels, preprocess, self.name)
        plan = geometry(height, width, preprocess, self.name)
        raw = (self.stored[self.indices[start : start + size]] for start in range(0, len(self), size))
        if plan.is_identity(height, width):
            return raw

        def resized(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
            grey_or_rgb = Image.fromarray(image[..., 0] if channels == 1 else image)
            return to_array(fit(grey_or_rgb, plan, preprocess))

        return (np.stack([resized(image) for image in batch]) for batch in raw)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class FileDataset(Dataset):
    """Images of any size in files, decoded batch by batch; grey or RGB as the network asks."""

    files: tuple[Path, ...]
    upright: bool = True  # heeds the EXIF orientation
    max_pixels: int | None = None  # of one image, where that is above Pillow's limit
    snapshot: Snapshot | None = None

    def picture(self, index: int, channels: int, shrink: int = 1) -> Image.Image:
        """The stored image of that number, decoded; `decode` says what `shrink` does."""
        path = self.files[index]
        try:
            content = read(opener(path), str(path))
        finally:
            self._check()
        return decode(content, str(path), channels, upright=self.upright, shrink=shrink, max_pixels=self.max_pixels)

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of that picture, from its file's header."""
        path = self.files[index]
        try:
            header = read_header(opener(path), str(path), upright=self.upright, max_pixels=self.max_pixels)
        finally:
            self._check()
        return header.height, header.width

    def _check(self) -> None:
        """That the labels are those of the file that was just read, or was not there."""
        if self.snapshot:
            self.snapshot.check()

    def _image_batches(self, preprocess: Preprocess, size: int) -> Iterator[NDArray[np.uint8]]:
        channels = preprocess.input[0]
        if channels not in MODES:
            check_channels(3, preprocess, self.name)
        return self._decoded(preprocess, size)

    def _decoded(self, preprocess: Preprocess, size: int) -> Iterator[NDArray[np.uint8]]:
        def load(index: int) -> NDArray[np.uint8]:
            image = self.picture(index, preprocess.input[0])
            plan = geometry(image.height, image.width, preprocess, f"{self.name}, {self.files[index].name}")
            return to_array(fit(image, plan, preprocess))

        with ThreadPoolExecutor(available_cores()) as pool:  # Pillow decodes and resizes without the interpreter's lock
            for start in range(0, len(self), size):
                yield np.stack(list(pool.map(load, self.indices[start : start + size])))


def assemble(
    info: DatasetInfo,
    split: Split,
    labels: NDArray[np.int64],
    val: NDArray[np.int64],
    images: NDArray[np.uint8] | tuple[Path, ...],
    snapshot: Snapshot | None = None,
) -> Dataset:
    """The split, from all stored test (or training) labels and images; `val` holds positions in the training part."""
    everything = np.arange(len(labels))
    indices = {"train": np.setdiff1d(everything, val), "val": val}.get(split, everything)
    if isinstance(images, tuple):
        return FileDataset(
            name=info.name,
            split=split,
            classes=info.classes,
            labels=labels[indices],
            indices=indices,
            files=images,
            upright=info.decoding >= 2,
            max_pixels=info.max_pixels,
            snapshot=snapshot,
        )
    return ArrayDataset(
        name=info.name, split=split, classes=info.classes, labels=labels[indices], indices=indices, stored=images
    )
