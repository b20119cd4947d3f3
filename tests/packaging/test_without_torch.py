"""`pip install reszoo`: a small environment, in which everything but building works."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from once import once
from PIL import Image
from safetensors.torch import save_file
from shelf import write_card

from reszoo import datasets, models, zoo
from reszoo.export.exporting import export

ROOT = Path(__file__).resolve().parents[2]
REF = "resnet8_v1.reszoo_digits"
DOWNLOADED = "resnet8_v1.tiny_cifar10"
URL = "https://weights.example/tiny.safetensors"
ABSENT = ("torch", "torchvision", "onnxscript", "scipy", "scikit-learn", "matplotlib", "sympy", "timm")
MOST_MB = 450  # of all packages together; PyTorch alone has more than a thousand

pytestmark = [pytest.mark.alone, pytest.mark.long]  # it measures, and builds and installs the wheel


@pytest.fixture(scope="module")
def small(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment with the wheel and what it requires."""

    def make(folder: Path) -> None:
        venv.create(folder, with_pip=False)
        command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
        done = subprocess.run(
            [*command, "-c", str(ROOT / "constraints.txt"), str(wheel)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "small-environment", make)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "digits-onnx", lambda folder: export(zoo.load(REF), "onnx", out=folder))


def reszoo(small: Path, *arguments: str | Path, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    command = [str(small / "bin" / "reszoo"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return done


def test_what_is_in_it(small: Path) -> None:
    (packages,) = (small / "lib").glob("python*/site-packages")
    names = {folder.name.partition("-")[0].replace("_", "-") for folder in packages.glob("*.dist-info")}
    assert names.isdisjoint(ABSENT)
    files = [path for path in packages.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MOST_MB * 1e6


def test_the_catalogue_is_looked_up(small: Path, tmp_path: Path) -> None:
    assert REF in reszoo(small, "list", cwd=tmp_path).stdout
    shown = json.loads(reszoo(small, "show", "resnet50_v1", "--json", cwd=tmp_path).stdout)
    assert shown["cost"]["params"] == 25_557_032
    assert "stages.2.0.convs.1" in reszoo(small, "show", REF, "--layers", cwd=tmp_path).stdout


def test_safetensors_are_downloaded_as_with_torch(
    small: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes, whatever converted them."""
    mirror = tmp_path / "mirror" / "weights.example"
    mirror.mkdir(parents=True)
    save_file(models.build(models.spec_of("resnet8_v1")).state_dict(), mirror / "tiny.safetensors")
    (cards,) = (small / "lib").glob("python*/site-packages/reszoo/zoo/cards")
    card = write_card(cards, URL, (mirror / "tiny.safetensors").read_bytes(), DOWNLOADED)
    try:
        settings = {"RESZOO_CACHE": str(cache), "RESZOO_MIRROR": f"file://{tmp_path / 'mirror'}"}
        reszoo(small, "download", DOWNLOADED, cwd=tmp_path, **settings)
    finally:
        card.unlink()
    folder = cache / "checkpoints" / DOWNLOADED
    made = zoo.read(folder)
    again = zoo.save(
        tmp_path / "again",
        zoo.build(made).state_dict(),
        ref=made.ref,
        spec=made.spec,
        preprocess=made.preprocess,
        labels=made.labels,
        dataset=made.dataset,
        metrics=made.metrics,
        licence=made.licence,
        provenance=made.provenance,
    )
    assert again.sha256 == made.sha256


def test_an_artifact_is_run_measured_compared_and_examined(small: Path, artifact: Path, tmp_path: Path) -> None:
    test = datasets.load("digits", "test")
    assert isinstance(test, datasets.ArrayDataset)
    Image.fromarray(test.images[0][..., 0]).save(tmp_path / "digit.png")
    told = json.loads(reszoo(small, "predict", artifact, "digit.png", "--json", cwd=tmp_path).stdout)
    assert told["predictions"][0]["top"][0]["label"] == str(test.labels[0])

    quick = ("--time-limit", "1", "--out", "results")
    reszoo(small, "bench", artifact, "--runtime", "onnxruntime", "--accuracy", "digits", *quick, cwd=tmp_path)
    reszoo(small, "compare", artifact, artifact, "--half-width", "20%", *quick, cwd=tmp_path)
    reszoo(small, "report", "results", "--html", "page.html", "--csv", "table.csv", cwd=tmp_path)
    assert (tmp_path / "page.html").stat().st_size > 1e6

    found = json.loads(reszoo(small, "doctor", "--json", cwd=tmp_path).stdout)
    works = {tool["name"]: tool["works"] for tool in found["runtimes"]}
    assert works["onnxruntime"]
    assert not works["torch"]
    assert "kernels" in reszoo(small, "doctor", artifact, cwd=tmp_path).stdout
