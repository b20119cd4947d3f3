"""How long work says how far it is: one shape, whatever the work."""

from collections.abc import Callable
from typing import Protocol

Count = Callable[[int, int | None], None]  # a Progress whose stage is given: how much is done, and of how much


class Progress(Protocol):
    """Is told the stage and how much of it is done. A `total` of None means that nobody knows it.

    Calls come from the thread that asked for the work.
    """

    def __call__(self, stage: str, done: float = 0, total: float | None = None, /) -> None: ...


def silent(stage: str, done: float = 0, total: float | None = None, /) -> None:
    """The `Progress` of those who do not want to know."""


def uncounted(done: int, total: int | None) -> None:
    """The `Count` of those who do not want to know."""
