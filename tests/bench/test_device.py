"""The one file that goes to a device: it needs no package but numpy and a runtime, and is read by an old Python."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from reszoo.bench.device.packing import MODULES, REPLACED, ROOT, packed

NEW_IN_TYPING = {"Self", "assert_never", "override", "ParamSpec", "TypeAlias", "Unpack", "NotRequired", "Required"}
IMPORTED = """
import sys
for name in ("msgspec", "PIL", "safetensors", "rich", "typer", "torch", "onnx"):
    sys.modules[name] = None  # not importable
sys.path.insert(0, sys.argv[1])
from importlib import import_module
for name in sys.argv[2:]:
    found = import_module(name)
    assert found.__file__.startswith(sys.argv[1]), found.__file__
assert set(import_module("reszoo.export.contract.runtime").runtimes()) >= {"onnxruntime", "ncnn", "litert"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "worker.pyz"
    path.write_bytes(packed().data)
    return path


def test_its_modules_need_nothing_that_is_not_in_it(file: Path) -> None:
    names = [f"reszoo.{name.removesuffix('.py').replace('/', '.')}" for name in MODULES if "__main__" not in name]
    done = subprocess.run([sys.executable, "-c", IMPORTED, file, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_python_3_9_reads_it(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            tree = ast.parse(archive.read(name), name, feature_version=(3, 9))
            if name.endswith("__init__.py") or name == "__main__.py":
                continue
            named = {
                alias.name
                for node in tree.body  # what only a type checker imports stands deeper
                if isinstance(node, ast.ImportFrom) and node.module == "typing"
                for alias in node.names
            }
            assert named.isdisjoint(NEW_IN_TYPING), name
            later = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_strict_zip(node)]
            assert later == [], name


def _is_strict_zip(node: ast.Call) -> bool:
    is_zip = isinstance(node.func, ast.Name) and node.func.id == "zip"
    return is_zip and any(keyword.arg == "strict" for keyword in node.keywords)


def test_what_samples_there_is_what_samples_here(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        for name in ("bench/timing.py", "bench/worker.py", "export/runtimes/onnxruntime.py"):
            packed_lines = archive.read(f"reszoo/{name}").decode().splitlines()
            ours = (ROOT / name).read_text().splitlines()
            assert [line for line in packed_lines if line not in ours] == ["from __future__ import annotations"]
    assert set(REPLACED).isdisjoint(MODULES)
