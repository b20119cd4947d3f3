"""Packages of npm's registry, of one version each, whose files are kept in the cache and known by their hashes."""

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core.download import is_offline
from ..core.errors import ReszooError, UnavailableError
from ..core.files import cache_dir, sha256_of, staged_folder
from ..core.locks import locked
from ..core.types import Unavailable

LIMIT_S = 900


@dataclass(frozen=True)
class Package:
    """`files` are those that are wanted, as the package has them, and the sha256 of each."""

    name: str
    version: str
    files: Mapping[str, str] = field(hash=False)

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return home() / f"{self.name.replace('/', '+')}-{self.version}"

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def home() -> Path:
    """The folder of all packages."""
    return cache_dir() / "npm"


def unavailable(what: str, *packages: Package) -> Unavailable | None:
    """Why a package of these can neither be found in the cache nor be brought by npm, or None. Asks nobody."""
    for package in packages:
        if package.folder.is_dir():
            continue
        if is_offline():
            reason = f"{package} is not on this machine, and RESZOO_OFFLINE forbids to download it"
            return Unavailable(
                what=what, reason=reason, fix=f"Unset RESZOO_OFFLINE, or copy {package.folder} from elsewhere."
            )
        if shutil.which("npm") is None:
            reason = f"npm, which brings {package}, is not installed"
            fix = (
                f"Install Node.js, which npm comes with (apt-get install npm), or copy {package.folder} from elsewhere."
            )
            return Unavailable(what=what, reason=reason, fix=fix)
    return None


def bring(package: Package) -> Path:
    """The folder with the package's files, from the cache or by npm.

    Raises UnavailableError where npm cannot bring it, ReszooError where a file is not the one that is meant.
    """
    with locked(package.folder):
        if not _is_whole(package):
            with staged_folder(package.folder, Path.is_dir) as new:
                _download(package, new)
    return package.folder


def _is_whole(package: Package) -> bool:
    paths = {package.folder / name: sha256 for name, sha256 in package.files.items()}
    return all(path.is_file() and sha256_of(path) == sha256 for path, sha256 in paths.items())


def _download(package: Package, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        npm = shutil.which("npm") or "npm"
        command = [npm, "pack", str(package), "--ignore-scripts", "--loglevel=error", "--pack-destination", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=name, timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(
                f"npm did not bring {package} in {LIMIT_S} s", "Check the network and the registry that npm asks."
            ) from error
        except OSError as error:
            raise UnavailableError(f"npm cannot be run: {error}", "Install Node.js, which npm comes with.") from error
        archives = list(Path(name).glob("*.tgz"))
        if done.returncode or not archives:
            raise UnavailableError(
                f"npm cannot bring {package}: {_complaint(done.stderr)}",
                "Check the network and the registry that npm asks: npm config get registry.",
            )
        with tarfile.open(archives[0]) as archive:
            for path, sha256 in package.files.items():
                _unpack(archive, path, sha256, folder / path, package)


def _unpack(archive: tarfile.TarFile, path: str, sha256: str, target: Path, package: Package) -> None:
    try:
        content = archive.extractfile(f"package/{path}")
    except KeyError:
        content = None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.read() if content else b"")
    if (found := sha256_of(target)) != sha256:
        raise ReszooError(
            f"{path} of {package} is not the file that is meant: expected sha256 {sha256}, found {found}",
            "Ask npm's own registry: npm config get registry. If it does, report it.",
        )


def _complaint(output: str) -> str:
    """What npm says is wrong, without its codes."""
    lines = [re.sub(r"^npm (error|ERR!) ?", "", line).strip() for line in output.splitlines()]
    return next((line for line in lines if line and not line.startswith("code ")), "it says nothing")
