"""The checkpoint itself, for PyTorch: its weights (safetensors) and its document."""

import shutil
from pathlib import Path

from ...core.missing import not_installed
from ...core.types import Checkpoint, Unavailable
from ..contract.format import Format
from ..contract.options import ExportOptions


class TorchFormat(Format):
    name = "torch"
    parity_runtime = "torch"
    precisions = ("fp32",)
    opened = ("weights.safetensors", "checkpoint.json")
    packages = ("torch",)

    def unavailable(self) -> Unavailable | None:
        return not_installed("torch", "torch")

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        for name in ("weights.safetensors", "checkpoint.json"):
            shutil.copyfile(checkpoint.weights_path.parent / name, folder / name)


FORMAT = TorchFormat()
