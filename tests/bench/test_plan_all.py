"""`--runtime all`: every runtime that is here, with every format that it runs; and which of them is the fastest."""

import re
from importlib.util import find_spec

import pytest
from measurements import a_measurement
from msgspec.structs import replace

from reszoo import zoo
from reszoo.bench.fastest import fastest
from reszoo.bench.plan import Planned, plan_all
from reszoo.bench.table import misses
from reszoo.core.measured import Failure, MeasurementWarning, Scenario
from reszoo.core.types import Artifact, Unavailable
from reszoo.export.contract.format import formats
from reszoo.export.contract.runtime import runtimes

REF = "resnet8_v1.reszoo_digits"
ENGINES = ("onnxruntime", "torch", "openvino", "litert")


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four engines, of which two are not installed."""
    hidden = ("openvino", "ai_edge_litert")
    monkeypatch.setattr("reszoo.core.missing.find_spec", lambda name: None if name in hidden else find_spec(name))
    some = {name: runtimes()[name] for name in ENGINES}
    monkeypatch.setattr("reszoo.bench.targets.local.runtimes", lambda: some)


@pytest.mark.usefixtures("four")
def test_every_format_in_every_variant_and_what_is_missing_with_its_command(quick: Scenario) -> None:
    told: list[str] = []
    found = list(plan_all(zoo.load(REF), quick, [1], [1, 8], progress=lambda stage, *_: told.append(stage)))
    here = {(p.scenario.runtime_name, p.artifact.format, p.scenario.batch) for p in found if isinstance(p, Planned)}
    ways = {("onnxruntime", "onnx"), ("onnxruntime", "ort"), ("torch", "torch"), ("torch:channels_last", "torch")}
    assert here >= {(*way, batch) for way in ways for batch in (1, 8)}
    assert not {"torch:compile", "torch:cuda_graph"} & {name for name, *_ in here}  # too slow; needs a GPU
    missing = {p.what: p.fix for p in found if isinstance(p, Unavailable)}
    assert missing == {name: f"pip install 'reszoo[{name}]'" for name in ("openvino", "litert")}
    assert told == [f"exporting to {name} fp32" for name in ("onnx", "ort", "torch")]


@pytest.mark.usefixtures("four")
def test_an_export_that_fails_is_one_failure_among_the_others(quick: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats()["onnx"], "convert", lambda *_: 1 / 0)
    found = list(plan_all(zoo.load(REF), quick, [1], [1]))
    (failed,) = {p for p in found if isinstance(p, Failure) and "as onnx" in p.what}
    assert failed.reason == "unexpected ZeroDivisionError: division by zero"
    assert "--debug" in failed.fix
    assert failed.fix in misses([failed])[0]
    assert "torch" in {p.artifact.format for p in found if isinstance(p, Planned)}


@pytest.mark.usefixtures("four")
def test_an_artifact_is_measured_as_it_is(quick: Scenario, artifact: Artifact) -> None:
    found = list(plan_all(artifact, quick, [1], [1]))
    assert [p.scenario.runtime for p in found if isinstance(p, Planned)] == ["onnxruntime"]
    assert [p.what for p in found if isinstance(p, Unavailable)] == ["openvino"]  # it would run it, torch would not


@pytest.mark.usefixtures("four")
def test_a_batch_that_an_artifact_does_not_take_is_a_value_among_the_others(
    quick: Scenario, artifact: Artifact
) -> None:
    ranged = replace(artifact, input=replace(artifact.input, shape=("2..8", *artifact.input.shape[1:])))
    found = list(plan_all(ranged, quick, [1], [1, 4]))
    assert [p.scenario.batch for p in found if isinstance(p, Planned)] == [4]
    assert "it takes batches of 2 to 8" in [p.reason for p in found if isinstance(p, Unavailable)]


def test_the_fastest_is_named_for_each_setting_and_a_tie_is_said() -> None:
    fast, same, slow = (
        a_measurement(runtime=name, median_s=seconds, seed=seed)
        for seed, (name, seconds) in enumerate([("litert", 1e-3), ("ncnn", 1e-3), ("torch", 5e-3)])
    )
    first, second = fastest([slow, fast, same, *(a_measurement(runtime=name, batch=32) for name in ("ncnn", "torch"))])
    assert re.match(r"fastest with 1 thread, batch 1: (litert|ncnn) \(onnx fp32\), \d\.\d+ ms \(", first)
    assert re.search(r"cannot be told apart from (litert|ncnn) \(onnx fp32\), .*`reszoo compare`", first)
    assert "torch" not in first
    assert second.startswith("fastest with 1 thread, batch 32: ")
    (clear,) = fastest([fast, slow])
    assert "told apart" not in clear
    assert fastest([fast]) == []  # there was no choice


def test_the_fastest_is_the_fastest_of_all_precisions() -> None:
    floats, integers = a_measurement(), a_measurement(precision="int8", artifact_sha256="c" * 64, median_s=2e-3)
    (line,) = fastest([floats, integers])
    assert line.startswith("fastest with 1 thread, batch 1: onnxruntime (onnx int8), ")


def test_one_process_each_cannot_tell_what_is_as_near_as_two_processes_of_one_model() -> None:
    fast, near, far = (
        a_measurement(runtime=name, median_s=ms * 1e-3) for name, ms in (("a", 1), ("b", 1.04), ("c", 1.1))
    )
    (line,) = fastest([fast, near, far])
    assert re.search(
        r"cannot be told apart from b \(onnx fp32\), [^a-z]* ms \([^)]*\), as processes.* 5 %: `reszoo compare`", line
    )


def test_artifacts_of_one_kind_are_told_apart_doubts_are_marked_and_what_is_measured_twice_counts_once() -> None:
    steal = MeasurementWarning(kind="steal", detail="much")
    one = a_measurement(artifact_sha256="1" * 64, warnings=(steal,))
    two = a_measurement(artifact_sha256="2" * 64, median_s=9e-3)
    (line,) = fastest([two, one])
    assert re.search(r": onnxruntime \(onnx fp32\) 11111111, .* ms \(.*\) !\.$", line)
    assert fastest([one, one]) == []


def test_settings_are_not_mixed() -> None:
    two = a_measurement(runtime="ncnn", threads=2)
    scenario = replace(two.subject.scenario, threads=1)
    one = replace(two, subject=replace(two.subject, scenario=scenario))
    assert fastest([one, two]) == []
