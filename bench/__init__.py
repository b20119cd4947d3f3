"""Measuring artifacts: each in a fresh process, raw samples kept, every statistic derived from them."""

from .harness import measure as measure

__all__ = ["measure"]
