"""On PYTHONPATH: makes every Python process believe that the modules named in HIDDEN_MODULES are not installed."""

import os
import sys
from typing import Any

HIDDEN = os.environ["HIDDEN_MODULES"].split(",")


class Blinkered:
    """An importer that does not see them."""

    def __init__(self, finder: Any) -> None:
        self.finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)


sys.meta_path[:] = [Blinkered(finder) for finder in sys.meta_path]
