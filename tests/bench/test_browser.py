"""The target `browser`: a worker in a page of Chromium, judged as every other."""

import time
from contextlib import closing
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from once import once

from reszoo import zoo
from reszoo.bench import protocol
from reszoo.bench.comparison import Contestant, Effort, compare
from reszoo.bench.evaluate import classes_of
from reszoo.bench.harness import EvaluationRequest, measure
from reszoo.bench.plan import plan
from reszoo.bench.sampling import runs_per_sample
from reszoo.bench.target import parse_target
from reszoo.bench.targets.browser import BrowserTarget, BrowserWorker
from reszoo.bench.targets.local import HERE
from reszoo.core.errors import UnavailableError
from reszoo.core.measured import Comparison, Failure, Measurement, Scenario
from reszoo.core.types import Artifact, Unavailable
from reszoo.export import artifacts, export
from reszoo.export.browser import finding
from reszoo.export.contract.format import formats

REF = "resnet8_v1.reszoo_digits"
STEP_S = 5e-6  # of performance.now() in a page that is isolated
pytestmark = pytest.mark.skipif(finding.find() is None, reason=finding.FIX)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    if missing := formats()["web"].unavailable():
        pytest.skip(missing.reason)
    return artifacts.read(once(tmp_path_factory, "web-digits", lambda out: export(zoo.load(REF), "web", out=out)))


@pytest.fixture
def scenario(quick: Scenario) -> Scenario:
    return msgspec.structs.replace(quick, runtime="onnxruntime-web", target="browser")


def test_a_measurement_names_the_browser_and_whose_clock_it_was(
    site: Artifact, scenario: Scenario, tmp_path: Path
) -> None:
    evaluation = EvaluationRequest(
        dataset="digits",
        split="test",
        batch=100,
        predictions=tmp_path / "predictions.npz",
        classes=classes_of(site, "digits", "test", None, "network"),
    )
    with parse_target("browser") as target:
        found = measure(site, scenario, evaluation=evaluation, target=target)
    assert isinstance(found, Measurement), found
    assert str(found.way) == "measured by the page's clock"
    name, _, version = finding.version(str(finding.find())).rpartition(" ")
    assert found.host.versions[name] == version
    assert min(found.samples_s) > 0
    assert found.cold_start.start_s > 0
    assert found.cold_start.load_s > 0
    assert found.memory.loaded.resident_bytes > found.memory.started.resident_bytes > 50e6
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(zoo.load(REF).metrics[0].value, abs=1e-4)  # as it is everywhere


def test_a_sample_spans_hundreds_of_steps_of_the_pages_clock(scenario: Scenario) -> None:
    worker: Any = SimpleNamespace(scenario=scenario, shortest_sample_s=BrowserWorker.shortest_sample_s)
    for run_s in (20e-6, 0.5e-3, 2e-3, 10e-3):
        assert runs_per_sample(worker, run_s) * run_s >= 500 * STEP_S


@pytest.mark.alone
def test_an_exchange_with_a_page_waits_for_no_acknowledgement(site: Artifact, scenario: Scenario) -> None:
    """A packet that is sent only when the one before it was acknowledged waits for 40 ms (RFC 1122, 4.2.3.2)."""
    sample = protocol.encode(protocol.Sample(seconds=0.0, runs_per_sample=1, settle=0))
    seconds = []
    with BrowserTarget() as target, closing(target.worker(site, scenario, patience_s=60)) as worker:
        for request in [protocol.encode(worker.load_request(0)), *[sample] * 40]:
            started = time.monotonic()
            worker.write(request)
            assert b"Refusal" not in (worker.line(started + 60) or b"Refusal")
            seconds.append(time.monotonic() - started)
    assert median(seconds[1:]) < 0.035


def test_pages_are_compared_in_turn(site: Artifact, scenario: Scenario) -> None:
    effort = Effort(precision=0.9, limit_s=1, round_s=0.1, least_rounds=2)
    with BrowserTarget() as target:
        found = compare([Contestant(site, scenario)] * 2, effort, target=target)
    assert isinstance(found, Comparison), found
    assert all(0.1 < ratio.value < 10 for ratio in found.ratios)


def test_what_a_page_cannot_do_is_a_failure_with_its_reason(site: Artifact, scenario: Scenario) -> None:
    with BrowserTarget() as target:
        found = measure(site, msgspec.structs.replace(scenario, streams=2), target=target)
    assert isinstance(found, Failure)
    assert "streams has to be 1" in found.reason


def test_a_browser_that_is_missing_is_said_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESZOO_BROWSER", "/nowhere/chromium")
    with pytest.raises(UnavailableError, match="/nowhere/chromium, which is no program"), parse_target("browser"):
        pass


def test_a_page_is_never_among_this_machines_own_runtimes(site: Artifact, quick: Scenario) -> None:
    """Neither is a native runtime among those of a browser."""
    assert not HERE.engines().keys() & BrowserTarget().engines().keys()
    assert {"onnxruntime-web", "litert-web"} <= BrowserTarget().engines().keys()
    assert next(iter(BrowserTarget().engines())) == "onnxruntime-web"
    (missing,) = plan(site, quick, [1], [1])
    assert isinstance(missing, Unavailable)
    assert missing.fix == "Measure it in a browser: `target=browser`."
