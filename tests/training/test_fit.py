"""Whole runs on digits: what they leave behind, what stops them, and how they go on."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from processes import started

from reszoo import datasets, training, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.training import distributed
from reszoo.training.evaluate import count_correct
from reszoo.training.interrupts import StoppedError
from reszoo.training.progress import Lines
from reszoo.training.run import describe_run, outputs_of

SHORT = {"epochs": "3", "batch": "64", "threads": "1"}


def recipe(**changes):
    return training.override(training.load("digits"), SHORT | {name: str(value) for name, value in changes.items()})


def fit(out, chosen=None, arch="resnet8_v1", **more):
    """No run reads what the teacher has answered to another."""
    chosen = chosen or recipe()
    spec = training.spec_for(arch, "digits", chosen)
    more = {"ref": f"{arch}.test", "answers": out.with_name(f"{out.name}.answers"), **more}
    return training.fit(training.initialised(spec, chosen.seed), spec, "digits", chosen, out, **more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "finished"
    return fit(out, recipe(epochs=6))


def test_the_result_is_a_checkpoint_that_the_zoo_reads(finished):
    folder = finished.weights_path.parent
    assert zoo.load(str(folder)) == finished
    assert not folder.with_name("finished.unfinished").exists()
    test = datasets.load("digits", "test")
    correct = count_correct(zoo.build(finished), test, finished.preprocess, torch.device("cpu"))
    (metric,) = finished.metrics
    assert (metric.value, metric.n, metric.origin, metric.split) == (correct / len(test), len(test), "measured", "test")
    assert metric.value > 0.9


def test_the_card_and_the_curve_say_how_it_came_about(finished):
    folder = finished.weights_path.parent
    (step,) = finished.provenance
    assert step.name == "train"
    assert {
        "epochs": "6",
        "lr": "0.1",
        "seed": "0",
        "dataset": "digits",
        "train_on": "trainval",
    }.items() <= step.config.items()
    assert {"torch", "reszoo"} <= step.versions.keys()
    card = json.loads((folder / "training.json").read_text())
    assert card["interval"][0] < finished.metrics[0].value < card["interval"][1]
    assert card["epoch"] == 6
    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert all(row["val_accuracy"] is None and row["images_per_s"] > 0 for row in rows)


def test_the_best_on_val_is_kept_without_a_look_at_test(tmp_path, monkeypatch):
    asked = []
    original = datasets.load

    def load(name, split):
        asked.append(split)
        return original(name, split)

    monkeypatch.setattr(datasets, "load", load)
    # A learning rate that stays high makes accuracy go up and down.
    chosen = recipe(epochs=5, select="best", train_on="train", schedule="constant", lr=0.5)
    checkpoint = fit(tmp_path / "best", chosen)
    assert asked == ["train", "val", "test"]
    folder = checkpoint.weights_path.parent
    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    best = max(rows, key=lambda row: row["val_accuracy"])
    assert json.loads((folder / "training.json").read_text())["epoch"] == best["epoch"]
    val = datasets.load("digits", "val")
    correct = count_correct(zoo.build(checkpoint), val, checkpoint.preprocess, torch.device("cpu"))
    assert correct / len(val) == best["val_accuracy"]


def test_fine_tuning_with_a_teacher_goes_on_with_the_lineage(tmp_path, finished):
    chosen = recipe(epochs=1, lr=0.001)
    tuned = training.fit(
        zoo.build(finished),
        finished.spec,
        "digits",
        chosen,
        tmp_path / "tuned",
        ref="resnet8_v1.tuned",
        parent=finished,
        teacher=finished,
    )
    assert tuned.provenance[:-1] == finished.provenance
    assert tuned.provenance[-1].input_sha256 == finished.sha256
    assert tuned.provenance[-1].config["teacher"] == f"{finished.ref} {finished.sha256} {finished.identity[:12]}"
    assert tuned.metrics[0].value > 0.9


def test_group_sparsity_gathers_a_network_in_fewer_channels(tmp_path):
    def weakest(strength):
        """Of the channels between two convolutions, over the strongest."""
        made = fit(tmp_path / str(strength), recipe(epochs=2, group_sparsity=strength))
        assert made.provenance[-1].config["group_sparsity"] == str(strength)
        norms = zoo.build(made).stages[2][0].convs[0].weight.detach().flatten(1).norm(dim=1)
        return float(norms.min() / norms.max())

    assert weakest(0.01) < 0.5 * weakest(0.0)


def test_a_parents_weights_go_on_seeing_what_they_were_trained_on(finished):
    odd = msgspec.structs.replace(finished.preprocess, mean=(0.5,))
    parent = msgspec.structs.replace(finished, preprocess=odd)
    described = describe_run(
        "r.x", parent.spec, "digits", recipe(), torch.device("cpu"), distributed.current(), parent, None
    )
    assert described.preprocess == odd


def test_a_teacher_of_other_classes_is_refused(finished):
    teacher = msgspec.structs.replace(finished, labels=tuple("abcdefghij"))
    with pytest.raises(UsageError, match=r"knows classes \(a, b, c, ...\) that are none of digits's \(0, 1, 2"):
        outputs_of(teacher, finished.spec, "digits", recipe())


def test_a_teacher_may_have_its_classes_in_another_order(finished):
    teacher = msgspec.structs.replace(finished, labels=finished.labels[::-1])
    assert outputs_of(teacher, finished.spec, "digits", recipe()) == tuple(range(9, -1, -1))


def test_a_teacher_that_nobody_hears_is_refused(finished):
    with pytest.raises(UsageError, match=r"nothing would be learnt from the teacher resnet8_v1\.test"):
        outputs_of(finished, finished.spec, "digits", recipe(teacher_share=0))


def test_a_parent_of_other_classes_is_refused(tmp_path, finished):
    parent = msgspec.structs.replace(finished, labels=tuple("abcdefghij"))
    with pytest.raises(UsageError, match="knows other classes"):
        training.fit(zoo.build(parent), parent.spec, "digits", recipe(), tmp_path / "x", ref="r.x", parent=parent)
    assert list(tmp_path.iterdir()) == []


def test_a_teacher_for_other_data_is_refused(tmp_path, finished):
    chosen = recipe()
    spec = training.spec_for("resnet8_v1", "digits", chosen)
    bigger = type(spec)(**{name: getattr(spec, name) for name in spec.__struct_fields__} | {"input": (1, 16, 16)})
    with pytest.raises(UsageError, match="Choose a teacher that was trained on digits"):
        training.fit(
            training.initialised(bigger, 0), bigger, "digits", chosen, tmp_path / "x", ref="r.x", teacher=finished
        )


@pytest.mark.long
def test_files_of_large_images_are_trained_on(tmp_path, photos):
    chosen = recipe(epochs=1, batch=8)
    # Networks as narrow as this one crash in channels_last on CPUs with AVX-512.
    spec = msgspec.structs.replace(training.spec_for("resnet18_v1", photos, chosen), widths=(8, 8, 8, 8))
    checkpoint = training.fit(
        training.initialised(spec, 0), spec, photos, chosen, tmp_path / "x", ref="resnet18_v1.photos"
    )
    assert checkpoint.preprocess.crop == 224
    assert checkpoint.labels == ("class0", "class1", "class2")
    assert checkpoint.metrics == ()  # these images have no test split


class StopAt(Lines):
    """Sends a signal to this process at a step, as Ctrl-C does."""

    def __init__(self, step, number=signal.SIGINT):
        self.step, self.number = step, number

    def stepped(self, step, loss):
        if step == self.step:
            signal.raise_signal(self.number)


@pytest.fixture
def unfinished(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(StoppedError) as caught:
        fit(out, watchers=[StopAt(30)])
    return out, caught.value


def test_ctrl_c_saves_and_says_how_to_go_on(unfinished):
    out, error = unfinished
    assert error.problem == "stopped in epoch 2, at step 30 of 66; everything is saved"
    assert "`resume=True`" in error.fix
    assert error.exit_code == 130
    assert not out.exists()
    assert fit(out, resume=True).sha256 == fit(out.with_name("straight")).sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"lookahead": 7, "flip": "true", "alternating_flip": "true"},
        {"initial_scale": 0.5, "full_scale_at": 0.3, "cutout": 3},
    ],
    ids=["lookahead", "sizes"],
)
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, changes):
    chosen = recipe(**changes)
    with pytest.raises(StoppedError):
        fit(tmp_path / "run", chosen, watchers=[StopAt(30)])
    straight = fit(tmp_path / "straight", chosen)
    said = msgspec.structs.replace(chosen, summary="what a recipe says of itself decides nothing")
    assert fit(tmp_path / "run", said, resume=True).sha256 == straight.sha256
    assert straight.sha256 != fit(tmp_path / "plain").sha256


def test_a_run_with_answers_known_before_resumes_with_the_same_bits(tmp_path, finished):
    """Also without the files that they lie in, which are then made again."""
    chosen = recipe(teacher_views=2, initial_scale=0.5, full_scale_at=0.3)
    straight = fit(tmp_path / "straight", chosen, teacher=finished)
    for name in ("run", "without"):
        with pytest.raises(StoppedError):
            fit(tmp_path / name, chosen, teacher=finished, watchers=[StopAt(30)])
        kept = tmp_path / f"{name}.unfinished" / "teacher"
        assert sorted(path.name for path in kept.iterdir()) == ["view-000.safetensors", "view-001.safetensors"]
        if name == "without":
            shutil.rmtree(kept)
            shutil.rmtree(tmp_path / "without.answers")
        assert fit(tmp_path / name, chosen, teacher=finished, resume=True).sha256 == straight.sha256
    assert straight.sha256 != fit(tmp_path / "plain", recipe(), teacher=finished).sha256
    assert [*tmp_path.glob("*.unfinished")] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_save_as_well_and_the_second_one_acts_as_usual(tmp_path, number):
    caught = []
    before = signal.signal(number, lambda number, frame: caught.append(number))
    try:
        with pytest.raises(StoppedError):
            fit(tmp_path / "run", watchers=[StopAt(30, number)])
        assert caught == []
        with pytest.raises(StoppedError):
            fit(tmp_path / "run", resume=True, watchers=[StopAt(40, number), StopAt(40, number)])
        assert caught == [number]
        assert signal.getsignal(number) not in (signal.SIG_DFL, before)
    finally:
        signal.signal(number, before)


def test_pytorchs_threads_are_as_they_were(tmp_path):
    before = torch.get_num_threads()
    fit(tmp_path / "run", recipe(epochs=1, threads=before + 1))
    assert torch.get_num_threads() == before
    with pytest.raises(StoppedError):
        fit(tmp_path / "other", recipe(epochs=1, threads=before + 1), watchers=[StopAt(3)])
    assert torch.get_num_threads() == before


def test_killed_after_its_last_rename_a_run_leaves_no_folder(tmp_path):
    """The checkpoint is there, and so is what it was made from: the next run for that place removes the latter."""
    out = tmp_path / "run"
    fit(out, recipe(epochs=1))
    work = tmp_path / "run.unfinished"
    work.mkdir()
    made = msgspec.json.decode((out / "training.json").read_bytes())
    made["run"]["recipe"]["summary"] = "before it was resumed with an edited one"
    (work / "run.json").write_bytes(msgspec.json.encode({"schema": 3, **made["run"]}))
    (work / "resume-a.pt").touch()
    before = {path.name: path.read_bytes() for path in work.iterdir()}
    with pytest.raises(UsageError, match="run is there already"):
        fit(out, recipe(epochs=1))
    assert [path.name for path in tmp_path.glob("run*")] == ["run"]
    work.mkdir()
    for name, content in before.items():
        (work / name).write_bytes(content)
    training.tidy(out)
    assert [path.name for path in tmp_path.glob("run*")] == ["run"]
    work.mkdir()
    (work / "run.json").write_bytes(before["run.json"].replace(b'"seed":0', b'"seed":1'))
    training.tidy(out)  # that of another run stays
    assert work.exists()


def test_a_run_does_not_go_on_with_other_images_of_the_same_shape(tmp_path, monkeypatch):
    def digits(shift):
        """As a data set of one's own, with or without a change of one pixel."""
        train = datasets.load("digits", "train")
        images = train.images.copy()
        images[0, 0, 0] += shift
        for at, (image, label) in enumerate(zip(images, train.labels, strict=True)):
            folder = tmp_path / str(shift) / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[:, :, 0]).save(folder / f"{at}.png")
        datasets.add("numbers", [tmp_path / str(shift)], replace=True)

    monkeypatch.setenv("RESZOO_CACHE", str(tmp_path / "cache"))
    digits(0)
    spec, chosen = training.spec_for("resnet8_v2", "numbers", recipe(epochs=1)), recipe(epochs=1)
    begin = partial(training.fit, spec=spec, data="numbers", recipe=chosen, out=tmp_path / "run", ref="r.x")
    with pytest.raises(StoppedError):
        begin(training.initialised(spec, 0), watchers=[StopAt(3)])
    digits(1)
    with pytest.raises(UsageError, match=r"run\.unfinished has dataset_sha256 = "):
        begin(training.initialised(spec, 0), resume=True)
    digits(0)
    assert begin(training.initialised(spec, 0), resume=True).provenance[0].config["dataset_sha256"]


def test_a_run_does_not_go_on_with_a_teacher_that_is_fed_otherwise(tmp_path, finished):
    darker = msgspec.structs.replace(
        finished, preprocess=msgspec.structs.replace(finished.preprocess, mean=(0.9,), std=(0.1,))
    )
    with pytest.raises(StoppedError):
        fit(tmp_path / "run", recipe(epochs=1), teacher=finished, watchers=[StopAt(3)])
    with pytest.raises(UsageError, match="has teacher = "):
        fit(tmp_path / "run", recipe(epochs=1), teacher=darker, resume=True)
    document = tmp_path / "run.unfinished" / "run.json"
    document.write_text(document.read_text().replace(f" {finished.identity[:12]}", ""))  # as of an older reszoo
    assert fit(tmp_path / "run", recipe(epochs=1), teacher=finished, resume=True)


def test_an_unfinished_run_is_not_overwritten(unfinished):
    out, _ = unfinished
    work = out.with_name("run.unfinished")
    before = {path.name: path.read_bytes() for path in work.iterdir()}
    with pytest.raises(UsageError, match=r"unfinished run in .*run\.unfinished\nGive `resume=True`"):
        fit(out)
    for changes, says in [({"lr": 0.2}, "recipe.lr = 0.1, this command 0.2"), ({"epochs": 9}, "recipe.epochs = 3")]:
        with pytest.raises(UsageError, match=says):
            fit(out, recipe(**changes), resume=True)
    with pytest.raises(UsageError, match=r"spec\.family = 'v1', this command 'v2'|ref = "):
        fit(out, arch="resnet8_v2", resume=True)
    assert {path.name: path.read_bytes() for path in work.iterdir()} == before


def test_saves_of_another_run_are_not_taken_up(unfinished):
    out, _ = unfinished
    (out.with_name("run.unfinished") / "run.json").unlink()
    other = recipe(lr=0.05)
    with pytest.raises(StoppedError):  # before the step of the saves that lie there
        fit(out, other, watchers=[StopAt(10)])
    assert fit(out, other, resume=True).sha256 == fit(out.with_name("straight"), other).sha256


def test_a_finished_folder_is_not_overwritten(finished):
    for resume in (False, True):
        with pytest.raises(UsageError, match="is there already\nChoose another `out`"):
            fit(finished.weights_path.parent, resume=resume)


class Meanwhile(Lines):
    """Does something at a step."""

    def __init__(self, step, act):
        self.step, self.act = step, act

    def stepped(self, step, loss):
        if step == self.step:
            self.act()


def test_a_second_run_for_the_same_folder_is_refused_while_one_is_at_work(tmp_path):
    out, refused = tmp_path / "run", []

    def again():
        for resume in (False, True):
            with pytest.raises(UsageError, match=r"another process is at work on .*run\nWait until it has"):
                fit(out, resume=resume)
            refused.append(resume)

    fit(out, recipe(epochs=1), watchers=[Meanwhile(5, again)])
    assert refused == [False, True]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_appears_while_it_trains_is_not_replaced_and_nothing_is_lost(tmp_path):
    out = tmp_path / "run"

    def come():
        out.mkdir()
        (out / "mine").touch()

    chosen = recipe(epochs=2)
    with pytest.raises(UsageError, match=r"run is there already\nEvery step is saved: move it away, .* `resume=True`"):
        fit(out, chosen, watchers=[Meanwhile(5, come)])
    assert [path.name for path in out.iterdir()] == ["mine"]
    out.rename(tmp_path / "theirs")
    taken = []
    again = fit(out, chosen, resume=True, watchers=[Meanwhile(30, lambda: taken.append(30))])
    assert not taken  # every step had been taken
    assert again.sha256 == fit(tmp_path / "straight", chosen).sha256


def test_a_broken_save_stops_the_resumed_run_with_the_way_out(unfinished):
    out, _ = unfinished
    newest = max(out.with_name("run.unfinished").glob("resume-*.pt"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(ReszooError, match=f"{newest.name} is broken"):
        fit(out, resume=True)
    newest.unlink()
    assert fit(out, resume=True).sha256 == fit(out.with_name("straight")).sha256


RUN = """
import json
import sys
from pathlib import Path
from reszoo import training, zoo
from reszoo.training.progress import Lines

class Steps(Lines):
    def stepped(self, step, loss):
        print(step, flush=True)

recipe = training.override(
    training.load("digits"),
    {"epochs": "5", "threads": "1", "cutout": "2", "train_on": "train", "select": "best", "stochastic_depth": "0.2",
     "group_sparsity": "0.001", **json.loads(sys.argv[2])},
)
spec = training.spec_for("resnet8_v2", "digits", recipe)
made = training.fit(training.initialised(spec, 0), spec, "digits", recipe, Path(sys.argv[1]), ref="resnet8_v2.killed",
                 teacher=zoo.load("resnet8_v1.reszoo_digits") if recipe.teacher_views else None,
                 answers=sys.argv[1] + ".answers", resume=True, save_every_s=0.05, watchers=[Steps()])
"""


def start(out: Path, changes: dict[str, str]) -> "AbstractContextManager[subprocess.Popen[str]]":
    return started([sys.executable, "-c", RUN, str(out), json.dumps(changes)], stdout=subprocess.PIPE, text=True)


@pytest.mark.long
@pytest.mark.parametrize(
    "changes",
    [{"ema_decay": "0.9", "mixup": "0.2"}, {"lookahead": "5", "teacher_views": "3"}],
    ids=["mixup", "teacher_views"],
)
def test_a_run_killed_at_three_random_moments_ends_with_the_same_bits(tmp_path, changes):
    with start(tmp_path / "straight", changes) as straight:
        steps = [int(line) for line in straight.stdout]
    assert straight.returncode == 0
    assert steps == list(range(1, 101))
    chance = np.random.default_rng()
    moments = sorted(chance.choice(np.arange(5, 95), 3, replace=False))
    resumed_after = []
    for moment in moments:
        with start(tmp_path / "killed", changes) as run:
            first = None
            for line in run.stdout:
                first = first or int(line)
                if int(line) >= moment:
                    time.sleep(chance.uniform(0, 0.05))
                    run.send_signal(signal.SIGKILL)
                    break
        assert run.returncode == -signal.SIGKILL
        resumed_after.append(first - 1)
    with start(tmp_path / "killed", changes) as run:
        resumed_after.append(int(run.stdout.readline()) - 1)
        run.stdout.read()
    assert run.returncode == 0
    assert resumed_after[0] == 0
    assert resumed_after[-1] > 0, "the last run began anew"
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("straight", "killed")]
    assert weights[0] == weights[1], f"killed at {moments}, resumed after {resumed_after}"
