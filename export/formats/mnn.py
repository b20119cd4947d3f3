"""MNN's file, converted from the ONNX model. fp16 is that of the weights on disk.

Its converter dies on ONNX files with Q/DQ pairs, so that no int8 scheme stands in front of it.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from ...core.errors import ReszooError
from ...core.missing import not_installed
from ...core.types import Checkpoint, Unavailable
from ..contract.format import Format
from ..contract.options import ExportOptions
from ..files import MNN as MODEL_FILE
from . import onnx

# The package's own programs install another package and send usage data to their makers: only what they call is
# called, in a process of its own, which a crash ends.
CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv)"
LIMIT_S = 900
RANDOM_NAME = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class MnnFormat(Format):
    name = "mnn"
    parity_runtime = "mnn"
    precisions = ("fp32", "fp16")
    inputs = ("float", "uint8")
    has_static_batch = True
    opened = (MODEL_FILE,)
    packages = ("mnn", *onnx.FORMAT.packages)

    def unavailable(self) -> Unavailable | None:
        return not_installed("mnn", "MNN") or not_installed("torch", *onnx.EXPORTER, what=self.name)

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        import msgspec

        graph = onnx.FORMAT.graph(checkpoint, msgspec.structs.replace(options, precision="fp32"))
        content = convert(graph, is_half=options.precision == "fp16")
        (folder / MODEL_FILE).write_bytes(_named(content, graph))


def convert(graph: bytes, is_half: bool) -> bytes:
    """The file that MNN's converter makes of an ONNX model. Raises ReszooError where it makes none."""
    with tempfile.TemporaryDirectory(prefix="reszoo-") as folder:
        Path(folder, onnx.MODEL_FILE).write_bytes(graph)
        command = [sys.executable, "-P", "-c", CONVERT, "-f", "ONNX", "--modelFile", onnx.MODEL_FILE]
        command += ["--MNNModel", MODEL_FILE, "--bizCode", "reszoo", *(["--fp16"] if is_half else [])]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise _failed(f"it was not done after {LIMIT_S} s") from error
        made = Path(folder, MODEL_FILE)
        if done.returncode or not made.is_file():  # without the one, there may still be the other
            said = (done.stderr + done.stdout).strip().splitlines()[-1:]
            raise _failed(f"it ended with {done.returncode} after {''.join(said)!r}")
        return made.read_bytes()


def _failed(reason: str) -> ReszooError:
    return ReszooError(f"MNN's converter gave no model: {reason}", "Export to another format.")


def _named(content: bytes, graph: bytes) -> bytes:
    """With a name for the model that follows from the graph, in the place of a random one of the same length."""
    name = uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(graph).hexdigest())
    return RANDOM_NAME.sub(str(name).encode(), content, count=1)


FORMAT = MnnFormat()
