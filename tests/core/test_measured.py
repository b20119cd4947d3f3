"""The figures that people ask a measurement for are its own, and come from the one place of statistics."""

import subprocess
import sys

import pytest
from measurements import SCENARIO, SUBJECT, a_measurement
from speed_checks import comparison_of

from reszoo.core import estimates
from reszoo.core.measured import Accuracy, Window


def test_no_more_answers_are_correct_than_there_are() -> None:
    with pytest.raises(ValueError, match="11 of 10 answers cannot be correct"):
        Accuracy(dataset="digits", split="test", n=10, correct=11)


def test_a_measurement_has_its_median_its_quantiles_and_its_throughput() -> None:
    m = a_measurement(n=2000, batch=8)
    assert m.median_s == estimates.median(m.samples_s)
    assert m.interval_s == estimates.median_interval(m.samples_s)
    assert m.interval_s.low < m.median_s < m.interval_s.high
    assert m.p90_s == m.quantile_s(0.9) == estimates.quantile(m.samples_s, 0.9)
    assert m.p99_s == estimates.quantile(m.samples_s, 0.99)
    assert (m.images_per_s, m.images_per_s_interval) == estimates.throughput(m.windows, 8)


def test_a_figure_that_the_samples_do_not_carry_is_none() -> None:
    assert a_measurement(n=999).p99_s is None
    assert a_measurement(n=5000, runs_per_sample=2).p90_s is None
    cold = a_measurement(cold_cache=True)
    assert (cold.images_per_s, cold.images_per_s_interval) == (None, None)


def test_throughput_counts_the_images_of_a_batch() -> None:
    m = a_measurement(batch=4, windows=(Window(runs=10, seconds=2.0), Window(runs=10, seconds=2.0)))
    assert m.images_per_s == 20


def test_a_comparison_has_the_ratio_of_any_two_and_the_medians() -> None:
    c = comparison_of(0.5, SCENARIO)
    floor, ratio = c.ratios
    assert (floor.value, floor.verdict) == (1, "no difference")
    assert ratio == c.ratio(2)
    assert (ratio.value, ratio.verdict) == (pytest.approx(0.5), "faster")
    assert c.ratio(0, 2).value == pytest.approx(2)
    assert (c.median_s(0), c.median_s(2)) == (1.0, 0.5)


def test_the_numbers_of_a_record_need_no_numpy_until_they_are_asked_for() -> None:
    code = "import sys, reszoo.core.measured; sys.exit(any(name in sys.modules for name in ('numpy', 'scipy')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("n", [10, 10_000])
def test_a_record_is_printed_in_one_short_line(n: int) -> None:
    text = repr(a_measurement(n=n))
    assert text.startswith("Measurement(resnet20_v1.akamaster_cifar10 as onnx fp32 on onnxruntime, cpu, 1 threads")
    assert "\n" not in text
    assert len(text) < 1000
    assert repr(SCENARIO).startswith("Scenario(runtime='onnxruntime', variant='', device='cpu', batch=1, threads=1")
    assert len(repr(SUBJECT)) < 1000
