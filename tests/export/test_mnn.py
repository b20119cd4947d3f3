"""MNN: its converter is kept from its makers' programs, and what it cannot do is an error."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image
from qdq import Network, random_scales, random_weights

from reszoo import zoo
from reszoo.core.errors import ReszooError
from reszoo.core.types import Artifact
from reszoo.export import ExportOptions, export
from reszoo.export.contract.runtime import runtimes
from reszoo.export.formats import mnn, onnx

REF = "resnet8_v1.reszoo_digits"
BLINKERS = Path(__file__).parents[1] / "support" / "blinkers"

pytestmark = pytest.mark.skipif(bool(mnn.FORMAT.unavailable()), reason="MNN is not installed")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(zoo.load(REF), "mnn", out=tmp_path_factory.mktemp("mnn") / "made")


def test_its_converter_runs_where_its_makers_programs_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the package MNN, install another one by pip, and send usage data."""
    graph = onnx.FORMAT.graph(zoo.load(REF), ExportOptions())
    monkeypatch.setenv("PYTHONPATH", str(BLINKERS), prepend=":")
    monkeypatch.setenv("HIDDEN_MODULES", "MNN,aliyun")
    monkeypatch.setenv("PATH", "")
    assert len(mnn.convert(graph, is_half=False)) > 0.9 * len(graph)


def test_a_graph_with_integers_ends_its_converter_and_not_this_process() -> None:
    model = Network((192,))
    model.layer("Gemm", random_weights((5, 192)), random_scales(5), transB=1)
    with pytest.raises(ReszooError, match=r"MNN's converter gave no model: it ended with -\d+ .*\nExport to another"):
        mnn.convert(model.finish().SerializeToString(), is_half=False)


def test_a_damaged_file_is_refused_with_the_fix(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "model.mnn").write_bytes((artifact.path / "model.mnn").read_bytes()[:3000])
    with pytest.raises(ReszooError, match=r"MNN cannot load .*model\.mnn\nExport it again"):
        runtimes()["mnn"].load(replace(artifact, path=tmp_path), device="cpu", threads=1, variant="")


def test_run_py_prints_classes_and_nothing_of_the_engine(artifact: Artifact, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "image.png")
    command = [sys.executable, artifact.path / "run.py", tmp_path / "image.png"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    assert all(str(tmp_path) in line for line in done.stdout.splitlines())
