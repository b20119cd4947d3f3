"""Measurements as rows: what a reader takes from them has to be true of the artifact in that row."""

import re

import msgspec
import pytest
from measurements import a_measurement

from reszoo.bench.table import notes, rows
from reszoo.core.errors import ReszooError
from reszoo.core.measured import Window
from reszoo.workflows.benchmarking import check_latency


def test_an_accuracy_stands_in_every_row_of_its_artifact_and_in_no_other() -> None:
    measured = a_measurement()
    larger_batch = a_measurement(batch=32, correct=None)
    elsewhere = a_measurement(runtime="openvino", correct=None)
    integers = a_measurement(precision="int8", artifact_sha256="c" * 64, correct=9160)
    found = rows([measured, larger_batch, elsewhere, integers])
    assert [row.accuracy for row in found] == ["91.73 ±0.56", "91.73 ±0.56", "", "91.60 ±0.56"]
    assert notes([measured, integers])[0] == "top-1 is on the 10,000 images of cifar10/test, with its 95 % interval"


def test_a_throughput_that_is_not_what_the_median_gives_is_explained() -> None:
    measured = a_measurement(correct=None)
    slow = (Window(runs=100, seconds=2 * 100 * measured.median_s),) * 2
    assert notes([msgspec.structs.replace(measured, windows=slow)])[0].startswith("images/s counts every run")
    even = (Window(runs=100, seconds=100 * measured.median_s),) * 2
    assert notes([msgspec.structs.replace(measured, windows=even)]) == []


def test_a_latency_gate_passes_fails_or_cannot_tell_by_the_whole_interval() -> None:
    measured = a_measurement()  # 4 ms
    low, high = measured.interval_s
    assert [measured.against(limit) for limit in (2 * high, low / 2, (low + high) / 2)] == [
        *("pass", "fail", "cannot tell"),
    ]
    check_latency([measured], high)
    slow = [a_measurement(median_s=1e-3), measured, a_measurement(batch=32)]
    with pytest.raises(ReszooError, match=r"takes longer than allowed: .* ms \(.* to .*\), at most 2.00 ms") as caught:
        check_latency(slow, 2e-3)
    assert re.findall(r" b(\d+) takes longer", str(caught.value)) == ["1", "32"]  # all of them, and no other
    with pytest.raises(ReszooError, match=r"cannot tell whether .* takes too long"):
        check_latency([measured], measured.median_s)
