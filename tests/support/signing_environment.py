"""An environment of its own for signing: model-signing needs a newer pydantic than other engines' packages allow."""

import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest
from once import once

SITE = "import site, sys; sys.path.extend({paths!r})"


def python_that_signs(factory: pytest.TempPathFactory) -> Path:
    """The interpreter: this one if it can, else one that sees this one's packages behind its own."""
    if find_spec("model_signing"):
        return Path(sys.executable)
    return once(factory, "signing", _made) / "bin" / "python"


def _made(folder: Path) -> None:
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, "model-signing>=1.1", "pyopenssl"], capture_output=True, text=True)
    if done.returncode and os.environ.get("RESZOO_TEST_EXTRAS") != "all":
        pytest.skip(f"model-signing cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    (own,) = folder.glob("lib/python*/site-packages")
    (own / "behind.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("site-packages")))
