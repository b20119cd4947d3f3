"""A network whose classes have another order than its data set's is pruned, taught and fine-tuned by their names."""

from pathlib import Path

import pytest
from msgspec.structs import replace

import reszoo
from reszoo.api import public
from reszoo.core.errors import UsageError
from reszoo.zoo import build, save

REF = "resnet8_v1.reszoo_digits"
SHORT = {"steps": 1, "lr": 1e-6, "batch": 16, "threads": 1, "precision": "fp32"}


@pytest.fixture
def turned(tmp_path: Path) -> "reszoo.Checkpoint":
    """The same weights as the bundled network's, with the outputs and their names turned round."""
    network = reszoo.load(REF)
    state = {n: t.flip(0) if n.startswith("head.") else t for n, t in build(network).state_dict().items()}
    fields = {name: getattr(network, name) for name in ("spec", "preprocess", "dataset", "licence")}
    made = save(
        tmp_path / "turned", state, ref="turned", labels=network.labels[::-1], metrics=(), provenance=(), **fields
    )
    return public(made)


@pytest.mark.parametrize("share", [0, 0.5])
def test_fine_tuning_puts_the_head_in_the_order_of_the_data(
    share: float, turned: "reszoo.Checkpoint", tmp_path: Path
) -> None:
    """With its own parent as its teacher, and without a teacher."""
    changes = SHORT | {"teacher_share": share}
    options = {"macs": 0.95, "importance": "l2", "round_to": 1, "measure": False, "out": tmp_path / "made"}
    made = turned.prune(finetune="digits", changes=changes, **options)
    assert made.labels == turned.labels[::-1]
    assert made.provenance[-1].config["head"] == "reordered"
    assert made.evaluate(split="val").accuracy > 0.8


def test_an_artifact_can_teach_where_it_is_asked_once_for_each_view(tmp_path: Path) -> None:
    parent = reszoo.load(REF)
    artifact = parent.export("onnx", out=tmp_path / "artifact")
    options = {"macs": 0.95, "importance": "l2", "round_to": 1, "measure": False, "out": tmp_path / "made"}
    taught = {"finetune": "digits", "teacher": artifact}
    with pytest.raises(UsageError, match="is an artifact, which takes no part in the steps"):
        parent.prune(changes=SHORT, **taught, **options)
    assert not list(tmp_path.glob("made*"))
    made = parent.prune(changes=SHORT | {"teacher_views": 1}, **taught, **options)
    assert made.provenance[-1].config["teacher"].startswith(REF)
    assert made.evaluate(split="val").accuracy > 0.8


def test_other_classes_are_refused_before_anything_is_pruned(turned: "reszoo.Checkpoint", tmp_path: Path) -> None:
    other = public(replace(turned, labels=tuple("abcdefghij")))
    options = {"macs": 0.95, "importance": "l2", "measure": False, "out": tmp_path / "made"}
    with pytest.raises(UsageError, match="and fine-tuning keeps its head"):
        other.prune(finetune="digits", changes=SHORT | {"teacher_share": 0}, **options)
    assert not list(tmp_path.glob("made*"))
