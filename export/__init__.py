"""From a checkpoint to files in a deployable format, with the proof that they compute the same."""

from .artifacts import read as read
from .contract import ExportOptions as ExportOptions
from .exporting import export as export
from .exporting import exported as exported

__all__ = ["ExportOptions", "export", "exported", "read"]
