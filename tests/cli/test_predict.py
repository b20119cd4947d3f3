"""`reszoo predict` as its users meet it."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from inprocess import reszoo
from msgspec.structs import replace
from PIL import Image
from torchvision.transforms import v2

from reszoo import datasets, zoo
from reszoo.cli.predict import predict
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.measured import Failure
from reszoo.core.types import Artifact, Preprocess
from reszoo.export import ExportOptions, export
from reszoo.export.predicting import TOGETHER, Prediction, resolve, seen_by, softmax
from reszoo.workflows.predicting import predict as classified

REF = "resnet8_v1.reszoo_digits"
DIGITS = TOGETHER + 8


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Fed with raw pixels, three at a time."""
    options = ExportOptions(input="uint8", batch=3)
    return export(zoo.load(REF), "onnx", out=tmp_path_factory.mktemp("predict") / "made", options=options)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real digits of the test split, named by their place and their class, some in a folder within."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "inner").mkdir()
    test = datasets.load("digits", "test")
    for n in range(DIGITS):
        name = f"{'inner/' if n % 3 else ''}{n:02d}-{test.labels[n]}.png"
        Image.fromarray(test.images[n][..., 0]).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def predicted(capsys: pytest.CaptureFixture[str], ref: str, *images: Path, **options: object) -> dict[str, object]:
    predict(ref, list(images), json=True, **options)
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_every_way_gives_the_same_answers(raw: Artifact, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint where it lies, an artifact whose batches have to be filled up, and an export into the cache."""
    ways = {
        "torch": predicted(capsys, REF, digits),
        "onnxruntime": predicted(capsys, str(raw.path), digits),
        "torch:channels_last": predicted(capsys, REF, digits, runtime="torch:channels_last"),
    }
    ways["exported"] = predicted(capsys, REF, digits, runtime="onnxruntime")
    assert [way["runtime"] for way in ways.values()] == ["torch", "onnxruntime", "torch:channels_last", "onnxruntime"]
    answers = [way["predictions"] for way in ways.values()]
    right = 0
    for same in zip(*answers, strict=True):
        assert len({one["image"] for one in same}) == 1
        assert len({one["top"][0]["label"] for one in same}) == 1
        likely = [[guess["probability"] for guess in one["top"]] for one in same]
        np.testing.assert_allclose(likely, [likely[0]] * len(same), atol=1e-4)
        right += Path(same[0]["image"]).stem.endswith(f"-{same[0]['top'][0]['label']}")
    assert len(answers[0]) == DIGITS
    assert right >= 0.9 * DIGITS


def test_the_classes_come_in_order_and_all_of_them_sum_to_one(
    raw: Artifact, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = predicted(capsys, str(raw.path), next(digits.glob("*.png")), top=1000)
    ((guesses),) = [prediction["top"] for prediction in found["predictions"]]
    likely = [guess["probability"] for guess in guesses]
    assert likely == sorted(likely, reverse=True)
    assert sum(likely) == pytest.approx(1, abs=1e-12)
    assert sorted(guess["label"] for guess in guesses) == list(raw.labels)
    assert all(raw.labels[guess["index"]] == guess["label"] for guess in guesses)


def test_the_command_prints_a_table(raw: Artifact, digits: Path, tmp_path: Path) -> None:
    image = next(digits.glob("*-7.png"))
    command = [Path(sys.executable).with_name("reszoo"), "predict", raw.path, image, "--top", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"{REF}, onnx fp32, in onnxruntime" in done.stdout
    assert re.search(rf"{image} +\d\d\.\d\d % +7 *\n +\d+\.\d\d % +\d *\n", done.stdout)


def test_huge_logits_are_no_infinite_probabilities() -> None:
    np.testing.assert_array_equal(softmax(np.array([3e38, 0, -3e38], np.float32)), [1, 0, 0])


BAD = [
    ("gone.png", "gone.png is a broken link or no plain file"),
    ("pipe.png", "pipe.png is a broken link or no plain file"),
    ("nothing.png", "nothing.png is not a PNG, JPEG, BMP, WebP, GIF or TIFF image"),
    ("text.png", "text.png is not a PNG, JPEG, BMP, WebP, GIF or TIFF image"),
    ("cut.png", r"cut.png cannot be read: .*truncated"),
    ("deep.tif", "deep.tif has 32 bits per channel"),
]


@pytest.fixture
def mixed(digits: Path, tmp_path: Path) -> Path:
    """Good images, bad ones in every place among them, and junk."""
    folder = tmp_path / "mixed"
    shutil.copytree(digits, folder)
    good = next(digits.glob("*.png"))
    (folder / "text.png").write_text("no image")
    (folder / "nothing.png").touch()
    (folder / "cut.png").write_bytes(good.read_bytes()[:-30])
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folder / "deep.tif")
    (folder / "gone.png").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.png")
    (folder / "._00-0.png").write_bytes(b"\0\5\x16\7Mac OS X        ")
    shutil.copy(good, folder / ".hidden.png")
    return folder


def test_an_image_that_cannot_be_read_costs_none_of_the_others(
    raw: Artifact, digits: Path, mixed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three at a time: they come in the same order, with the same answers."""
    alone = predicted(capsys, str(raw.path), digits)
    with pytest.raises(
        ReszooError, match=rf"^{len(BAD)} of {DIGITS + len(BAD)} images could not be classified$"
    ) as caught:
        predict(str(raw.path), [mixed], json=True)
    assert caught.value.exit_code == 1
    found = json.loads(capsys.readouterr().out)
    moved = [{**one, "image": str(mixed / Path(one["image"]).relative_to(digits))} for one in alone["predictions"]]
    assert [(one["image"], one["top"][0]["label"]) for one in found["predictions"]] == [
        (one["image"], one["top"][0]["label"]) for one in moved
    ]
    assert found["ignored_files"] == 1
    reasons = {Path(failure["what"]).name: (failure["reason"], failure["fix"]) for failure in found["failures"]}
    assert set(reasons) == {name for name, _ in BAD}
    for name, reason in BAD:
        assert re.search(reason, "\n".join(reasons[name]))


def test_what_could_not_be_classified_is_told_in_a_table_too(raw: Artifact, mixed: Path, tmp_path: Path) -> None:
    done = reszoo("predict", str(raw.path), str(mixed), "--top", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"text\.png is not a PNG, JPEG, BMP, WebP, GIF or TIFF image +Mend or remove it", done.stdout)
    assert done.stdout.count(" % ") == DIGITS
    assert "1 file that is no image was left out" in done.stdout
    assert done.stderr == f"error: {len(BAD)} of {DIGITS + len(BAD)} images could not be classified\n"


def test_in_python_a_bad_image_is_a_value(raw: Artifact, mixed: Path) -> None:
    paths = [mixed / "text.png", next(mixed.glob("*-7.png")), mixed / "nothing.png"]
    bad, good, empty = classified(raw, paths, top=1)
    assert isinstance(bad, Failure)
    assert isinstance(empty, Failure)
    assert isinstance(good, Prediction)
    assert (bad.what, good.image) == (str(paths[0]), str(paths[1]))


def test_a_file_that_is_named_is_taken_even_if_it_is_hidden(
    raw: Artifact, mixed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = predicted(capsys, str(raw.path), mixed / ".hidden.png")
    assert [Path(one["image"]).name for one in found["predictions"]] == [".hidden.png"]


def test_a_mistake_is_said_before_anything_is_classified(
    raw: Artifact, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden.png").touch()
    for name in ("empty", "nowhere.png"):
        with pytest.raises(UsageError, match=f"there is no image .*{name}"):
            predict(str(raw.path), [next(digits.glob("*.png")), tmp_path / name])
    assert capsys.readouterr().out == ""


def test_a_runtime_that_cannot_run_it_is_refused(raw: Artifact) -> None:
    with pytest.raises(UsageError, match=rf"in format onnx, and torch runs torch(?s:.*)name the checkpoint: {REF}"):
        resolve(raw, "torch")
    with pytest.raises(UsageError, match="unknown runtime 'onnxruntim'"):
        resolve(raw, "onnxruntim")
    with pytest.raises(UsageError, match="no runtime runs the format 'nnef'"):
        resolve(replace(raw, format="nnef"), None)
    with pytest.raises(UnavailableError, match="CUDA graphs need a GPU"):
        resolve(zoo.load(REF), "torch:cuda_graph")


def test_one_network_at_a_time(digits: Path) -> None:
    with pytest.raises(UsageError, match="names 2 networks"):
        predict("resnet8_v*.reszoo_digits", [digits])


def test_a_mistake_costs_no_download(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="offline"):
        predict("resnet20_v1.akamaster_cifar10", [digits])
    with pytest.raises(UsageError, match="there is no image"):
        predict("resnet20_v1.akamaster_cifar10", [digits / "typo.png"])
    with pytest.raises(UsageError, match=r"names \d+ networks"):
        predict("resnet*_v1.akamaster_cifar10", [digits])


def test_weights_that_are_not_numbers_give_no_probabilities(digits: Path, tmp_path: Path) -> None:
    good = zoo.load(REF)
    state = zoo.build(good).state_dict()
    state["head.bias"][3] = float("nan")
    fields = {name: getattr(good, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    zoo.save(tmp_path / "nan", state, ref="nan.test", metrics=(), provenance=(), **fields)
    with pytest.raises(ReszooError, match=r"nan.test as torch, fp32 gave logits that are no numbers for .*\.png"):
        predict(str(tmp_path / "nan"), [digits])


def test_one_pixel_is_enough_and_a_thread_of_pixels_is_too_much() -> None:
    preprocess = Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 224, 224), resize=256, crop=224)
    for each in (preprocess, replace(preprocess, resize=None, crop=None)):
        seen = seen_by(each, Image.new("RGB", (1, 1), "teal"), "pixel")
        np.testing.assert_array_equal(seen.pixels, np.full((224, 224, 3), [0, 128, 128]))
    with pytest.raises(UsageError, match=r"thread is too narrow: 1x9000 pixels would become 256x2304000"):
        seen_by(preprocess, Image.new("RGB", (1, 9000)), "thread")


@pytest.mark.parametrize("size", [(8, 8), (80, 40), (40, 80), (5, 3), (9, 200)])
def test_a_photo_of_any_size_is_resized_to_cover_the_input_and_cut(size: tuple[int, int]) -> None:
    """As torchvision's Resize and CenterCrop of the shorter side."""
    preprocess = Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 8, 8))
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8))
    seen = seen_by(preprocess, photo, "photo")
    expected = v2.Compose([v2.Resize(8, antialias=True), v2.CenterCrop(8)])(photo)
    np.testing.assert_array_equal(seen.pixels, np.asarray(expected))
    assert seen.resized_from == (None if size == (8, 8) else size[::-1])
    if size != (8, 8):
        with pytest.raises(UsageError, match=r"do not give the 8x8 input(?s:.*)or let it be resized"):
            seen_by(preprocess, photo, "photo", resize=False)


def test_a_photo_is_resized_and_that_is_said_once(raw: Artifact, digits: Path, tmp_path: Path) -> None:
    for n, image in enumerate(sorted(digits.glob("*.png"))[:2]):
        with Image.open(image) as digit:
            digit.resize((96, 64)).save(tmp_path / f"{n}.jpg")
    command = ["predict", str(raw.path), str(tmp_path), str(next(digits.glob("*.png"))), "--top", "1"]
    done = reszoo(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 images were resized and cut to 8x8; --no-resize refuses other sizes") == 1
    refused = reszoo(*command, "--no-resize")
    assert refused.returncode == 1
    assert refused.stdout.count("Make it 8 pixels wide and 8 high first") == 2
    assert refused.stdout.count(" % ") == 1


def test_the_first_bad_image_ends_a_strict_run(raw: Artifact, mixed: Path) -> None:
    done = reszoo("predict", str(raw.path), str(mixed), "--strict")
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.match(r"error: \S*cut\.png cannot be read", done.stderr)


def test_csv_has_a_row_for_each_class_of_each_image(raw: Artifact, mixed: Path) -> None:
    done = reszoo("predict", str(raw.path), str(mixed), "--top", "2", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 2 * DIGITS
    assert [row["rank"] for row in rows[:3]] == ["1", "2", "1"]
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)
    assert done.returncode == 1
    assert "text.png is not a PNG" in done.stderr
    both = reszoo("predict", str(raw.path), str(mixed), "--csv", "--json")
    assert both.returncode == 2
    assert "--json and --csv are two forms of one output" in both.stderr


def test_paths_come_from_standard_input(raw: Artifact, digits: Path, tmp_path: Path) -> None:
    images = sorted(digits.glob("*.png"))[:3]
    done = subprocess.run(
        [Path(sys.executable).with_name("reszoo"), "predict", raw.path, "-", "--csv", "--top", "1"],
        input="\n".join(map(str, images)) + "\n\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert [row["image"] for row in csv.DictReader(io.StringIO(done.stdout))] == list(map(str, images))
