"""Architectures: a name gives a `ModelSpec` (data), and `build` makes the module. No files, no network.

`spec_of` and `names` are light; torch is imported when `build`, `block` or `from_config` is first used.
"""

from typing import TYPE_CHECKING, Any

from ..core.missing import require
from .architectures import Architecture as Architecture
from .names import names as names
from .names import spec_of as spec_of
from .network import build as build

if TYPE_CHECKING:
    from .composing import block as block
    from .composing import from_config as from_config

__all__ = ["Architecture", "block", "build", "from_config", "names", "spec_of"]


def __getattr__(name: str) -> Any:
    if name in ("block", "from_config"):
        require("torch", "to build a network")
        from . import composing

        return getattr(composing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
