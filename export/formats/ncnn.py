"""ncnn's parameters and weights, through pnnx. fp16 is that of the weights on disk."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ...core.errors import ReszooError
from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Checkpoint, Unavailable
from .. import files
from ..contract.format import Format
from ..contract.options import ExportOptions, input_spec
from ..exporters import example

PARAM_FILE, WEIGHTS_FILE = files.NCNN_PARAM, files.NCNN_WEIGHTS
TRACED = "model.pt"
LIMIT_S = 1800


class NcnnFormat(Format):
    """ncnn computes one image at a time, so that any batch will do."""

    name = "ncnn"
    parity_runtime = "ncnn"
    precisions = ("fp32", "fp16")
    opened = (PARAM_FILE, WEIGHTS_FILE)
    packages = ("pnnx", "ncnn", "torch")

    def unavailable(self) -> Unavailable | None:
        return not_installed("ncnn", "pnnx", "ncnn") or not_installed("torch", "torch", what=self.name)

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        import torch

        from ...zoo import build

        with tempfile.TemporaryDirectory(prefix="reszoo-") as name, quietly():
            fed = example(input_spec(checkpoint, options), batch=1)
            traced: Any = torch.jit.trace(build(checkpoint), (fed,))  # type: ignore[no-untyped-call]
            (Path(name) / TRACED).write_bytes(traced.save_to_buffer())  # its own writer aborts where the disk is full
            _convert(Path(name), list(fed.shape), is_half=options.precision == "fp16")
            for file in (PARAM_FILE, WEIGHTS_FILE):
                (folder / file).write_bytes((Path(name) / file).read_bytes())


def _convert(folder: Path, shape: list[int], is_half: bool) -> None:
    import pnnx

    shown = ",".join(map(str, shape))
    # not its Python function, which runs a program that it has just written, and hides errors
    command = [pnnx.EXEC_PATH, TRACED, f"inputshape=[{shown}]f32", f"fp16={int(is_half)}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise ReszooError(f"pnnx did not end in {LIMIT_S} s", "Export to another format.") from error
    if done.returncode or not (folder / WEIGHTS_FILE).is_file():
        said = (done.stderr + done.stdout).strip().splitlines()[-1:]
        raise ReszooError(f"pnnx cannot convert the network: {''.join(said)}", "Export to another format.")


FORMAT = NcnnFormat()
