"""Every network has a name, the controls are what they say, and what the study finds on digits."""

import pytest
from smoke import Smoke

from reszoo import zoo
from reszoo.core.documents import read_json
from reszoo.core.types import ResNetSpec
from reszoo.models import spec_of
from reszoo.studies import StudyResult
from reszoo.studies.efficient import DESIGNS, FIRST, TWICE, archs, conditions
from reszoo.studies.engine.deployed import REFERENCES
from reszoo.studies.engine.records import RunResult, Scale, Settings


@pytest.mark.parametrize("data", ["digits", "cifar10"])
@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_its_networks_have_names(scale: Scale, data: str) -> None:
    found = archs(Settings(scale=scale, data=data, seeds=1))
    assert len({repr(spec_of(arch)) for arch in found.values()}) == len(found)
    assert ("cloud" in found) == (scale == "gpu")
    if scale == "gpu":
        assert set(DESIGNS) < set(found)


@pytest.mark.parametrize("data", ["digits", "cifar10"])
def test_what_all_are_timed_with_is_v2_and_the_control_has_twice_its_blocks(data: str) -> None:
    usual, twice = spec_of(archs(Settings(scale="cpu", data=data, seeds=1))["v2"]), spec_of(TWICE[data])
    bundled = zoo.load(REFERENCES[data]).spec
    assert isinstance(usual, ResNetSpec)
    assert isinstance(twice, ResNetSpec)
    assert isinstance(bundled, ResNetSpec)
    assert (usual.family, usual.depths, usual.widths) == (bundled.family, bundled.depths, bundled.widths)
    assert twice.depths == tuple(2 * depth for depth in bundled.depths)
    assert twice.widths == bundled.widths


def test_what_is_not_timed_comes_first() -> None:
    first = conditions(Settings(scale="smoke", data="digits", seeds=1))[0]
    assert first["training"] != "usual"


@pytest.mark.long
@pytest.mark.alone
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    folder = smoke("efficient")
    result = read_json(folder / "result.json", StudyResult, "")
    assert result.verdicts["cloud-is-more-accurate"] == "cannot tell"  # not run
    values = read_json(folder / "runs" / "edge-usual.0.json", RunResult, "").measured.values
    assert values[f"{FIRST}_fp32_ratio"] > 1  # 14 layers beside 8
    assert values[f"{FIRST}_int8_size"] < 1
    assert 50 < values[f"{FIRST}_int8_agreement"] <= 100
    assert values["accuracy"] > 60
    assert abs(values[f"{FIRST}_int8_loss"]) < 10
    assert values[f"{FIRST}_fp32_memory_mb"] > values[f"{FIRST}_fp32_file_mb"] > 0
    assert not any(name.startswith(("openvino", "litert")) for name in values)
    coarse = read_json(folder / "runs" / "v2-coarse.0.json", RunResult, "").measured.values
    assert not any(name.startswith(FIRST) for name in coarse)
