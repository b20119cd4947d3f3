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
from typing import Literal

import numpy as np
import pytest
from foreign import randomise
from msgspec import to_builtins
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from reszoo import datasets, models, zoo
from reszoo.core.errors import UsageError
from reszoo.core.types import Artifact, Checkpoint, Preprocess
from reszoo.datasets.builtin import PICTURES
from reszoo.export import ExportOptions, artifacts, deployment, export
from reszoo.export.contract.format import formats
from reszoo.export.contract.runtime import runtimes
from reszoo.export.deployment.engine import engines
from reszoo.export.deployment.script import Entry, script
from reszoo.export.feeding import feed
from reszoo.export.predicting import read_image, seen_by

REF = "resnet8_v1.reszoo_digits"
LINES = 150
LINES_OF = {"c": 170}  # it builds its library where there is none that fits
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
pixels = np.stack([run["pixels"](image, about["preprocess"]) for image in images])
fed = run["feed"](pixels, about["input"], about["preprocess"])
logits = run["classify"](pixels, BATCH, run["load"](Path(program).with_name(MODEL)), about)
np.savez(out, pixels=pixels, fed=fed, logits=logits)
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
        provenance=(),
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
    photograph = Image.open(PICTURES / "china.jpg").crop((100, 50, 433, 267))  # 333 x 217
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
        "deep.png": (Image.fromarray(np.asarray(photograph.convert("L")).astype(np.uint16) * 257), {}),
        "still.gif": (photograph, {}),
        "film.gif": (photograph, {"save_all": True, "append_images": [photograph.rotate(90)]}),
        "scan.tif": (photograph, {}),
        "camera.jfif": (photograph, {"format": "JPEG", "exif": exif}),
        "phone.jpg": (photograph, {"format": "MPO", "save_all": True, "append_images": [photograph.rotate(90)]}),
        "moving.png": (photograph, {"save_all": True, "append_images": [photograph.rotate(90)]}),
        "misnamed.jpg": (photograph, {"format": "PNG"}),
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


@pytest.mark.long("executorch")
@pytest.mark.parametrize("name", [name for name in runtimes() if name in engines()])
def test_run_py_gives_the_logits_of_reszoo_where_reszoo_is_not(
    name: str,
    made: Callable[..., Artifact],
    photographer: Checkpoint,
    photographs: list[Path],
    digit: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From every kind of file, to the last bit of the pixels. Integers alone need a network with data."""
    monkeypatch.setenv("CI", "true")  # elsewhere OpenVINO sends a message home when it is imported
    if missing := runtimes()[name].unavailable(runtimes()[name].devices[0]):
        pytest.skip(missing.reason)
    format_name = "onnx" if "onnx" in runtimes()[name].formats else runtimes()[name].formats[0]
    if "fp32" in formats()[format_name].precisions:
        check(made(format_name), photographer, name, photographs, tmp_path)
    else:
        check(made(format_name, REF, precision="int8"), zoo.load(REF), name, [digit], tmp_path)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_data_set_predict_and_run_py_see_the_same_pixels(
    interpolation: Literal["bilinear", "bicubic"],
    made: Callable[..., Artifact],
    photographs: list[Path],
    tmp_path: Path,
) -> None:
    """Of JPEGs larger than the input, which are resized and cut, and of one of its size, where that is a must."""
    resizing = replace(made("onnx").preprocess, interpolation=interpolation)
    plain = replace(resizing, resize=None, crop=None)
    odd = next(path for path in photographs if path.name == "odd.jpg")
    with Image.open(odd) as photograph:
        photograph.resize((32, 32)).save(tmp_path / "fitting.jpg")
    pixels = runpy.run_path(str(made("onnx").path / "run.py"))["pixels"]
    for preprocess, path in ((resizing, odd), (resizing, tmp_path / "fitting.jpg"), (plain, tmp_path / "fitting.jpg")):
        name = f"{path.stem}-{preprocess.resize or 'as-it-is'}"
        for label in "ab":
            (tmp_path / name / label).mkdir(parents=True)
            shutil.copy(path, tmp_path / name / label)
        datasets.add(name, [tmp_path / name])
        images, _ = next(datasets.load(name, "train").batches(preprocess, 1))
        np.testing.assert_array_equal(images[0], seen(path, preprocess))
        np.testing.assert_array_equal(images[0], pixels(str(path), to_builtins(preprocess)))
    np.testing.assert_array_equal(seen(odd, plain), pixels(str(odd), to_builtins(plain)))


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


def seen(path: Path, preprocess: Preprocess) -> NDArray[np.uint8]:
    """As `predict` sees it."""
    return seen_by(preprocess, read_image(path, preprocess.input[0]), str(path)).pixels


def check(artifact: Artifact, checkpoint: Checkpoint, runtime_name: str, images: list[Path], tmp_path: Path) -> str:
    """Compare run.py's numbers with reszoo's; gives what it prints."""
    folder = shutil.copytree(artifact.path, tmp_path / "elsewhere")
    deployment.write(artifact, checkpoint, runtime_name, folder)
    engine = engines()[runtime_name]
    model = next(file.name for file in artifact.files if file.name.endswith(engine.opens))
    batch = artifact.input.batch_limits[0] * 2
    batch = min(batch, artifact.input.batch_limits[1] or batch)
    child = CHILD.replace("MODEL", repr(model)).replace("BATCH", str(batch))
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
            pixels = seen(path, artifact.preprocess)
            np.testing.assert_array_equal(found["pixels"][n], pixels, err_msg=path.name)
            size = artifact.input.batch_limits[0]
            inputs = feed(np.repeat(pixels[None], size, axis=0), artifact.input, artifact.preprocess)
            assert found["fed"].dtype == inputs.dtype
            np.testing.assert_array_equal(found["fed"][n], inputs[0])
            expected = session.predict(inputs)[0]
            np.testing.assert_allclose(found["logits"][n], expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    return done.stdout


@pytest.mark.parametrize("name", engines())
def test_every_run_py_is_short_and_needs_one_engine_only(name: str) -> None:
    text = script(Entry(engines()[name], "some.model"))
    assert len(text.splitlines()) <= LINES_OF.get(name, LINES)
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
    """And Core ML's, for apps on Apple's systems, those for browsers, and an NPU's, for programs on its device."""
    without = [name for name, plugin in formats().items() if plugin.parity_runtime not in engines()]
    assert without == ["coreml", "ethos-u", "torch", "web", "web-litert"]


def run_py(artifact: Artifact, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, artifact.path / "run.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_bad_images_are_a_line_each_and_cost_the_others_nothing(
    made: Callable[..., Artifact], digit: Path, tmp_path: Path
) -> None:
    Image.new("L", (1, 3_000_000)).save(tmp_path / "thread.png")
    Image.new("F", (8, 8)).save(tmp_path / "deep.tif")
    (tmp_path / "drawing.svg").write_text("<svg/>")
    (tmp_path / "._seven.png").write_bytes(b"\x00\x05\x16\x07 AppleDouble")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.png").write_bytes(digit.read_bytes()[:60])
    reasons = {
        "thread.png": "it is too narrow: it would become 8x24000000",
        "deep.tif": "it has 32 bits per channel",
        "drawing.svg": "it is not a PNG, JPEG, BMP, WebP, GIF or TIFF image",
        "._seven.png": "it is not a PNG, JPEG, BMP, WebP, GIF or TIFF image",
        "text.png": "it is not a PNG, JPEG, BMP, WebP, GIF or TIFF image",
        "empty.png": "it is not a PNG, JPEG, BMP, WebP, GIF or TIFF image",
        "cut.png": "image file is truncated",
        "nowhere.png": "No such file or directory",
        "": "Is a directory",
    }
    paths = [tmp_path / name for name in reasons]
    done = run_py(made("onnx", REF), *paths, digit)
    assert done.returncode == 1
    for path, line, reason in zip(paths, done.stderr.splitlines(), reasons.values(), strict=True):
        assert line.startswith(f"{path}: {reason}")
    assert done.stdout == run_py(made("onnx", REF), digit).stdout
    assert re.match(rf"{digit}: +\d+\.\d\d %  7\n", done.stdout)


def test_wrong_arrays_and_a_full_disk_end_in_one_line(made: Callable[..., Artifact], tmp_path: Path) -> None:
    artifact, out = made("onnx", REF), tmp_path / "logits.npy"
    good = np.zeros((2, 8, 8, 1), np.uint8)
    np.save(tmp_path / "floats.npy", good.astype(np.float32))
    np.save(tmp_path / "wide.npy", good[:, :, :4])
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    np.savez(tmp_path / "several.npy.npz", good)
    np.save(tmp_path / "good.npy", good)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-1])
    for name, said in (
        ("floats.npy", "it is float32 (2, 8, 8, 1), not uint8 (N, 8, 8, 1)"),
        ("wide.npy", "it is uint8 (2, 8, 4, 1)"),
        ("objects.npy", "Object arrays cannot be loaded"),
        ("several.npy.npz", "the magic string is not correct"),
        ("cut.npy", "Failed to read all data for array"),
        ("nowhere.npy", "No such file or directory"),
    ):
        done = run_py(artifact, "--npy", tmp_path / name, "--out", out)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
        assert done.stderr.startswith(f"{tmp_path / name}: {said}")
        assert not out.exists()
    done = run_py(artifact, "--npy", tmp_path / "good.npy", "--out", tmp_path / "no" / "where.npy")
    assert (done.returncode, done.stderr) == (1, f"{tmp_path / 'no' / 'where.npy'}: No such file or directory\n")


def test_a_call_that_cannot_be_meant_is_told_what_can(made: Callable[..., Artifact], digit: Path) -> None:
    for arguments, said in (
        ([], "it takes images, or --npy and --out"),
        ([digit, "--npy", digit, "--out", digit], "it takes images, or --npy and --out"),
        (["--npy", digit], "it takes images, or --npy and --out"),
        ([digit, "--out", digit], "it takes images, or --npy and --out"),
        (["--npy", digit, "--out", digit, "--batch", "4"], "the model takes batches of 3 to 3"),
    ):
        done = run_py(made("onnx", REF, batch=3, input="uint8"), *arguments)
        assert done.returncode == 2
        usage, error = done.stderr.splitlines()
        assert usage == "usage: python run.py IMAGE... | --npy FILE --out FILE [--batch N]"
        assert said in error


@pytest.mark.parametrize(
    ("where", "said"), [("| true", ""), ("> /dev/full", "No space left on device\n")], ids=["closed pipe", "full disk"]
)
def test_output_that_nobody_takes_gives_no_traceback(
    where: str, said: str, made: Callable[..., Artifact], digit: Path
) -> None:
    """Neither when it is printed, nor when the process ends."""
    program = [sys.executable, str(made("onnx", REF).path / "run.py"), *[str(digit)] * 300]
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {where}', "bash", *program], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize("options", [{}, {"batch": 3, "input": "uint8"}], ids=str)
def test_many_images_are_one_array_in_batches_of_any_size(
    options: dict[str, object], made: Callable[..., Artifact], tmp_path: Path
) -> None:
    """The last one is filled up where the model takes no smaller one."""
    artifact, test = made("onnx", REF, **options), datasets.load("digits", "test")
    images = test.images[:32]
    np.save(tmp_path / "images.npy", images)
    found = []
    for batch in (1, 3, 32) if not options else (3,):
        out = tmp_path / f"{batch}"  # the name that was asked for, without another suffix
        done = run_py(artifact, "--npy", tmp_path / "images.npy", "--out", out, "--batch", batch)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found.append(np.load(out))
        assert (found[-1].shape, found[-1].dtype) == ((32, 10), np.float32)
    np.testing.assert_allclose(found, [found[0]] * len(found), atol=1e-4)
    assert (found[0].argmax(1) == test.labels[:32]).mean() > 0.9


def test_run_py_calls_nobody(made: Callable[..., Artifact]) -> None:
    """ONNX Runtime sends what it sees of a process home, unless it is told otherwise before its import."""
    told = "import os, runpy, sys; runpy.run_path(sys.argv[1])['load'](sys.argv[2]); "
    told += "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    folder = made("onnx", REF).path
    command = [sys.executable, "-c", told, folder / "run.py", folder / "model.onnx"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"


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
        "| run by | in batches of | images | largest error of a logit | same first class |",
        f"| run.py | 1, 3, 32 | 256 | {artifact.parity.max_abs_error:.2g} | 100.00 % |",
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
    assert "pip install 'reszoo[torch]'\n    reszoo predict . IMAGE..." in text


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
    assert callable(runpy.run_path(str(made("onnx", REF).path / "run.py"))["classify"])
