"""What a network answered to every image of a split, in one compact file: 32 bytes an image.

So that two networks can be compared image by image, and any table of accuracy be made without running them again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..core.documents import convert, encode
from ..core.errors import ReszooError
from ..core.files import write_atomic
from ..core.types import FileRecord, Record, Sha256, StrPath

KEPT = 5
HEADER = "reszoo.predictions"
TENSORS = ("labels", "top5", "logits")
FIX = "Give a predictions file as `bench(accuracy=NAME)` wrote it, or measure the accuracy again."


class _Header(Record, frozen=True, kw_only=True):
    """The metadata of the file: what `Predictions` holds beside its arrays."""

    dataset: str
    split: str
    classes: tuple[str, ...]
    images_sha256: Sha256
    source_ref: str
    artifact_sha256: Sha256


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """The true classes of n images, and the best k = min(5, classes) answers to each. ValueError if they disagree.

    images_sha256  of the uint8 images as the network gets them (resized and cropped, not normalised), in order
    labels         uint16 (n,), positions in `classes`
    top5           uint16 (n, k), the same, in falling order of logit; equal logits in the order of the classes
    logits         float32 (n, k), theirs
    """

    dataset: str
    split: str
    classes: tuple[str, ...]
    images_sha256: str
    source_ref: str
    artifact_sha256: str
    labels: NDArray[np.uint16]
    top5: NDArray[np.uint16]
    logits: NDArray[np.float32]

    def __post_init__(self) -> None:
        n, classes = self.labels.size, len(self.classes)
        if n == 0:
            raise ValueError("it holds no image")
        best = (n, min(KEPT, classes))
        for name, dtype, shape in (("labels", "uint16", (n,)), ("top5", "uint16", best), ("logits", "float32", best)):
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {dtype} {shape}")
        for name, largest in (("labels", int(self.labels.max())), ("top5", int(self.top5.max()))):
            if largest >= classes:
                raise ValueError(f"{name} has class number {largest}, but there are {classes} classes, from 0")
        if not np.isfinite(self.logits).all() or (self.logits[:, :-1] < self.logits[:, 1:]).any():
            raise ValueError("logits are not finite numbers in falling order")

    @property
    def n(self) -> int:
        return len(self.labels)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(n,), whether the best answer is the true one."""
        found: NDArray[np.bool_] = self.top5[:, 0] == self.labels
        return found

    @property
    def correct(self) -> int:
        return int(self.right.sum())

    def write(self, path: StrPath) -> FileRecord:
        """Write a safetensors file, whole or not at all; the same predictions always give the same bytes."""
        path = Path(path)
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in TENSORS}
        header = _Header(**{name: getattr(self, name) for name in _Header.__struct_fields__})
        data = save(tensors, {HEADER: encode(header).decode()})
        write_atomic(path, data)
        return FileRecord(name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))

    @classmethod
    def read(cls, path: StrPath) -> Self:
        """The predictions in a file that `write` made. Raises ReszooError for any other."""
        path = Path(path)
        if not path.is_file():
            raise ReszooError(f"{path} does not exist, or is no file", FIX)
        try:
            with safe_open(path, framework="numpy") as file:
                text = (file.metadata() or {}).get(HEADER)
                tensors = {name: file.get_tensor(name) for name in TENSORS if name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, TypeError) as error:  # TypeError: a dtype that numpy does not have
            raise ReszooError(f"{path} is damaged, or is no safetensors file: {error}", FIX) from error
        if text is None:
            raise ReszooError(f"{path} is a safetensors file, but not one of predictions", FIX)
        if missing := [name for name in TENSORS if name not in tensors]:
            raise ReszooError(f"{path} has no {' and no '.join(missing)}", FIX)
        try:
            header = convert(msgspec.json.decode(text), _Header, str(path), FIX)
            return cls(**msgspec.structs.asdict(header), **tensors)
        except ValueError as error:  # of the JSON, or of arrays that disagree
            raise ReszooError(f"{path} is damaged: {error}", FIX) from error
