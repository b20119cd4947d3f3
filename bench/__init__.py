"""Measuring artifacts: each in a fresh process, samples kept, every statistic derived from them. Imported lazily."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .harness import measure as measure

__all__ = ["measure"]


def __getattr__(name: str) -> Any:
    if name == "measure":
        from .harness import measure

        return measure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
