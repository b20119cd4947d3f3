"""What the tests of measuring share: an artifact, a scenario that does not take long, and workers that fail."""

import os
from pathlib import Path

import pytest
from once import once

from reszoo import zoo
from reszoo.core.measured import Scenario
from reszoo.core.types import Artifact
from reszoo.export import artifacts, export

REF = "resnet8_v1.reszoo_digits"


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifacts.read(once(tmp_path_factory, "bench", lambda out: export(zoo.load(REF), "onnx", out=out)))


@pytest.fixture
def quick() -> Scenario:
    return Scenario(
        runtime="onnxruntime",
        variant="",
        device="cpu",
        batch=1,
        threads=1,
        precision=0.5,
        warmup_limit_s=0.5,
        sampling_limit_s=1.0,
    )


@pytest.fixture
def bad_worker(monkeypatch: pytest.MonkeyPatch) -> str:
    """The module of a worker with runtime "bad", whose variant says how it fails."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    return "bad_worker"
