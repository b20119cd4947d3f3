"""The two public classes: every stage as a method, on a bundled network, without a network connection."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import reszoo
from reszoo import datasets
from reszoo.core.measured import Failure
from reszoo.export import ExportOptions

REF = "resnet8_v1.reszoo_digits"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> reszoo.Artifact:
    return reszoo.load(REF).export("onnx", out=tmp_path_factory.mktemp("api") / "onnx")


def test_models_are_listed_with_what_one_asks_for() -> None:
    cards = {card.ref: card for card in reszoo.list_models("resnet*_v1.*")}
    card = cards[REF]
    assert (card.dataset, card.is_local, card.params) == ("digits", True, 75_002)
    assert not cards["resnet20_v1.akamaster_cifar10"].is_local
    assert 0.9 < (cards["resnet20_v1.akamaster_cifar10"].accuracy or 0) < 0.92


def test_a_model_is_made_fresh_or_pretrained_with_a_new_head() -> None:
    assert reszoo.create_model("resnet20_v2", num_classes=5)(torch.zeros(2, 3, 32, 32)).shape == (2, 5)
    pretrained = reszoo.create_model("resnet8_v2", pretrained="reszoo_digits")
    assert not pretrained.training
    other = reszoo.create_model("resnet8_v2.reszoo_digits", num_classes=2)
    assert other.training
    assert other.eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 2)
    same, fresh = pretrained.state_dict(), other.state_dict()
    assert {name for name in same if not torch.equal(same[name], fresh[name])} == {"head.weight", "head.bias"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: reszoo.create_model("resnet8_v1", pretrained=True), "resnet8_v1 has 2 checkpoints"),
        (lambda: reszoo.create_model(REF, in_chans=3), "are for its own spec"),
        (lambda: reszoo.create_model("resnet8_v1", norm="batches"), "not possible"),
        (lambda: reszoo.create_model("resnet8_v1", num_classes=0), "not possible"),
        (lambda: reszoo.create_model(REF, num_classes=0), "tells nothing apart"),
        (lambda: reszoo.create_model("resnet9_v1"), "no residual network has depth 9"),
    ],
)
def test_a_model_that_cannot_be_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(reszoo.UsageError, match=said):
        make()


def test_stages_lead_from_public_class_to_public_class(artifact: reszoo.Artifact) -> None:
    checkpoint = reszoo.load(REF)
    small = checkpoint.prune(macs=0.5, importance="l2", measure=False, out="small")
    int8 = checkpoint.quantize("onnx", measure=False, out="int8")
    assert (type(checkpoint), type(small)) == (reszoo.Checkpoint, reszoo.Checkpoint)
    assert (type(artifact), type(int8)) == (reszoo.Artifact, reszoo.Artifact)
    assert type(reszoo.load("small")) is reszoo.Checkpoint
    assert type(reszoo.load_artifact("int8")) is reszoo.Artifact
    assert reszoo.load_artifact("int8") == int8
    assert repr(checkpoint) == "Checkpoint(resnet8_v1.reszoo_digits: 98.33 % on digits/test, 0.306 MB)"
    assert repr(int8).startswith("Artifact(resnet8_v1.reszoo_digits: onnx int8, 0.102 MB, top-1 agreement ")


def test_training_counts_its_steps() -> None:
    told: list[tuple[object, ...]] = []
    changes = {"epochs": 1, "batch": 256}
    made = reszoo.train(
        "resnet8_v1",
        data="digits",
        recipe="digits",
        changes=changes,
        out="made",
        progress=lambda *news: told.append(news),
    )
    assert type(made) is reszoo.Checkpoint
    assert (told[0], told[-1]) == (("training", 0, 5), ("training", 5, 5))


def test_an_evaluation_needs_no_timing(artifact: reszoo.Artifact) -> None:
    checkpoint = reszoo.load(REF)
    (metric,) = checkpoint.metrics
    for found in (checkpoint.evaluate(), artifact.evaluate("digits")):
        assert (found.n, found.accuracy) == (metric.n, metric.value)
        assert found.interval.low < found.accuracy < found.interval.high
    assert repr(found).startswith(
        "Evaluation(resnet8_v1.reszoo_digits on digits/test: 98.33 % (96.40 to 99.23), n = 359"
    )
    with pytest.raises(reszoo.UnavailableError, match="cifar10 is not on this machine"):
        artifact.evaluate("cifar10")


def test_a_benchmark_has_a_default_for_everything(artifact: reszoo.Artifact) -> None:
    stages: list[str] = []
    found = artifact.benchmark(time_limit=0.2, progress=lambda stage, *_: stages.append(stage))
    assert (found.subject.scenario.runtime, found.subject.scenario.batch) == ("onnxruntime", 1)
    assert found.interval_s.low <= found.median_s <= found.interval_s.high
    assert found.images_per_s
    assert stages == ["loading", "warming up", "sampling"]
    assert len(repr(found)) < 200
    assert repr(reszoo.report([found], markdown="table.md")) == "Report(1 measurements of resnet8_v1.reszoo_digits)"
    assert "| resnet8_v1.reszoo_digits | onnxruntime" in Path("table.md").read_text()


def pictures() -> list[Image.Image]:
    return [Image.fromarray(image[..., 0]) for image in datasets.load("digits", "test").images[:5]]


def test_one_image_is_classified_alike_however_it_is_given(artifact: reszoo.Artifact, tmp_path: Path) -> None:
    checkpoint, images = reszoo.load(REF), pictures()
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.png")
    arrays = np.stack([np.asarray(image) for image in images])[..., None]
    given: dict[str, Any] = {
        "a folder": tmp_path,
        "paths": sorted(tmp_path.glob("*.png")),
        "text": [str(path) for path in sorted(tmp_path.glob("*.png"))],
        "PIL": images,
        "RGB": [image.convert("RGB") for image in images],
        "one array": arrays,
        "arrays": list(arrays),
        "bytes as tensor": torch.from_numpy(arrays).permute(0, 3, 1, 2),
        "tensors": [checkpoint.transforms()(image) for image in images],
        "one tensor": torch.stack([checkpoint.transforms()(image) for image in images]),
    }
    expected = datasets.load("digits", "test").labels[:5]
    for how, kind in given.items():
        found = artifact.predict(kind, top=3)
        assert not [one for one in found if isinstance(one, Failure)], how
        assert [int(one.label) for one in found if not isinstance(one, Failure)] == expected.tolist(), how
    (one,) = artifact.predict(images[0])
    assert repr(one).startswith(f"Prediction(image: {expected[0]}, ")
    with artifact.session() as session:
        assert session.predict(checkpoint.transforms()(images[0])[None].numpy()).shape == (1, 10)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([], "there is no image"),
        ("nowhere.png", "there is no image nowhere.png"),
        ([3], "image 0 is a int"),
        (np.zeros((8, 8, 1)), r"image has float64 \(8, 8, 1\)"),
        (torch.zeros(8, 8), r"tensors of \(8, 8\) are no batch"),
        (torch.zeros(1, 3, 8, 8), r"takes \(1, 8, 8\) images"),
        ([torch.zeros(1, 8, 8), pictures()[0]], "image 0 has float32"),
        (np.zeros((0, 0, 1), np.uint8), r"image has uint8 \(0, 0, 1\)"),
        (torch.full((1, 8, 8), float("nan")), "NaN or infinite"),
    ],
)
def test_what_is_no_image_is_refused(images: Any, said: str, artifact: reszoo.Artifact) -> None:
    with pytest.raises(reszoo.UsageError, match=said):
        artifact.predict(images)


def test_pictures_of_unknown_range_are_refused_however_they_come(artifact: reszoo.Artifact, tmp_path: Path) -> None:
    for mode in ("F", "I"):
        deep = Image.new(mode, (8, 8))
        deep.save(tmp_path / f"{mode}.tif")
        for picture in (deep, tmp_path / f"{mode}.tif"):
            (found,) = artifact.predict([picture])
            assert isinstance(found, Failure)
            assert "has 32 bits per channel" in found.reason
        with pytest.raises(reszoo.UsageError, match="32 bits per channel"):
            reszoo.load(REF).transforms()(deep)


def test_what_takes_raw_pixels_takes_no_floats(tmp_path: Path) -> None:
    raw = reszoo.load(REF).export("onnx", input="uint8", out=tmp_path / "raw")
    with pytest.raises(reszoo.UsageError, match=r"takes raw pixels, not floats.*\n.*it normalises them itself"):
        raw.predict(torch.zeros(1, 8, 8))


def test_a_picture_of_another_size_is_resized_or_a_failure_among_the_others(artifact: reszoo.Artifact) -> None:
    pair = [Image.new("L", (9, 9)), pictures()[0]]
    bad, good = artifact.predict(pair, resize=False)
    assert isinstance(bad, Failure)
    assert "9x9 images do not give the 8x8 input" in repr(bad)
    assert not isinstance(good, Failure)
    resized, same = artifact.predict(pair)
    assert not isinstance(resized, Failure)
    assert resized.resized_from == (9, 9)
    assert same == good


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: ExportOptions(precision="int4"), "unknown precision 'int4'"),
        (lambda c: ExportOptions(batch=0), r"`batch=0` is not possible\nExpected `int` >= 1"),
        (lambda c: c.benchmark(threads=-3), "`threads=-3` is not possible"),
        (lambda c: c.benchmark(batch="4"), "`batch='4'` is no whole number"),
        (lambda c: c.predict("x.png", top="5"), "the 5 likeliest classes are none"),
        (lambda c: c.transforms()("x.png"), "the image is a str"),
        (lambda c: reszoo.compare(c.ref), "'resnet8_v1.reszoo_digits' is no model"),
        (lambda c: reszoo.optimize(c.ref), "'resnet8_v1.reszoo_digits' is no model"),
        (lambda c: reszoo.verify("no/such"), "there is no folder no/such"),
        (lambda c: reszoo.report("results"), "results does not exist"),
        (lambda c: c.benchmark(batch=0), "`batch=0` is not possible"),
        (lambda c: c.benchmark(precision="int7"), "unknown precision 'int7'"),
        (lambda c: c.benchmark(precision=0.01), "`precision=0.01` is not possible.*\nGive `half_width=0.01`"),
        (lambda c: reszoo.compare(c, c, precision=0.02), "`precision=0.02` is not possible.*\nGive `half_width=0.02`"),
        (lambda c: reszoo.compare(c, c, precision=["int7"]), "unknown precision 'int7'"),
        (lambda c: c.benchmark(half_width=0), "`half_width=0` is not possible"),
        (lambda c: c.benchmark(device="tpu"), "unknown device 'tpu'"),
        (lambda c: c.export(input="bytes"), "unknown input 'bytes'"),
        (lambda c: c.quantize(calibration="max"), "unknown calibration 'max'"),
        (lambda c: c.quantize(max_drop=1.5), "cannot drop by at most 1.5"),
        (lambda c: c.prune(), "pruning needs one target"),
        (lambda c: c.prune(macs=0.5, min_share=2), "`min_share=2` is not possible"),
        (lambda c: c.prune(macs=0.5, measure=False, threads=2), "`threads`: without a speed check"),
        (lambda c: c.prune(macs=0.5, resume=True), "`resume`: nothing is trained"),
        (lambda c: c.prune(macs=0.5, threads=0), "`threads=0` is not possible"),
        (lambda c: c.predict([], top=0), "the 0 likeliest classes"),
        (lambda c: reszoo.train("resnet8_v1", data="digits", recipe="digits", changes={"epochs": -5}), "epochs=-5"),
        (lambda c: reszoo.train(data="digits", recipe="digits"), "begins with an architecture or with a checkpoint"),
        (lambda c: reszoo.compare(c), "one contestant is no comparison"),
        (lambda c: reszoo.report([]), "there is no measurement"),
    ],
)
def test_arguments_are_checked_before_any_work(call: Callable[[reszoo.Checkpoint], object], said: str) -> None:
    with pytest.raises(reszoo.UsageError, match=said):
        call(reszoo.load(REF))
    assert not list(Path().iterdir()) or [path.name for path in Path().iterdir()] == ["cache"]


@pytest.mark.parametrize("kind", [reszoo.Checkpoint, reszoo.Artifact])
def test_every_method_says_what_it_takes_gives_and_raises(kind: type) -> None:
    methods = dict(inspect.getmembers(kind, inspect.isfunction))
    stages = set(methods) & {"predict", "evaluate", "benchmark", "export", "prune", "quantize", "session"}
    assert len(stages) >= 4
    for name in stages:
        documentation = inspect.getdoc(methods[name]) or ""
        assert {"Args:", "Raises:"} <= set(documentation.split()), name
        for parameter in list(inspect.signature(methods[name]).parameters)[1:]:
            assert f"{parameter}: " in documentation, f"{name}({parameter})"


def test_an_artifact_teaches_where_its_answers_are_kept(artifact: reszoo.Artifact, tmp_path: Path) -> None:
    given: dict[str, Any] = {"data": "digits", "recipe": "digits", "teacher": artifact, "out": tmp_path / "run"}
    with pytest.raises(reszoo.UsageError, match="is an artifact, which takes no part in the steps"):
        reszoo.train("resnet8_v2", changes={"epochs": 1}, **given)
    # nothing is learnt from the labels, and the teacher knows the digits
    changes = {"epochs": 3, "threads": 1, "teacher_views": 2, "teacher_share": 1}
    made = reszoo.train("resnet8_v2", changes=changes, **given)
    assert made.provenance[-1].config["teacher"] == f"{REF} onnx fp32 {artifact.sha256}"
    assert made.metrics[0].value > 0.8
