"""mypy --strict on the package as it is installed: `python scripts/typecheck.py`.

The rooms lie at the top level and are mapped to `reszoo.*` only by the build, so a built copy is checked.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # setuptools would copy modules from it that are long gone
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*build, "--disable-pip-version-check", "--target", folder, str(ROOT)], check=True)
        check = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "-p", "reszoo"]
        cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
        return subprocess.run([*check, *cache], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
