"""Who meets whom in a comparison: each model in every runtime and precision that there is for it."""

from typing import TYPE_CHECKING

import pytest
from measuring import artifact as artifact
from measuring import quick as quick

from reszoo import zoo
from reszoo.core.errors import UsageError
from reszoo.core.measured import Scenario
from reszoo.core.progress import silent
from reszoo.core.types import Artifact, Precision
from reszoo.workflows.benchmarking import benchmark, planned
from reszoo.workflows.comparing import _contestants

if TYPE_CHECKING:
    from reszoo.workflows.comparing import Pair

REF = "resnet8_v1.reszoo_digits"


def test_a_checkpoint_comes_in_each_precision_that_a_runtime_has_and_an_artifact_once(
    quick: Scenario, artifact: Artifact
) -> None:
    left_out: list[tuple[str, str]] = []
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    pairs: list[Pair] = [(runtime, precision) for runtime in ("torch", "onnxruntime") for precision in precisions]
    found = _contestants(
        [zoo.load(REF), artifact],
        pairs,
        quick,
        True,
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


def test_an_artifact_has_its_own_precision(artifact: Artifact) -> None:
    with pytest.raises(UsageError, match=r"is fp32, not int8\nLeave `precision` away"):
        benchmark(artifact, precision="int8")
