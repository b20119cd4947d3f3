"""Packed times are the same times, to the last bit, and anyone can unpack them."""

import base64
import json
import math
import random
import zlib

import numpy as np
import pytest

from reszoo.core.packing import pack, unpack

SHUFFLED = random.Random(0)  # noqa: S311 - latencies, not secrets
TICKS = [SHUFFLED.randint(300_000, 400_000) for _ in range(5000)]


@pytest.mark.parametrize("runs", [1, 2, 3, 7, 49, 1000])
def test_means_of_runs_by_the_hosts_clock_are_integers_and_come_back_exactly(runs: int) -> None:
    times_s = [ticks / 1e9 / runs for ticks in TICKS]
    packed = pack(times_s)
    assert packed["encoding"] == "nanoseconds"
    assert packed["runs"] <= runs
    assert unpack(packed, "$") == times_s


@pytest.mark.parametrize(
    "times_s",
    [
        [],
        [0.0],
        [12345.678901234],
        [1e-9, 3.5],
        [math.pi, math.e],
        [float(np.float32(ticks / 1e6)) / 1e3 for ticks in TICKS[:100]],
    ],
    ids=["none", "zero", "hours", "far apart", "any numbers", "as a GPU's events give them"],
)
def test_any_times_come_back_exactly(times_s: list[float]) -> None:
    assert unpack(json.loads(json.dumps(pack(times_s))), "$") == times_s


def test_times_of_a_real_clock_take_an_eighth_of_their_decimals() -> None:
    times_s = [ticks / 1e9 for ticks in TICKS]
    indented = json.dumps(times_s, indent=10)  # as deep in a document as a block's were
    assert len(json.dumps(pack(times_s))) < len(indented) / 7


@pytest.mark.parametrize(("times_s", "dtype"), [([t / 1e9 for t in TICKS], "<i8"), ([math.pi, math.e], "<f8")])
def test_numpy_reads_them_in_the_line_that_the_module_shows(times_s: list[float], dtype: str) -> None:
    packed = pack(times_s)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), "u1")
    numbers = planes.reshape(8, -1).T.copy().view(dtype).ravel()
    assert (numbers / 1e9 if dtype == "<i8" else numbers).tolist() == times_s


@pytest.mark.parametrize(
    "series",
    [
        None,
        [0.1],
        {"encoding": "nanoseconds"},
        {"encoding": "minutes", "data": ""},
        {"encoding": "nanoseconds", "runs": 0, "data": pack([1.0])["data"]},
        {"encoding": "nanoseconds", "data": "not base64"},
        {"encoding": "nanoseconds", "data": base64.b64encode(b"not zlib").decode()},
        {"encoding": "float64", "data": base64.b64encode(zlib.compress(b"seven b")).decode()},
    ],
)
def test_what_is_no_packed_series_is_named(series: object) -> None:
    with pytest.raises(ValueError, match=r"`\$\.samples_s` is no packed series of times"):
        unpack(series, "$.samples_s")
