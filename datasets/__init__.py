"""Data sets: found by name, cut into splits that never change, read as uint8 images. Imported lazily.

train = reszoo.datasets.load("cifar10", "train")
for images, labels in train.batches(checkpoint.preprocess, size=256): ...   # uint8 (n, H, W, C), int64 (n,)
sample = reszoo.datasets.calibration_sample("cifar10", n=512, seed=0)       # from train only
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adding import add as add
    from .classes import ClassMap as ClassMap
    from .classes import class_map as class_map
    from .dataset import ArrayDataset as ArrayDataset
    from .dataset import Dataset as Dataset
    from .dataset import FileDataset as FileDataset
    from .downloading import get as get
    from .info import DatasetInfo as DatasetInfo
    from .info import Split as Split
    from .info import installed as installed
    from .info import is_installed as is_installed
    from .loading import calibration_sample as calibration_sample
    from .loading import load as load

_HOME = {
    "ArrayDataset": "dataset",
    "ClassMap": "classes",
    "Dataset": "dataset",
    "DatasetInfo": "info",
    "FileDataset": "dataset",
    "Split": "info",
    "add": "adding",
    "calibration_sample": "loading",
    "class_map": "classes",
    "get": "downloading",
    "installed": "info",
    "is_installed": "info",
    "load": "loading",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
