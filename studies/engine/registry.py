"""The studies by name: one file each in `studies/`."""

from functools import cache
from importlib import import_module

from ...core.registry import Plugins, choose, discover
from .study import Study


@cache
def studies() -> Plugins:
    """Every study by its name. A file is imported when its study is asked for."""
    return discover(import_module(__name__.rpartition(".engine.")[0]), "STUDY")


def study_named(name: str) -> Study:
    """Raises UsageError for an unknown name."""
    found: Study = choose(studies(), name, "study")
    return found
