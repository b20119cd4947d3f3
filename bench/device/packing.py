"""The one file that goes to a device: reszoo's own modules that sample and run, as a Python zip application."""

import ast
import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# What the worker and the agent import, as it is in reszoo.
CORE = ("cgroups", "cleaning", "errors", "hosts", "missing", "orphans", "patience", "registry", "silence", "sysfs")
MODULES = (
    *(f"core/{name}.py" for name in CORE),
    *(f"export/{name}.py" for name in ("feeding", "files", "openvino_core")),
    "export/contract/runtime.py",
    *(f"export/runtimes/{name}.py" for name in ("executorch", "litert", "mnn", "ncnn", "onnxruntime", "openvino")),
    *(f"bench/{name}.py" for name in ("affinity", "gpu", "machine", "memory", "timing", "worker")),
    *(
        f"bench/device/{name}.py"
        for name in ("__main__", "agent", "artifacts", "emulation", "foreign", "protocol", "records", "store")
    ),
)
# Modules that something else stands in for.
REPLACED = {
    "core/types.py": "records",
    "core/measured.py": "records",
    "core/foreign.py": "foreign",
    "bench/protocol.py": "protocol",
    "export/artifacts.py": "artifacts",
}
REDIRECT = "import sys\n\nfrom {dots}bench.device import {name}\n\nsys.modules[__name__] = {name}\n"
MAIN = "import runpy\n\nrunpy.run_module('reszoo.bench.device', run_name='__main__')\n"
LATE = "from __future__ import annotations\n"  # so that Python 3.9 reads `X | None`
LONG_AGO = (1980, 1, 1, 0, 0, 0)


class Packed(NamedTuple):
    data: bytes
    sha256: str


@cache
def packed() -> Packed:
    """The same bytes for the same modules."""
    texts = {f"reszoo/{name}": postponed((ROOT / name).read_text(encoding="utf-8")) for name in MODULES}
    for name, replacement in REPLACED.items():
        texts[f"reszoo/{name}"] = REDIRECT.format(dots="." * (name.count("/") + 1), name=replacement)
    folders = {str(parent) for name in texts for parent in Path(name).parents if parent != Path()}
    texts |= {f"{folder}/__init__.py": "" for folder in folders}
    texts["__main__.py"] = MAIN
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name in sorted(texts):
            file.writestr(zipfile.ZipInfo(name, LONG_AGO), texts[name], zipfile.ZIP_DEFLATED)
    return Packed(made.getvalue(), hashlib.sha256(made.getvalue()).hexdigest())


def postponed(source: str) -> str:
    """The same module, whose annotations are not evaluated."""
    lines = source.splitlines(keepends=True)
    first, *_ = ast.parse(source).body
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    after = (first.end_lineno or 0) if is_docstring else 0
    return "".join([*lines[:after], LATE, *lines[after:]])
