"""`--runtime all`: every runtime that is here, with every format that it runs; and which of them is the fastest."""

import re

import pytest
from measurements import a_measurement
from msgspec.structs import replace

from reszoo import zoo
from reszoo.bench.fastest import fastest
from reszoo.bench.plan import Planned, plan_all
from reszoo.core.measured import Failure, Scenario
from reszoo.core.types import Artifact, Unavailable
from reszoo.export import contract
from reszoo.export.contract import formats, runtimes

REF = "resnet8_v1.reszoo_digits"
ENGINES = ("onnxruntime", "torch", "openvino", "litert")


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four engines, of which two are not installed."""
    found = contract.find_spec
    hidden = ("openvino", "ai_edge_litert")
    monkeypatch.setattr(contract, "find_spec", lambda name: None if name in hidden else found(name))
    some = {name: runtimes()[name] for name in ENGINES}
    monkeypatch.setattr("reszoo.bench.plan.runtimes", lambda: some)


@pytest.mark.usefixtures("four")
def test_every_format_in_every_variant_and_what_is_missing_with_its_command(quick: Scenario) -> None:
    told: list[str] = []
    found = list(plan_all(zoo.load(REF), quick, [1], [1, 8], watch=told.append))
    here = {(p.scenario.runtime_name, p.artifact.format, p.scenario.batch) for p in found if isinstance(p, Planned)}
    ways = {("onnxruntime", "onnx"), ("onnxruntime", "ort"), ("torch", "torch"), ("torch:channels_last", "torch")}
    assert here >= {(*way, batch) for way in ways for batch in (1, 8)}
    assert not {"torch:compile", "torch:cuda_graph"} & {name for name, *_ in here}  # too slow; needs a GPU
    missing = {p.what: p.fix for p in found if isinstance(p, Unavailable)}
    assert missing == {name: f"pip install 'reszoo[{name}]'" for name in ("openvino", "litert")}
    assert told == ["onnx", "ort", "torch"]


@pytest.mark.usefixtures("four")
def test_an_export_that_fails_is_one_failure_among_the_others(quick: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats()["onnx"], "convert", lambda *_: 1 / 0)
    found = list(plan_all(zoo.load(REF), quick, [1], [1]))
    (failed,) = {p for p in found if isinstance(p, Failure) and "as onnx" in p.what}
    assert failed.reason == "unexpected ZeroDivisionError: division by zero"
    assert "--debug" in failed.output
    assert "torch" in {p.artifact.format for p in found if isinstance(p, Planned)}


@pytest.mark.usefixtures("four")
def test_an_artifact_is_measured_as_it_is(quick: Scenario, artifact: Artifact) -> None:
    found = list(plan_all(artifact, quick, [1], [1]))
    assert [p.scenario.runtime for p in found if isinstance(p, Planned)] == ["onnxruntime"]
    assert [p.what for p in found if isinstance(p, Unavailable)] == ["openvino"]  # it would run it, torch would not


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


def test_settings_are_not_mixed() -> None:
    two = a_measurement(runtime="ncnn", threads=2)
    scenario = replace(two.subject.scenario, threads=1)
    one = replace(two, subject=replace(two.subject, scenario=scenario))
    assert fastest([one, two]) == []
