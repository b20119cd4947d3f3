"""From a checkpoint to files in a deployable format, with the proof that they compute the same. Imported lazily."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .artifacts import read as read
    from .contract.options import ExportOptions as ExportOptions
    from .exporting import export as export
    from .exporting import exported as exported

_HOME = {"ExportOptions": "contract.options", "export": "exporting", "exported": "exporting", "read": "artifacts"}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
