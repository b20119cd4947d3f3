import json
import os
import subprocess
import sys

import pytest
import torch

from reszoo import zoo
from reszoo.core.errors import UsageError
from reszoo.training.distributed import World, joined

RUN = """
import json
import os
import sys
from pathlib import Path
from reszoo import training, zoo
from reszoo.training.progress import Lines

class KilledAt(Lines):
    def stepped(self, step, loss):
        if str(step) == os.environ.get("KILLED_AT"):
            os._exit(1)

recipe = training.override(
    training.load("digits"),
    {"epochs": "3", "batch": sys.argv[2], "precision": "fp32", "threads": "1", **json.loads(sys.argv[3]),
     # Small steps: at a large learning rate the noise of float32 doubles with every few of them.
     "lr": "0.003", "momentum": "0.5"},
)
spec = training.spec_for("resnet8_v1", "digits", recipe)
made = training.fit(training.initialised(spec, 0), spec, "digits", recipe, Path(sys.argv[1]), ref="resnet8_v1.test",
                 teacher=zoo.load("resnet8_v1.reszoo_digits") if recipe.teacher_views else None,
                 watchers=[KilledAt()], save_every_s=0, resume=True,
                 monitor_gradients=True, answers=sys.argv[1] + ".answers")
Path(sys.argv[1] + "." + os.environ.get("RANK", "0")).write_text(made.sha256)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "run.py"
    path.write_text(RUN)
    return path


def torchrun(*arguments, **variables):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, env=environment)


def curve(folder):
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [{"mixup": "0.2", "ema_decay": "0.9"}, {"teacher_views": "2", "lookahead": "5"}],
    ids=["mixup", "teacher_views"],
)
def test_two_processes_learn_as_one_with_the_same_global_batch(tmp_path, script, changes):
    given = json.dumps(changes)
    two = torchrun(script, tmp_path / "two", 64, given)
    assert two.returncode == 0, two.stderr
    both = [(tmp_path / f"two.{rank}").read_text() for rank in (0, 1)]
    assert both == 2 * [zoo.read(tmp_path / "two").sha256]  # both processes have the checkpoint
    one = subprocess.run([sys.executable, script, tmp_path / "one", "64", given], capture_output=True, text=True)
    assert one.returncode == 0, one.stderr
    for row, same in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert same["loss"] == pytest.approx(row["loss"], rel=1e-4)
        assert same["accuracy"] == pytest.approx(row["accuracy"], abs=0.001)
        assert same["gradient_norms"] == pytest.approx(row["gradient_norms"], rel=0.01)
    assert row["loss"] < 0.98 * curve(tmp_path / "one")[0]["loss"]
    alone, shared = (zoo.load(str(tmp_path / name)) for name in ("one", "two"))
    assert shared.metrics[0].value == pytest.approx(alone.metrics[0].value, abs=0.01)
    assert shared.provenance[0].config["processes"] == "2"


@pytest.mark.long
def test_two_processes_that_are_killed_within_an_epoch_have_the_same_curve(tmp_path, script):
    for name, *moments in (("straight",), ("killed", "30")):
        for moment in moments:
            assert torchrun(script, tmp_path / name, 64, "{}", KILLED_AT=moment).returncode != 0
        done = torchrun(script, tmp_path / name, 64, "{}")
        assert done.returncode == 0, done.stderr
    both = [curve(tmp_path / name) for name in ("straight", "killed")]
    for straight, killed in zip(*both, strict=True):
        changing = ("seconds", "images_per_s")
        assert {**straight, **dict.fromkeys(changing)} == {**killed, **dict.fromkeys(changing)}


def test_a_batch_that_cannot_be_shared_is_refused():
    with (
        pytest.raises(UsageError, match="63 images cannot be shared by 2 processes\nChoose a multiple of 2"),
        joined(World(rank=0, size=2), torch.device("cpu"), 63),
    ):
        pass
