"""Architectures: a name gives a `ModelSpec` (data), and `build` makes the module. No files, no network.

`spec_of` and `names` are light; torch is imported when `build` is first used.
"""

from .architectures import Architecture as Architecture
from .names import names as names
from .names import spec_of as spec_of
from .network import build as build

__all__ = ["Architecture", "build", "names", "spec_of"]
