"""Environments of their own, for packages whose pins do not go with those of this one."""

import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest
from once import once


def python_that_signs(factory: pytest.TempPathFactory) -> Path:
    """The interpreter: this one if it can, else one that sees this one's packages behind its own.

    model-signing needs a newer pydantic than other engines' packages allow.
    """
    if find_spec("model_signing"):
        return Path(sys.executable)
    return once(factory, "signing", _signing) / "bin" / "python"


def python_of_tritons_client(factory: pytest.TempPathFactory) -> Path:
    """With the packages that the README of a model repository names, and the client's protobuf."""
    return once(factory, "tritonclient", _tritonclient) / "bin" / "python"


def _signing(folder: Path) -> None:
    _make(folder, "model-signing>=1.1", "pyopenssl")
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "behind.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("site-packages")))


def _tritonclient(folder: Path) -> None:
    _make(folder, "tritonclient[http,grpc]>=2.60", "pillow")


def _make(folder: Path, *requirements: str) -> None:
    venv.create(folder, with_pip=True, symlinks=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *requirements], capture_output=True, text=True)
    if done.returncode and os.environ.get("RESZOO_TEST_EXTRAS") != "all":
        pytest.skip(f"{requirements[0]} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
