"""The speed check of an int8 network against its float source, and what is said when it is not faster."""

from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from reszoo import zoo
from reszoo.bench.comparison import Effort
from reszoo.bench.targets.local import LocalTarget
from reszoo.core.errors import UsageError
from reszoo.core.estimates import Ratio
from reszoo.core.measured import Failure, Scenario
from reszoo.core.statistics import Interval
from reszoo.core.types import Artifact, Unavailable
from reszoo.export import ExportOptions, export
from reszoo.quantize import QuantizeConfig
from reszoo.workflows.quantization.speed_check import SpeedCheck, check_speed

REF = "resnet8_v1.reszoo_digits"
BRIEF = Effort(precision=1.0, limit_s=0.1, round_s=0.2, least_rounds=2)


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    options = ExportOptions(precision="int8", quantize=QuantizeConfig(images=32, calibration="minmax"))
    return export(zoo.load(REF), "onnx", out=tmp_path_factory.mktemp("speed_check") / "int8", options=options)


@pytest.mark.alone
def test_the_ratio_is_that_of_the_first_to_the_second(artifact: Artifact, tmp_path: Path) -> None:
    heavier = export(zoo.load("resnet8_v1.reszoo_cifar10"), "onnx", out=tmp_path / "heavier")
    heard: list[Ratio] = []
    found = check_speed(heavier, artifact, batch=32, effort=BRIEF, on_round=heard.append)
    assert isinstance(found, SpeedCheck)
    assert heard == [found.ratio]  # after two rounds
    assert found.ratio.interval.low < found.ratio.value < found.ratio.interval.high
    assert found.ratio.value > 3  # 12 times the pixels
    assert (found.scenario.runtime, found.scenario.batch) == ("onnxruntime", 32)


def test_a_worker_that_fails_gives_a_failure_not_a_ratio(artifact: Artifact, int8: Artifact) -> None:
    found = check_speed(int8, artifact, effort=BRIEF, target=LocalTarget("reszoo.nowhere"))
    assert isinstance(found, Failure)
    assert "No module named reszoo.nowhere" in found.output


def test_a_runtime_that_does_not_run_it_is_refused(artifact: Artifact, int8: Artifact) -> None:
    with pytest.raises(UsageError, match="torch does not run the format onnx"):
        check_speed(int8, artifact, runtime="torch")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.5, 0.6, None), (0.97, 1.01, "no difference > 3.0 %"), (1.05, 1.15, "10.0 % slower"), (2.9, 3.1, "3.00 times")],
)
def test_a_warning_comes_where_it_is_not_faster(low: float, high: float, said: str | None, quick: Scenario) -> None:
    found = SpeedCheck(quick, Ratio((low + high) / 2, Interval(low, high))).in_words(Path("made"))
    assert found.startswith("made against float on onnxruntime with 1 threads in batches of 1: ")
    assert ("`reszoo doctor made`" in found) == (said is not None)
    assert (said or "times faster") in found


def test_no_command_is_advised_that_cannot_work(quick: Scenario) -> None:
    found = SpeedCheck(replace(quick, runtime="executorch"), Ratio(1.1, Interval(1.05, 1.15))).in_words(Path("made"))
    assert "executorch does not tell why: quantize it to onnx" in found
    assert "doctor made" not in found


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_the_speed_of_an_engine_is_not_checked_where_its_runtime_is_not(artifact: Artifact, int8: Artifact) -> None:
    found = check_speed(replace(int8, format="tensorrt-rtx"), replace(artifact, format="tensorrt-rtx"), effort=BRIEF)
    assert isinstance(found, Unavailable)
    assert found.reason.startswith("tensorrt-rtx")
    assert found.fix
