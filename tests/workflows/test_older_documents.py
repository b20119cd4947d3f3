"""What an older reszoo has written is read, and means what it meant: `tests/documents/` has files of each schema."""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

import reszoo
from reszoo import training
from reszoo.core.documents import read_json, write_json
from reszoo.core.errors import ReszooError
from reszoo.core.measured import LOCAL, MEASURED, Failure, Measurement
from reszoo.core.types import Artifact, ChannelPlan, Checkpoint, ForeignSpec, Record, ResNetSpec
from reszoo.export import artifacts
from reszoo.training.progress import Lines
from reszoo.training.result import Run, Training, describe
from reszoo.workflows.pruning.latency_table import LatencyTable

DOCUMENTS = Path(__file__).resolve().parents[1] / "documents"
SCHEMA_1 = DOCUMENTS / "schema1"
SCHEMA_2 = DOCUMENTS / "schema2"
STEPS = ["train", "prune", "prune"]
THEIRS = ForeignSpec(builder="theirs", num_classes=10, input=(1, 8, 8))
LOGITS = np.array(json.loads((SCHEMA_1 / "logits.json").read_text()))
IMAGES = np.arange(3 * 64, dtype=np.float32).reshape(3, 1, 8, 8) * 37 % 61 / 30 - 1  # that these logits are of


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A copy, for what would write beside them."""
    return shutil.copytree(SCHEMA_1, tmp_path / "documents")


def test_a_pruned_checkpoint_gives_the_logits_that_it_gave() -> None:
    import torch

    checkpoint = reszoo.load(SCHEMA_1 / "pruned")
    assert isinstance(checkpoint.spec, ResNetSpec)
    assert checkpoint.spec.plan is not None
    assert checkpoint.spec.block_type == "basic"
    assert checkpoint.spec.plan.blocks == {"stages.0": ()}
    assert checkpoint.spec.plan.channels["stages.0"] == (0, 1, 3)
    assert [step.name for step in checkpoint.provenance] == STEPS
    assert msgspec.json.decode(checkpoint.provenance[-1].config["plan"], type=ChannelPlan) == checkpoint.spec.plan
    with torch.inference_mode():
        logits = checkpoint.module()(torch.from_numpy(IMAGES)).numpy()
    assert logits == pytest.approx(LOGITS, abs=1e-4)


def test_an_artifact_gives_the_logits_that_it_gave() -> None:
    import torch

    artifact = reszoo.load_artifact(SCHEMA_1 / "artifact")
    with artifact.session(threads=1) as session:
        logits = np.concatenate([session.predict(IMAGES[n : n + 1]) for n in range(len(IMAGES))])
    assert logits == pytest.approx(LOGITS, abs=1e-4)
    assert [step.name for step in artifact.provenance] == [*STEPS, "export"]
    first, *_ = artifact.predict(torch.from_numpy(IMAGES))
    assert not isinstance(first, Failure)
    assert first.label == str(LOGITS[0].argmax())


def test_an_artifact_that_nobody_has_changed_may_still_be_replaced(documents: Path) -> None:
    assert artifacts.is_untouched(documents / "artifact")
    (documents / "artifact" / "labels.txt").write_text("mine\n")
    assert not artifacts.is_untouched(documents / "artifact")


def test_the_card_of_a_training_says_how_it_went() -> None:
    card = describe(SCHEMA_1 / "trained")
    assert isinstance(card.run.spec, ResNetSpec)
    assert card.run.spec.widths == (4, 8, 16)
    assert card.run.recipe.epochs == 4
    assert card.accuracy is not None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pruned/checkpoint.json", Checkpoint),
        ("artifact/artifact.json", Artifact),
        ("trained/training.json", Training),
        ("run.unfinished/run.json", Run),
    ],
)
def test_what_was_read_is_written_in_the_newest_schema(name: str, kind: type[Record], tmp_path: Path) -> None:
    found = read_json(SCHEMA_1 / name, kind, "")
    write_json(tmp_path / "again.json", found)
    assert read_json(tmp_path / "again.json", kind, "") == found
    text = (tmp_path / "again.json").read_text()
    assert f'"schema": {kind.schema.newest},' in text
    assert not any(f'"{old}":' in text for old in ("lineage", "block", "units"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spec": 1}, r"Expected `object`, got `int` - at `\$\.spec"),
        ({"spec": {"num_classes": 10, "input": [1, 8, 8]}}, r"missing required field `family` - at `\$\.spec"),
        ({"lineage": 1}, r"Expected `array`, got `int` - at `\$\.provenance"),
        ({"lineage": [1]}, r"Expected `object`, got `int` - at `\$\.provenance"),
        ({"lineage": [{"name": "prune", "config": {"plan": 1}}]}, r"Expected `str`, got `int`"),
    ],
)
def test_a_wrong_document_of_schema_1_is_explained(changes: dict[str, object], message: str, documents: Path) -> None:
    path = documents / "pruned" / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ReszooError, match=message) as caught:
        reszoo.load(documents / "pruned")
    assert str(path) in caught.value.problem


def test_a_network_of_another_package_keeps_its_builder(documents: Path) -> None:
    path = documents / "pruned" / "checkpoint.json"
    fields = json.loads(path.read_text())
    fields["spec"] |= {"builder": "theirs", "plan": None}
    path.write_text(json.dumps(fields))
    assert reszoo.load(documents / "pruned").spec == THEIRS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pruned/checkpoint.json", Checkpoint),
        ("trained/training.json", Training),
        ("run.unfinished/run.json", Run),
        ("latency/torch.cpu.t1.b16.32002b4c55d8c5bf.json", LatencyTable),
    ],
)
def test_schema_2_says_the_same_as_schema_1(name: str, kind: type[Record]) -> None:
    assert read_json(SCHEMA_2 / name, kind, "") == read_json(SCHEMA_1 / name, kind, "")


def test_a_measurement_of_any_schema_was_measured_here() -> None:
    found = [read_json(folder / "measurement.json", Measurement, "") for folder in (SCHEMA_1, SCHEMA_2)]
    assert found[0] == found[1]
    assert (found[1].way, found[1].subject.scenario.target) == (MEASURED, LOCAL)


def test_schema_2_describes_a_network_of_another_package_as_a_residual_one() -> None:
    assert read_json(SCHEMA_2 / "foreign" / "checkpoint.json", Checkpoint, "").spec == THEIRS


class Counted(Lines):
    def __init__(self) -> None:
        self.steps: list[int] = []

    def stepped(self, step: int, loss: float) -> None:
        self.steps.append(step)


def test_an_unfinished_run_is_resumed(documents: Path) -> None:
    recipe = training.override(training.load("digits"), {"epochs": "2"})
    spec = training.spec_for("resnet8_v1", "digits", recipe)
    spec = msgspec.structs.replace(spec, widths=(4, 8, 16), stem_width=4)
    taken = Counted()
    checkpoint = training.fit(
        training.initialised(spec, 0),
        spec,
        "digits",
        recipe,
        documents / "run",
        ref="resnet8_v1.run",
        device="cpu",
        resume=True,
        watchers=[taken],
    )
    assert taken.steps == list(range(26, 45))  # it was stopped after 25 of 44
    assert isinstance(checkpoint, Checkpoint)
    assert not (documents / "run.unfinished").exists()
