"""The packages of npm that artifacts for browsers carry, brought once a run."""

from pathlib import Path

import pytest
from once import once

from reszoo.core.errors import UnavailableError
from reszoo.export import npm
from reszoo.export.browser import packages

PACKAGES = (packages.ONNXRUNTIME, packages.LITERT, packages.LITERT_UTILS)


def share_packages(factory: pytest.TempPathFactory, cache: Path) -> None:
    """Have them in this cache. Where npm cannot bring them, the test is skipped, with the reason."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RESZOO_CACHE", str(folder))
            for package in PACKAGES:
                npm.bring(package)

    if missing := npm.unavailable("web", *PACKAGES):
        try:
            made = once(factory, "npm-packages", make)
        except UnavailableError as error:
            pytest.skip(f"{missing.what}: {error.problem}")
        cache.mkdir(exist_ok=True)
        (cache / "npm").symlink_to(made / "npm")
