"""An artifact's folder without reszoo: run.py in processes that cannot import it, README.md and labels.txt."""

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from foreign import randomise
from PIL import Image

from reszoo import datasets, models, zoo
from reszoo.core.errors import UsageError
from reszoo.core.types import Artifact, Checkpoint, Preprocess
from reszoo.datasets.builtin import packaged_file
from reszoo.export import ExportOptions, artifacts, deployment, export
from reszoo.export.contract import formats, runtimes
from reszoo.export.deployment.engine import engines
from reszoo.export.deployment.script import Entry, script
from reszoo.export.feeding import feed
from reszoo.export.predicting import read_image

REF = "resnet8_v1.reszoo_digits"
LINES = 60
# What reszoo is made of, besides numpy and Pillow.
FOREIGN = {"reszoo", "torch", "torchvision", "onnx", "onnxscript", "msgspec", "scipy", "sklearn", "safetensors", "rich"}

# Everything that run.py computes, into a file; then run.py as its user calls it.
CHILD = '''
import json, runpy, sys
from pathlib import Path

program, out, missing, *images = sys.argv[1:]

class Blinkered:
    """An importer to which some packages are not installed."""

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in missing.split(","):
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Blinkered, sys.meta_path)

import numpy as np

about = json.loads(Path(program).with_name("artifact.json").read_text())
run = runpy.run_path(program)
logits_of = run["load"](Path(program).with_name(MODEL))
made = {}
for n, image in enumerate(images):
    made[f"pixels{n}"] = run["pixels"](image, about["preprocess"])
    made[f"batch{n}"] = run["feed"](made[f"pixels{n}"], about["input"], about["preprocess"])
    made[f"logits{n}"] = logits_of(made[f"batch{n}"])
np.savez(out, **made)
sys.argv = ["run.py", *images]
runpy.run_path(program, run_name="__main__")
'''


@pytest.fixture(scope="module")
def photographer(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A network that nobody trained, for photographs of any size."""
    spec = models.spec_of("resnet8_v2")
    return zoo.save(
        tmp_path_factory.mktemp("checkpoint") / "made",
        randomise(models.build(spec)).state_dict(),
        ref="resnet8_v2.random",
        spec=spec,
        preprocess=Preprocess(
            mean=(0.48, 0.46, 0.41),
            std=(0.23, 0.22, 0.21),
            input=spec.input,
            resize=41,
            crop=32,
            interpolation="bicubic",
        ),
        labels=tuple(f"class [{n}]\nof {spec.num_classes}" for n in range(spec.num_classes)),
        dataset="none",
        metrics=(),
        licence="BSD-2-Clause",
        lineage=(),
    )


@pytest.fixture(scope="module")
def made(photographer: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """Artifacts, each made once: of the photographer, or of the digits' network."""

    @cache
    def make(format_name: str, ref: str = "", **options: object) -> Artifact:
        out = tmp_path_factory.mktemp("made") / "artifact"
        source = zoo.load(ref) if ref else photographer
        return export(source, format_name, out=out, options=ExportOptions(**options))

    return make


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A photograph of odd size, and what else image files can be."""
    folder = tmp_path_factory.mktemp("photographs")
    photograph = Image.open(packaged_file("images/china.jpg")).crop((100, 50, 433, 267))  # 333 x 217
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    palette = photograph.quantize(64)
    shape = Image.linear_gradient("L").resize(photograph.size)
    made: dict[str, tuple[Image.Image, dict[str, object]]] = {
        "odd.jpg": (photograph, {"quality": 90}),
        "upright.png": (photograph.resize((33, 201)), {}),
        "on_its_side.jpg": (photograph, {"exif": exif}),
        "palette.png": (palette, {"transparency": 3}),
        "alpha.png": (Image.merge("RGBA", (*photograph.split(), shape)), {}),
        "grey.png": (photograph.convert("L"), {}),
        "ink.png": (photograph.convert("1"), {}),
        "print.jpg": (photograph.convert("CMYK"), {}),
        "web.webp": (photograph, {}),
        "raw.bmp": (photograph, {}),
        "fitting.png": (photograph.resize((41, 41)), {}),
        "pixel.png": (photograph.resize((1, 1)), {}),
    }
    for name, (image, options) in made.items():
        image.save(folder / name, **options)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def digit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real 7, as a file."""
    test = datasets.load("digits", "test")
    path = tmp_path_factory.mktemp("digit") / "seven.png"
    Image.fromarray(test.images[int(np.argmax(test.labels == 7))][..., 0]).save(path)
    return path


@pytest.mark.parametrize("name", [name for name in runtimes() if name in engines()])
def test_run_py_gives_the_logits_of_reszoo_where_reszoo_is_not(
    name: str,
    made: Callable[..., Artifact],
    photographer: Checkpoint,
    photographs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From every kind of file, to the last bit of the pixels."""
    monkeypatch.setenv("CI", "true")  # elsewhere OpenVINO sends a message home when it is imported
    if missing := runtimes()[name].unavailable(runtimes()[name].devices[0]):
        pytest.skip(missing.reason)
    artifact = made("onnx" if "onnx" in runtimes()[name].formats else runtimes()[name].formats[0])
    check(artifact, photographer, name, photographs, tmp_path)


@pytest.mark.parametrize("options", [{}, {"batch": 3, "input": "uint8"}], ids=str)
def test_run_py_feeds_whatever_input_the_model_has(
    options: dict[str, object], made: Callable[..., Artifact], digit: Path, tmp_path: Path
) -> None:
    said = check(made("onnx", REF, **options), zoo.load(REF), "onnxruntime", [digit], tmp_path)
    first, *others = said.splitlines()
    assert re.fullmatch(rf"{digit}: +\d+\.\d\d %  7", first)
    assert len(others) == 4


@pytest.mark.skipif(bool(formats()["ncnn"].unavailable()), reason="ncnn is not installed")
def test_half_weights_are_computed_in_float32_as_by_run_py(made: Callable[..., Artifact]) -> None:
    """On CPUs that can do otherwise, too."""
    with runtimes()["ncnn"].load(made("ncnn", REF, precision="fp16"), device="cpu", threads=1, variant="") as session:
        options = session.net.opt  # type: ignore[attr-defined]
    switches = ("use_fp16_storage", "use_fp16_packed", "use_fp16_arithmetic")
    assert not any(getattr(options, switch) for switch in switches)


def check(artifact: Artifact, checkpoint: Checkpoint, runtime_name: str, images: list[Path], tmp_path: Path) -> str:
    """Compare run.py's numbers with reszoo's; gives what it prints."""
    folder = shutil.copytree(artifact.path, tmp_path / "elsewhere")
    deployment.write(artifact, checkpoint, runtime_name, folder)
    engine = engines()[runtime_name]
    model = next(file.name for file in artifact.files if file.name.endswith(engine.opens))
    child = CHILD.replace("MODEL", repr(model))
    missing = ",".join(FOREIGN - set(engine.packages))
    done = subprocess.run(
        [sys.executable, "-I", "-c", child, folder / "run.py", tmp_path / "found.npz", missing, *images],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    with (
        np.load(tmp_path / "found.npz") as found,
        runtimes()[runtime_name].load(
            artifact, device=runtimes()[runtime_name].devices[0], threads=1, variant=""
        ) as session,
    ):
        for n, path in enumerate(images):
            pixels = read_image(path, artifact.preprocess)
            np.testing.assert_array_equal(found[f"pixels{n}"], pixels, err_msg=path.name)
            size = len(found[f"batch{n}"])
            batch = feed(np.repeat(pixels[None], size, axis=0), artifact.input, artifact.preprocess)
            assert (found[f"batch{n}"].dtype, size) == (batch.dtype, artifact.input.shape[0] if size > 1 else 1)
            np.testing.assert_array_equal(found[f"batch{n}"], batch)
            expected = session.predict(batch)
            np.testing.assert_allclose(found[f"logits{n}"], expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    return done.stdout


@pytest.mark.parametrize("name", engines())
def test_every_run_py_is_short_and_needs_one_engine_only(name: str) -> None:
    text = script(Entry(engines()[name], "some.model"))
    assert len(text.splitlines()) <= LINES
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    modules = {package.replace("-", "_").removesuffix("_cu13") for package in engines()[name].packages}
    assert imported - sys.stdlib_module_names == {"numpy", "PIL"} | modules
    assert '"some.model"' in text
    assert all(package in text.splitlines()[0] for package in engines()[name].packages)


def test_every_engine_stands_for_a_runtime() -> None:
    assert engines().keys() <= runtimes().keys()


def test_every_format_but_the_checkpoint_itself_can_be_run_without_reszoo() -> None:
    """And Core ML's, which apps on Apple's systems open."""
    without = [name for name, plugin in formats().items() if plugin.parity_runtime not in engines()]
    assert without == ["coreml", "torch"]


def test_mistakes_end_in_one_line(made: Callable[..., Artifact], digit: Path, tmp_path: Path) -> None:
    Image.new("L", (9, 8)).save(tmp_path / "wide.png")
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "deep.png")
    for arguments, said in (
        ([], "usage: python run.py IMAGE..."),
        ([tmp_path / "wide.png"], "wide.png is 9x8, the model takes 8x8"),
        ([tmp_path / "deep.png"], "deep.png has more than 8 bits per channel"),
    ):
        command = [sys.executable, made("onnx", REF).path / "run.py", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert said in done.stderr


def test_the_readme_says_how_to_feed_the_model_and_how_exact_it_is(made: Callable[..., Artifact]) -> None:
    artifact = made("onnx")
    text = (artifact.path / "README.md").read_text()
    for line in (
        "Licence of the weights: BSD-2-Clause.",
        "pip install numpy pillow onnxruntime\n    python run.py IMAGE...",
        "| in | input | batch x 3 x 32 x 32 | float32 | NCHW |",
        "| out | logits | batch x 10 | float32 | NC |",
        "(bicubic) until the shorter side has 41 pixels",
        "Cut 32 x 32 pixels out of the centre",
        "subtract the mean (0.48 0.46 0.41), divide by the standard deviation (0.23 0.22 0.21)",
        f"| largest error of a logit | {artifact.parity.max_abs_error:.2g} |",
        f"| model.onnx | {artifact.size_bytes} | {artifact.files[0].sha256} |",
    ):
        assert line in text
    assert "{" not in text


def test_the_readme_tells_the_weights_history(made: Callable[..., Artifact]) -> None:
    text = (made("onnx", REF, batch=3, input="uint8").path / "README.md").read_text()
    assert re.search(r"1\. train: dataset digits, precision fp32; with reszoo .*, torch .*", text)
    assert re.search(rf"2\. export: format onnx, precision fp32; with .*; from sha256 {zoo.load(REF).sha256}", text)
    assert "accuracy of the source | 98.33 % on 359 images of digits/test (measured: reszoo train)" in text
    assert "the model takes raw pixels, and normalises them itself" in text
    assert "has to be 8 pixels wide and 8 high" in text


def test_what_needs_reszoo_says_so(made: Callable[..., Artifact]) -> None:
    """A checkpoint is weights and a description; the network's code is reszoo's."""
    artifact = made("torch", REF)
    assert [file.name for file in artifact.extras] == ["README.md", "labels.txt"]
    assert not (artifact.path / "run.py").exists()
    text = (artifact.path / "README.md").read_text()
    assert "There is no run.py" in text
    assert "pip install reszoo\n    reszoo predict . IMAGE..." in text


def test_labels_are_a_line_a_class_whatever_they_hold(made: Callable[..., Artifact]) -> None:
    lines = (made("onnx").path / "labels.txt").read_text().split("\n")
    assert lines == [*(f"class [{n}] of 10" for n in range(10)), ""]


def test_the_extras_may_be_changed_and_are_then_never_overwritten(
    made: Callable[..., Artifact], tmp_path: Path
) -> None:
    source = made("onnx", REF)
    artifact = artifacts.read(shutil.copytree(source.path, tmp_path / "made"))
    assert artifact.extras == source.extras
    names = {file.name for file in (*artifact.files, *artifact.extras)}
    assert {path.name for path in artifact.path.iterdir()} == {"artifact.json", *names}
    (artifact.path / "README.md").unlink()
    with (artifact.path / "run.py").open("a") as file:
        file.write("# mine\n")
    assert artifacts.read(artifact.path) == artifact  # the model is as it was
    with pytest.raises(UsageError, match="holds files of yours"):
        export(zoo.load(REF), "torch", out=artifact.path)
    assert (artifact.path / "run.py").read_text().endswith("# mine\n")


def test_the_same_export_gives_the_same_extras(made: Callable[..., Artifact], tmp_path: Path) -> None:
    again = export(zoo.load(REF), "torch", out=tmp_path / "made")
    assert again.extras == made("torch", REF).extras
    manifest = json.loads((again.path / "artifact.json").read_text())
    assert [file["name"] for file in manifest["files"]] == ["checkpoint.json", "weights.safetensors"]


def test_run_py_can_be_imported(made: Callable[..., Artifact]) -> None:
    """As a part of a program of one's own."""
    assert callable(runpy.run_path(str(made("onnx", REF).path / "run.py"))["pixels"])
