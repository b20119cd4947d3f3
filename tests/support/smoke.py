"""What the tests of studies are given: the results folder of a study at its smallest, by its name."""

from collections.abc import Callable
from pathlib import Path

Smoke = Callable[[str], Path]
