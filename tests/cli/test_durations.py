"""Durations as people type them."""

import pytest

from reszoo.cli.durations import parse_duration
from reszoo.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0.5ms", 0.0005), ("500us", 0.0005), ("500 µs", 0.0005), (".5ms", 0.0005), ("2s", 2.0), ("0.7ms", 0.0007)],
)
def test_a_duration_is_read_in_its_unit_exactly(text: str, seconds: float) -> None:
    assert parse_duration(text, "--max-latency") == seconds


@pytest.mark.parametrize("text", ["0.5", "0ms", "-1ms", "1e-3s", "5 minutes", "ms", "٣ms"])
def test_all_else_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-latency .* is no duration above 0[\s\S]*--max-latency 0.5ms"):
        parse_duration(text, "--max-latency")
