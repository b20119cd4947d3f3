"""C, through the library beside it, or one that is built of the sources where it is for another machine."""

from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Engine


def load(path: Path) -> Any:
    import ctypes
    import subprocess
    import tempfile

    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / path.name
            sources = sorted(each.name for each in path.parent.glob("*.c") if each.name != "example.c")
            command = ["cc", "-O3", "-std=c11", "-fPIC", "-shared", "-o", str(made), *sources]
            subprocess.run(command, cwd=path.parent, check=True)
            library = ctypes.CDLL(str(made))

    _, _, classes, workspace_bytes = (ctypes.c_int32 * 4).in_dll(library, "model_sizes")
    room = np.empty(workspace_bytes + 64, np.uint8)
    workspace = room[-room.ctypes.data % 64 :]
    kinds: Any = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    library.model_run_many.argtypes = kinds

    def logits(batch: np.ndarray) -> Any:
        given = np.empty((len(batch), classes), np.float32)
        ends = batch.ctypes.data, given.ctypes.data, len(batch), workspace.ctypes.data
        library.model_run_many(library.model_best(), *ends)
        return given

    return logits


ENGINE = Engine("c", packages=(), opens=("libmodel.so",), load=load)
