"""Core ML's packages, where Core ML is not: what is in them is read back and computed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from reszoo import zoo
from reszoo.core.errors import ReszooError, UnavailableError
from reszoo.core.types import Artifact
from reszoo.export import ExportOptions, artifacts, export, mil, parity
from reszoo.export.contract.format import formats
from reszoo.export.contract.runtime import runtimes
from reszoo.export.coreml_package import MODEL_FOLDER, WEIGHTS, coremltools
from reszoo.export.predicting import resolve

REF = "resnet8_v2.reszoo_digits"

pytestmark = [
    pytest.mark.skipif(bool(formats()["coreml"].unavailable()), reason="coremltools is not installed"),
    pytest.mark.skipif(not runtimes()["coreml"].unavailable("cpu"), reason="this is a Mac"),
]


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(
        zoo.load(REF), "coreml", out=tmp_path_factory.mktemp("coreml") / "made", options=ExportOptions(precision="fp16")
    )


@pytest.mark.long
def test_the_record_says_that_core_ml_has_not_run_it(half: Artifact) -> None:
    assert half.parity.through == "mil"
    assert half.parity.max_abs_error > 1e-4  # it is really computed in 16 bits
    assert "the files themselves: these are the figures of their mil graph" in (half.path / "README.md").read_text()
    assert half.size_bytes < 0.7 * zoo.load(REF).size_bytes
    with pytest.raises(UnavailableError, match="Core ML is a part of Apple's systems"):
        resolve(half, None)


def test_its_readme_says_how_many_images_it_takes_and_how_to_run_it(half: Artifact) -> None:
    assert half.input.batch_limits == (1, 1024)
    readme = (half.path / "README.md").read_text()
    assert "The batch is 1 to 1024 images." in readme
    assert "pip install 'reszoo[coreml]'\n    reszoo predict . IMAGE..." in readme


def test_its_proof_reads_the_weights_in_the_package(half: Artifact, tmp_path: Path) -> None:
    broken = artifacts.read(shutil.copytree(half.path, tmp_path / "made"))
    weights = tmp_path / "made" / MODEL_FOLDER / "Data" / WEIGHTS
    head = zoo.build(zoo.load(REF)).state_dict()["head.weight"].numpy().astype(np.float16)
    content = weights.read_bytes()
    assert content.count(head.tobytes()) == 1
    weights.write_bytes(content.replace(head.tobytes(), (-head).tobytes()))
    with pytest.raises(ReszooError, match="differs from its source"):
        parity.prove(broken, zoo.load(REF), "coreml")


def test_an_operator_that_the_proof_does_not_know_is_an_error(half: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(mil.OPERATORS, "avg_pool")
    with pytest.raises(ReszooError, match="operator avg_pool is not known to the proof"):
        parity.prove(half, zoo.load(REF), "coreml")


def test_opening_a_package_leaves_it_as_it_is(half: Artifact) -> None:
    coremltools().utils.load_spec(str(half.path / MODEL_FOLDER))  # it writes the manifest anew
    assert artifacts.read(half.path) == half
