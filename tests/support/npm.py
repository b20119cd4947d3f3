"""The packages of npm that artifacts for browsers carry: brought once a run, for whatever cache a test has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from once import once

from reszoo.core.errors import UnavailableError
from reszoo.core.types import Unavailable
from reszoo.export import npm
from reszoo.export.browser import packages

OURS = {packages.ONNXRUNTIME, packages.LITERT, packages.LITERT_UTILS}
unavailable = npm.unavailable


@pytest.fixture(scope="session", autouse=True)
def _npm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where npm cannot bring them, as without a network, the formats are not here, and their tests are skipped."""
    shared = once(tmp_path_factory, "npm", Path.mkdir)

    def tried(what: str, *wanted: npm.Package) -> Unavailable | None:
        if (missing := unavailable(what, *wanted)) or not OURS.issuperset(wanted) or npm.home() != shared:
            return missing
        try:
            for package in wanted:
                npm.bring(package)
        except UnavailableError as error:
            return Unavailable(what=what, reason=error.problem, fix=error.fix)
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npm, "home", lambda: shared)
        patch.setattr(npm, "unavailable", tried)
        yield
