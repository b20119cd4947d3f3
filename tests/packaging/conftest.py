"""The wheel, built once."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from once import once
from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (made,) = once(tmp_path_factory, "wheel", build).glob("*.whl")
    return made


def build(out: Path) -> None:
    """From a copy of what it is made of: setuptools leaves build/, and takes long gone modules from it."""
    source = out / "source"
    source.mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name == "src" or (path / "__init__.py").exists():
            unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(path, source / path.name, symlinks=True, ignore=unwanted)
        elif path.is_file():
            shutil.copy(path, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def members(wheel: Path) -> dict[str, int]:
    """The length of each file in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.file_size for info in archive.infolist()}


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Metadata.from_email(archive.read(name))
