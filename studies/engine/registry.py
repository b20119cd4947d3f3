"""The studies by name: one file each in `studies/`, and those that other packages bring."""

from functools import cache
from importlib import import_module
from typing import NoReturn

from ...core.foreign import ForeignPlugins
from ...core.missing import unavailable_error
from ...core.registry import Plugins, choose, discover
from ...core.types import Unavailable
from .study import Study


@cache
def studies() -> Plugins:
    """Every study by its name. A file is imported when its study is asked for."""
    own = import_module(__name__.rpartition(".engine.")[0])
    return discover(own, "STUDY", ForeignPlugins("studies", Study, _fail))


def study_named(name: str) -> Study:
    """Raises UsageError for an unknown name, and UnavailableError for a study that its package cannot give."""
    found: Study = choose(studies(), name, "study")
    return found


def _fail(missing: Unavailable) -> NoReturn:
    raise unavailable_error(missing)
