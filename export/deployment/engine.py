"""What run.py needs of an engine. Each is one file in `engines/`, found by listing the folder."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ...core.registry import discover


class Engine(NamedTuple):
    """How a model is opened with nothing but an engine's own packages.

    name      of the runtime in `export/runtimes/` that does the same inside reszoo
    packages  what pip installs for it
    opens     suffixes of the files that `load` opens
    load      from such a file to a function from a batch (N, ...) to its logits (N, classes), both numpy arrays. Its
              source text goes into run.py: it imports its engine itself, and may use what run.py imports besides
    """

    name: str
    packages: tuple[str, ...]
    opens: tuple[str, ...]
    load: Callable[[Path], Any]


@cache
def engines() -> Mapping[str, Engine]:
    from . import engines as package

    return discover(package, "ENGINE")
