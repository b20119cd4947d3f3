"""reszoo: trained residual networks, exported and measured. The public API, imported lazily.

checkpoint = reszoo.load("resnet20_v1.akamaster_cifar10")
model = reszoo.build(checkpoint)                          # a torch.nn.Module in eval mode
artifact = reszoo.export.export(checkpoint, "onnx", out="r20-onnx")

No function here has the name of a package: importing `reszoo.export` would put the package in its place.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# ONNX Runtime reads it when it is imported, here or in a process that is started from here: its wheel calls home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from . import bench as bench
    from . import datasets as datasets
    from . import export as export
    from . import models as models
    from . import prune as prune
    from . import quantize as quantize
    from . import train as train
    from . import zoo as zoo
    from .zoo import build as build
    from .zoo import load as load

    __version__: str

_HOME = {"build": "zoo", "load": "zoo"}
_PACKAGES = ("bench", "datasets", "export", "models", "prune", "quantize", "train", "zoo")
__all__ = ["__version__", "build", "load", *_PACKAGES]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    if name in _PACKAGES:
        return import_module(f".{name}", __name__)
    if name == "__version__":
        from importlib.metadata import version

        return version("reszoo")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
