"""reszoo: trained residual networks, exported and measured. The public API, imported lazily.

checkpoint = reszoo.load("resnet20_v1.akamaster_cifar10")
model = reszoo.build(checkpoint)                          # a torch.nn.Module in eval mode
artifact = reszoo.export(checkpoint, "onnx", out=Path("r20-onnx"))
"""

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

# ONNX Runtime reads it when it is imported, here or in a process that is started from here: its wheel calls home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from .export import export as export
    from .zoo import build as build
    from .zoo import load as load

    __version__: str

__all__ = ["__version__", "build", "export", "load"]

_HOME = {"load": "zoo", "build": "zoo", "export": "export"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    if name == "__version__":
        return version("reszoo")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
