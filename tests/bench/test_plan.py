"""What is measured: every scenario, each with what it needs, or the reason why not."""

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from reszoo import datasets, zoo
from reszoo.bench.harness import measure
from reszoo.bench.plan import AccuracyRequest, Planned, plan
from reszoo.bench.table import by_model, notes
from reszoo.core.errors import UsageError
from reszoo.core.measured import Measurement, Scenario
from reszoo.core.types import Artifact, Unavailable
from reszoo.export import ExportOptions, export
from reszoo.export.runtimes.onnxruntime import OnnxRuntime
from reszoo.workflows.benchmarking import sweep

REF = "resnet8_v1.reszoo_digits"


def test_every_scenario_is_planned_and_accuracy_is_measured_once(quick: Scenario, tmp_path: Path) -> None:
    planned = plan(zoo.load(REF), quick, [2, 1], [32, 1], AccuracyRequest("digits", tmp_path))
    scenarios = [
        (p.scenario.threads, p.scenario.batch, p.evaluation is not None) for p in planned if isinstance(p, Planned)
    ]
    assert scenarios == [(1, 1, True), (1, 32, False), (2, 1, False), (2, 32, False)]


def test_a_worker_is_bound_to_as_many_cores_as_it_has_threads(artifact: Artifact, quick: Scenario) -> None:
    (bound,) = plan(artifact, quick, [1], [1])
    (free,) = plan(artifact, quick, [1], [1], bind=False)
    (many,) = plan(artifact, quick, [4096], [1])
    assert isinstance(bound, Planned)
    assert len(bound.scenario.cores) == 1
    assert isinstance(free, Planned)
    assert isinstance(many, Planned)
    assert free.scenario.cores == many.scenario.cores == ()


def test_accuracy_with_a_fixed_batch_counts_every_image_once(quick: Scenario, tmp_path: Path) -> None:
    fixed = export(zoo.load(REF), "onnx", out=tmp_path / "made", options=ExportOptions(batch=64))
    (planned,) = plan(fixed, quick, [1], [64], AccuracyRequest("digits", tmp_path))
    assert isinstance(planned, Planned)
    measured = measure(fixed, planned.scenario, evaluation=planned.evaluation)
    assert isinstance(measured, Measurement)
    assert measured.accuracy is not None
    assert measured.accuracy.n == 359
    with pytest.raises(UsageError, match="fixed batch of 64"):
        plan(fixed, quick, [1], [1, 64])


def test_what_cannot_be_measured_here_is_a_value(artifact: Artifact, quick: Scenario) -> None:
    (missing,) = plan(artifact, replace(quick, runtime="torch"), [1], [1])
    assert isinstance(missing, Unavailable)
    assert "runs torch" in missing.reason
    assert "to=torch" in missing.fix
    (graph,) = plan(zoo.load(REF), replace(quick, runtime="torch", variant="cuda_graph"), [1], [1])
    assert isinstance(graph, Unavailable)
    assert graph.what == "torch:cuda_graph on cpu"


def test_a_checkpoint_is_planned_in_each_precision_that_the_runtime_has(quick: Scenario) -> None:
    checkpoint, both = zoo.load(REF), ("fp32", "int8")
    (_, missing) = plan(checkpoint, replace(quick, runtime="torch"), [1], [1], precisions=both)
    assert isinstance(missing, Unavailable)
    assert missing.reason == "format torch has no precision int8"
    planned = sweep([checkpoint], None, quick, [1], [1], precisions=both)
    assert all(isinstance(item, Planned) for item in planned)  # torch's int8 was not asked for
    ways = [(p.scenario.runtime, p.artifact.precision) for p in planned if isinstance(p, Planned)]
    assert ways == [("torch", "fp32"), ("onnxruntime", "fp32"), ("onnxruntime", "int8")]


def test_accuracy_can_be_of_any_split(artifact: Artifact, quick: Scenario, tmp_path: Path) -> None:
    (planned,) = plan(artifact, quick, [1], [1], AccuracyRequest("digits", tmp_path, "val"))
    assert isinstance(planned, Planned)
    assert planned.evaluation is not None
    assert planned.evaluation.split == "val"
    assert ".digits-val." in planned.evaluation.predictions.name
    with pytest.raises(UsageError, match="unknown split 'dev'"):
        plan(artifact, quick, [1], [1], AccuracyRequest("digits", tmp_path, "dev"))  # type: ignore[arg-type]


def test_a_device_that_the_runtime_does_not_have_is_said(quick: Scenario) -> None:
    class CpuOnly(OnnxRuntime):
        devices = ("cpu",)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reszoo.bench.targets.local.runtimes", lambda: {"onnxruntime": CpuOnly()})
        (missing,) = plan(zoo.load(REF), replace(quick, device="cuda"), [1], [1])
    assert isinstance(missing, Unavailable)
    assert "runs on cpu only" in missing.reason


def test_what_is_not_installed_is_said_before_the_device_is_changed(
    quick: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reszoo.core.missing.find_spec", lambda _: None)
    (missing,) = plan(zoo.load(REF), replace(quick, runtime="tensorrt"), [1], [1])
    assert isinstance(missing, Unavailable)
    assert missing.reason == "it runs on cuda only, and the package tensorrt is not installed"
    assert missing.fix == "pip install 'reszoo[tensorrt]'"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes that no network knows by name are the data set `pets`; the file says which digits they are."""
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / "pets" / split / label
            folder.mkdir(parents=True)
            for i in range(3):
                Image.new("L", (8, 8), 40 * i).save(folder / f"{i}.png")
    datasets.add("pets", [tmp_path / "pets"])
    path = tmp_path / "map.csv"
    path.write_text("cat,3\ndog,5\n")
    return path


def test_classes_of_another_data_set_are_refused_until_it_is_said_which_they_are(
    pets: Path, artifact: Artifact, quick: Scenario, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"knows classes \(0, 1, 2, ...\) that are none of pets's \(cat, dog\)"):
        plan(artifact, quick, [1], [1], AccuracyRequest("pets", tmp_path))
    said = AccuracyRequest("pets", tmp_path, "val", classes=pets)
    (planned,) = plan(artifact, quick, [1], [1], said)
    assert isinstance(planned, Planned)
    measured = measure(planned.artifact, planned.scenario, evaluation=planned.evaluation)
    assert isinstance(measured, Measurement)
    assert measured.accuracy is not None
    assert (measured.accuracy.n, measured.accuracy.split, measured.accuracy.among) == (2, "val", "network")
    (line, *_) = notes([measured])
    assert line.startswith("top-1 is on the 2 images of pets/val, answers among all classes of the network")
    said_by = measured.accuracy.classes
    assert said_by is not None
    assert (said_by.name, said_by.sha256) == (str(pets), hashlib.sha256(pets.read_bytes()).hexdigest())


def test_another_question_does_not_replace_the_predictions_of_the_first(
    pets: Path, artifact: Artifact, quick: Scenario, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("cat,3\ndog,6\n")
    requests = [AccuracyRequest("pets", tmp_path, "test", *how) for how in [(pets,), (pets, "data"), (other,)]]
    files = set()
    for request in requests:
        (planned,) = plan(artifact, quick, [1], [1], request)
        assert isinstance(planned, Planned)
        assert planned.evaluation is not None
        files.add(planned.evaluation.predictions)
    assert len(files) == 3


def test_two_checkpoints_of_one_name_are_not_mixed_up(quick: Scenario, tmp_path: Path) -> None:
    bundled = zoo.load(REF)
    state = zoo.build(bundled).state_dict()
    state["head.weight"] = -state["head.weight"]
    fields = {name: getattr(bundled, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    worse = zoo.save(tmp_path / "worse", state, ref=REF, metrics=(), provenance=(), **fields)
    request = AccuracyRequest("digits", tmp_path)
    planned = [plan(checkpoint, quick, [1], [1], request)[0] for checkpoint in (bundled, worse)]
    assert all(isinstance(p, Planned) for p in planned)
    measured = [measure(p.artifact, p.scenario, evaluation=p.evaluation) for p in planned]
    accuracies = [m.accuracy.value for m in measured]
    assert accuracies[0] > 0.9 > accuracies[1]
    assert len(by_model(measured)) == 2
