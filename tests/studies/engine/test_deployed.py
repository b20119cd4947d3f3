"""Networks as they are deployed: what a bundled one gives, and what is left of one that int8 does not become."""

from pathlib import Path

import pytest

from reszoo import zoo
from reszoo.export import parity
from reszoo.studies.engine.deployed import (
    FIRST,
    REFERENCES,
    accuracy,
    exported,
    latencies,
    memory_mb,
    quantized,
    reference,
    runtimes_here,
    timed,
)
from reszoo.studies.engine.records import Settings

DIGITS = Settings(scale="smoke", data="digits", seeds=1)


def test_the_runtime_that_is_on_every_machine_comes_first() -> None:
    assert runtimes_here()[0] == FIRST


def test_an_artifact_has_the_accuracy_of_its_checkpoint() -> None:
    (published,) = zoo.load(REFERENCES["digits"]).metrics
    found = accuracy(reference("digits", FIRST), FIRST, "digits")
    assert found == pytest.approx(100 * published.value, abs=100 / published.n)


def test_int8_that_would_fail_the_proof_is_measured_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = zoo.load(REFERENCES["digits"])
    monkeypatch.setitem(parity.TOLERANCES, "int8", parity.Tolerance(error=0.0, agreement=1.0))
    with pytest.raises(parity.ParityError):
        exported(checkpoint, FIRST, "int8", tmp_path / "refused")
    made = quantized(checkpoint, FIRST, tmp_path / "made")
    assert made.precision == "int8"
    assert 0.9 < made.parity.top1_agreement <= 1
    assert accuracy(made, FIRST, "digits") > 85


@pytest.mark.alone
def test_a_network_beside_itself_takes_as_long() -> None:
    artifact = reference("digits", FIRST)
    first, second = latencies([artifact, artifact], FIRST, DIGITS, seed=0)
    for found in (first, second):
        assert 0.7 < found.ratio < 1.4
        assert 0 < found.ms < 100
    assert memory_mb(artifact, FIRST) > artifact.size_bytes / 1e6


@pytest.mark.alone
def test_a_network_that_is_only_timed_takes_as_long(tmp_path: Path) -> None:
    checkpoint = zoo.load(REFERENCES["digits"])
    assert 0.7 < timed(checkpoint, DIGITS, 0, tmp_path / "written") < 1.4
    assert sorted(path.name for path in (tmp_path / "written").iterdir()) == ["model.onnx"]
