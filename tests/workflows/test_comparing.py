"""Who meets whom in a comparison: each model in every runtime and precision that there is for it."""

from collections.abc import Callable

import pytest
from measuring import artifact as artifact
from measuring import quick as quick

from reszoo import zoo
from reszoo.bench.plan import Planned
from reszoo.bench.targets.local import HERE
from reszoo.core.errors import UsageError
from reszoo.core.measured import Scenario
from reszoo.core.progress import silent
from reszoo.core.types import Artifact, Precision
from reszoo.workflows.benchmarking import benchmark, planned, sweep
from reszoo.workflows.comparing import _contestants, compare

REF = "resnet8_v1.reszoo_digits"


def test_a_checkpoint_comes_in_each_precision_that_a_runtime_has_and_an_artifact_once(
    quick: Scenario, artifact: Artifact
) -> None:
    left_out: list[tuple[str, str]] = []
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    found = _contestants(
        [zoo.load(REF), artifact],
        ["torch", "onnxruntime"],
        precisions,
        quick,
        True,
        HERE,
        lambda *which: left_out.append(which),
        silent,
    )
    ways = [(each.scenario.runtime, each.artifact.precision) for each in found]
    checkpoints = [("torch", "fp32"), ("onnxruntime", "fp32"), ("onnxruntime", "int8")]
    assert ways == [*checkpoints, ("onnxruntime", "fp32")]
    assert left_out == [("torch", "int8"), ("torch", "onnx")]


def test_without_a_runtime_a_checkpoint_runs_in_the_first_that_has_its_precision(quick: Scenario) -> None:
    checkpoint = zoo.load(REF)
    ways = [planned(checkpoint, None, quick, True, precision) for precision in ("fp32", "int8")]
    assert [way.scenario.runtime for way in ways] == ["torch", "onnxruntime"]


def test_one_artifact_in_a_runtime_that_is_named_twice_shows_the_noise(quick: Scenario, artifact: Artifact) -> None:
    found = _contestants([artifact], ["onnxruntime"] * 2, None, quick, True, HERE, lambda *which: None, silent)
    assert [each.artifact.path for each in found] == [artifact.path] * 2


@pytest.mark.parametrize(
    "measure",
    [
        lambda artifact, quick: benchmark(artifact, precision="int8"),
        lambda artifact, quick: compare(artifact, artifact, precision="int8"),
        lambda artifact, quick: sweep([artifact], None, quick, [1], [1], precisions=["int8"]),
    ],
    ids=["benchmark", "compare", "sweep"],
)
def test_an_artifact_has_its_own_precision(
    measure: Callable[[Artifact, Scenario], object], artifact: Artifact, quick: Scenario
) -> None:
    with pytest.raises(UsageError, match=r"is fp32, not int8\nLeave `precision` away"):
        measure(artifact, quick)
    (item,) = sweep([artifact], None, quick, [1], [1], precisions=["int8", "fp32"])
    assert isinstance(item, Planned)
