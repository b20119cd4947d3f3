"""What earlier versions wrote about pruning is read, and a run that they began is resumed."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reszoo import zoo
from reszoo.core.documents import read_json, write_json
from reszoo.core.errors import UsageError
from reszoo.core.types import ChannelPlan
from reszoo.models import spec_of
from reszoo.workflows.pruning import latency_table, speed_check
from reszoo.workflows.pruning.latency_table import LatencyTable
from reszoo.workflows.pruning.prune import prune

SCHEMA_1 = Path(__file__).resolve().parents[2] / "documents" / "schema1"
REF = "resnet8_v1.reszoo_digits"
OLDER_NAME = f"{REF}-units-macs0.9"
OPTIONS: dict[str, Any] = {"macs": 0.9, "blocks": True, "importance": "random", "seed": 1}
TRAINED: dict[str, Any] = {"finetune": "digits", "changes": {"epochs": 1, "train_on": "train"}, "resume": True}


def test_a_latency_table_of_schema_1_tells_the_same_latencies(tmp_path: Path) -> None:
    (path,) = (SCHEMA_1 / "latency").iterdir()
    table = read_json(path, LatencyTable, "")
    small = msgspec.structs.replace(
        spec_of("resnet20_v1"), depths=(2, 2), widths=(8, 16), stem_width=8, input=(3, 16, 16), num_classes=4
    )
    plans = (
        None,
        ChannelPlan(blocks={"stages.0": (0,)}),
        ChannelPlan(channels={"stages.1.1.convs.0": tuple(range(8))}),
    )
    seconds = [table.seconds(msgspec.structs.replace(small, plan=plan)) for plan in plans]
    assert seconds == pytest.approx([0.0095837465, 0.0073659836875, 0.008952616875])  # what its writer said
    assert latency_table._path(table).name == path.name  # so it is found in the cache
    write_json(tmp_path / "newer.json", table)
    assert read_json(tmp_path / "newer.json", LatencyTable, "") == table
    newer = (tmp_path / "newer.json").read_text()
    assert [word for word in ("anatomy", "opening", "unit") if f'"{word}"' in newer] == []


@pytest.fixture
def unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run in runs/, with its speed check, that was stopped in its training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(speed_check, "check_speed", None)  # it is not repeated
    prune(zoo.load(REF), **OPTIONS, measure=False, out="weights")
    folder = tmp_path / "runs" / f"{OLDER_NAME}.pruned"
    shutil.copytree(SCHEMA_1 / "pruning", folder)
    shutil.copy(tmp_path / "weights" / "weights.safetensors", folder)
    return folder


@pytest.mark.parametrize("out", [None, f"runs/{OLDER_NAME}"])
def test_a_run_that_an_earlier_version_began_is_resumed(out: str | None, unfinished: Path) -> None:
    finished = prune(zoo.load(REF), **OPTIONS, **TRAINED, out=out)
    assert finished.pruned == zoo.read(unfinished)
    assert finished.speed_check
    assert str(finished.speed_check.ratio) == "0.500 (0.500 to 0.500)"
    assert finished.finetuned
    assert finished.result == zoo.read(unfinished.with_name(OLDER_NAME))


def test_with_other_options_it_is_not_resumed(unfinished: Path) -> None:
    with pytest.raises(UsageError, match="was started with other options"):
        prune(zoo.load(REF), **OPTIONS | {"seed": 2}, **TRAINED)


def test_a_newer_run_of_the_same_command_goes_first(unfinished: Path) -> None:
    newer = unfinished.with_name(f"{REF}-blocks-macs0.9.pruned")
    prune(zoo.load(REF), **OPTIONS, measure=False, out=newer)
    with pytest.raises(UsageError, match=r"blocks-macs0\.9\.pruned was started with other options"):
        prune(zoo.load(REF), **OPTIONS | {"seed": 2}, **TRAINED)
