"""Predictions: what an evaluation keeps of every image, and the file it is kept in."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from reszoo import datasets, zoo
from reszoo.bench.evaluate import evaluate
from reszoo.bench.predictions import Predictions
from reszoo.core.errors import ReszooError
from reszoo.core.types import Artifact
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract.runtime import Session, runtimes

REF = "resnet8_v1.reszoo_digits"
HEADER = "reszoo.predictions"


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(zoo.load(REF), "onnx", out=tmp_path_factory.mktemp("predictions") / "made")


@pytest.fixture(scope="module")
def predictions(artifact: Artifact) -> Predictions:
    return run(artifact, batch=100)


def run(artifact: Artifact, batch: int, split: datasets.Split = "test") -> Predictions:
    with runtimes()["onnxruntime"].load(artifact, device="cpu", threads=1, variant="") as session:
        return evaluate(session, artifact, "digits", split, batch, lambda done, total: None)


class Answering(Session):
    """A runtime that answers each batch with what a function says."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self.answer = answer
        self.batch_sizes: list[int] = []

    def place(self, batch: np.ndarray) -> np.ndarray:
        self.batch_sizes.append(len(batch))
        return batch

    def run(self, placed: np.ndarray) -> np.ndarray:
        return self.answer(placed).astype(np.float32)

    def read(self, result: np.ndarray) -> np.ndarray:
        return result

    def close(self) -> None:
        pass


def test_they_are_what_the_runtime_answers_to_each_image(artifact: Artifact, predictions: Predictions) -> None:
    from reszoo.datasets.preprocess import normalise

    data = datasets.load("digits", "test")
    images, labels = next(data.batches(artifact.preprocess, len(data)))
    with runtimes()["onnxruntime"].load(artifact, device="cpu", threads=1, variant="") as session:
        logits = session.predict(normalise(images, artifact.preprocess))
    assert np.array_equal(predictions.labels, labels)
    assert np.array_equal(predictions.top5[:, 0], logits.argmax(1))
    assert predictions.logits == pytest.approx(-np.sort(-logits)[:, :5], abs=1e-4)
    assert predictions.correct == (logits.argmax(1) == labels).sum()
    assert predictions.correct / predictions.n == pytest.approx(zoo.load(REF).metrics[0].value, abs=0.003)
    assert (predictions.artifact_sha256, predictions.source_ref) == (artifact.sha256, REF)


@pytest.mark.parametrize("batch", [1, 64, 1000])
def test_the_batch_size_changes_neither_answers_nor_fingerprint(
    artifact: Artifact, predictions: Predictions, batch: int
) -> None:
    other = run(artifact, batch)
    assert np.array_equal(other.top5[:, 0], predictions.top5[:, 0])
    assert other.images_sha256 == predictions.images_sha256


def test_a_fixed_batch_is_kept_to_and_counts_every_image_once(predictions: Predictions, tmp_path: Path) -> None:
    fixed = export(zoo.load(REF), "onnx", out=tmp_path / "made", options=ExportOptions(batch=64))
    other = run(fixed, batch=100)
    assert np.array_equal(other.top5[:, 0], predictions.top5[:, 0])
    assert (other.n, other.images_sha256) == (359, predictions.images_sha256)


def test_other_images_have_another_fingerprint(artifact: Artifact, predictions: Predictions) -> None:
    assert run(artifact, 100, "val").images_sha256 != predictions.images_sha256


def test_images_come_in_batches_and_progress_is_told(artifact: Artifact) -> None:
    told: list[tuple[int, int]] = []
    session = Answering(lambda batch: np.zeros((len(batch), 10)))
    evaluate(session, artifact, "digits", "test", 100, lambda done, total: told.append((done, total)))
    assert session.batch_sizes == [100, 100, 100, 59]
    assert told == [(100, 359), (200, 359), (300, 359), (359, 359)]


def test_a_tie_goes_to_the_first_class_as_in_argmax(artifact: Artifact) -> None:
    session = Answering(lambda batch: np.tile([0, 3, 1, 3, 0, 0, 3, 0, 0, 0], (len(batch), 1)))
    tied = evaluate(session, artifact, "digits", "test", 100, lambda done, total: None)
    assert tied.top5[0].tolist() == [1, 3, 6, 2, 0]
    assert tied.correct == (tied.labels == 1).sum()


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_logits_that_are_no_numbers_are_an_error_not_wrong_answers(artifact: Artifact, value: float, name: str) -> None:
    """They would count as class 0 or as whichever class overflowed, right in a tenth of the cases."""

    def fail_late(batch: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(batch), 10))
        if len(session.batch_sizes) == 3:
            logits[7, 2] = value
        return logits

    session = Answering(fail_late)
    with pytest.raises(ReszooError, match=rf"{name} logits .*images 200 to 299 of digits") as caught:
        evaluate(session, artifact, "digits", "test", 100, lambda done, total: None)
    assert "`precision=fp32`" in caught.value.fix


def test_a_network_for_other_classes_is_refused(artifact: Artifact) -> None:
    session = Answering(lambda batch: np.zeros((len(batch), 100)))
    with pytest.raises(ReszooError, match=r"shape \(100, 100\) .*expected \(100, 10\)") as caught:
        evaluate(session, artifact, "digits", "test", 100, lambda done, total: None)
    assert "export" in caught.value.fix  # no other data set would help


def test_a_file_gives_back_what_was_written_in_32_bytes_an_image(predictions: Predictions, tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.predictions"
    written = predictions.write(path)
    assert written == artifacts.record(path)
    assert written.size_bytes - 32 * predictions.n < 1000
    assert [p.name for p in path.parent.iterdir()] == [path.name]

    again = Predictions.read(path)
    for name, value in vars(predictions).items():
        assert np.array_equal(getattr(again, name), value), name
    assert again.write(tmp_path / "copy").sha256 == written.sha256


def forged(**changes: object) -> Callable[[Path], None]:
    """A good file with some of its tensors replaced, or left out where None."""

    def forge(path: Path) -> None:
        with safe_open(path, framework="numpy") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        changed = {name: value for name, value in {**tensors, **changes}.items() if value is not None}
        save_file(changed, path, metadata)

    return forge


def with_header(old: str, new: str) -> Callable[[Path], None]:
    def forge(path: Path) -> None:
        with safe_open(path, framework="numpy") as file:
            text, tensors = file.metadata()[HEADER], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert old in text
        save_file(tensors, path, {HEADER: text.replace(old, new)})

    return forge


TOP5 = np.tile(np.arange(5, dtype=np.uint16), (359, 1))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (Path.unlink, "does not exist"),
        (lambda path: path.write_text("image,label\n0,3\n"), "no safetensors file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged"),
        (lambda path: path.write_bytes(zoo.load(REF).weights_path.read_bytes()), "not one of predictions"),
        (forged(top5=None, logits=None), "has no top5 and no logits"),
        (forged(top5=TOP5[:300]), r"top5 is uint16 \(300, 5\), expected uint16 \(359, 5\)"),
        (forged(top5=TOP5.astype(np.int64)), "top5 is int64"),
        (forged(top5=TOP5 + np.uint16(6)), "top5 has class number 10, but there are 10 classes"),
        (forged(labels=np.full(359, 10, np.uint16)), "labels has class number 10"),
        (forged(labels=TOP5[:0, 0]), "holds no image"),
        (forged(logits=np.full((359, 5), np.nan, np.float32)), "not finite"),
        (forged(logits=np.tile(np.arange(5, dtype=np.float32), (359, 1))), "falling order"),
        (with_header('"schema": 1', '"schema": 2'), "schema is 2"),
        (with_header('"split"', '"spilt"'), "spilt"),
        (with_header("{", "["), "damaged"),
    ],
)
def test_a_file_that_is_none_is_named_with_the_fix(
    predictions: Predictions, tmp_path: Path, harm: Callable[[Path], None], problem: str
) -> None:
    path = tmp_path / "run.predictions"
    predictions.write(path)
    harm(path)
    with pytest.raises(ReszooError, match=problem) as caught:
        Predictions.read(path)
    assert str(path) in caught.value.problem
    assert "`bench(accuracy=NAME)`" in caught.value.fix
