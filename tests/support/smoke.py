"""What the tests of studies are given: the results folder of a study at its smallest, by its name."""

from collections.abc import Callable
from pathlib import Path

from reszoo.studies.engine.records import Case

Smoke = Callable[[str], Path]


def mean_of(case: Case) -> float:
    """What was measured in a case that says anything."""
    assert case.mean is not None
    return case.mean
