"""A teacher that answers once for each view of an image."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from reszoo import datasets, training, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.training import loop
from reszoo.training.data import batches_for
from reszoo.training.distributed import World
from reszoo.training.progress import Lines
from reszoo.training.result import describe
from reszoo.training.run import check_teacher, describe_run
from reszoo.training.views import HEADER, TaughtBatches, network_answers, read

CPU = torch.device("cpu")


def recipe(**changes):
    given = {"teacher_views": 2, "batch": 64, "threads": 1, **changes}
    return training.override(training.load("digits"), {name: str(value) for name, value in given.items()})


@pytest.fixture(scope="module")
def teacher():
    return zoo.load("resnet8_v1.reszoo_digits")


class Asked:
    """Counts how often a teacher is asked."""

    def __init__(self, teacher):
        self.ask, self.times = network_answers(teacher, CPU, torch.float32), 0

    def __call__(self, images):
        self.times += 1
        return self.ask(images)


def taught(folder, teacher, chosen, ask=None, outputs=range(10), world=None, data="digits", shared=None):
    """Without `shared`, no run before has left answers in the cache."""
    shared = shared or Path(tempfile.mkdtemp(dir=folder.parent))
    spec = training.spec_for("resnet8_v2", data, chosen)
    run = describe_run("r.x", spec, data, chosen, CPU, World(), None, teacher)
    batches = batches_for(datasets.load(data, chosen.train_on), run.preprocess, run.recipe, CPU, world or World())
    return TaughtBatches(batches, ask or Asked(teacher), teacher.preprocess, list(outputs), folder, run, shared)


@pytest.mark.parametrize(
    ("changes", "error"),
    [({}, 0.02), ({"flip": True, "alternating_flip": True, "cutout": 3}, 0.1)],
    ids=["crops", "flips and cutout"],
)
def test_the_answers_are_those_to_the_very_images(tmp_path, teacher, changes, error):
    """But for rounding: logits to float16, and the blank square to the nearest grey."""
    network = zoo.build(teacher).eval()
    order = list(range(9, -1, -1))
    batches = taught(tmp_path, teacher, recipe(**changes), outputs=order)
    for number in range(3):
        for images, targets, answers in batches.epoch(number):
            with torch.no_grad():
                expected = network(images)[:, order]
            assert (answers - expected).abs().max() < error
            assert answers.dtype == torch.float32
            assert len(targets) == 64


def test_a_view_is_asked_for_once_and_shown_again(tmp_path, teacher):
    ask = Asked(teacher)
    batches = taught(tmp_path, teacher, recipe(), ask)
    shown = []
    for number in range(4):
        images, *_ = (torch.cat(each) for each in zip(*batches.epoch(number), strict=True))
        place = batches.batches.order(number)[: len(images)].argsort()
        shown.append((images[place], batches.batches.order(number)[: len(images)][place]))
    assert ask.times == 2
    assert not torch.equal(shown[0][1], shown[2][1])  # of each epoch other images are left out
    first, third = (dict(zip(places.tolist(), images, strict=True)) for images, places in (shown[0], shown[2]))
    both = first.keys() & third.keys()
    assert len(both) > 1300
    assert all(torch.equal(first[place], third[place]) for place in both)
    second = dict(zip(shown[1][1].tolist(), shown[1][0], strict=True))
    assert sum(torch.equal(first[place], second[place]) for place in first.keys() & second.keys()) < 0.2 * len(first)
    sizes = [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert len(sizes) == 2
    assert max(sizes) < 1438 * 10 * 2 + 500


def test_answers_of_a_run_before_are_read_if_they_are_just_those(tmp_path, teacher):
    def asked(chosen=None, outputs=range(10), by=teacher):
        ask = Asked(teacher)
        next(iter(taught(tmp_path, by, chosen or recipe(), ask, outputs).epoch(0)))
        return ask.times

    assert asked() == 1
    before = (tmp_path / "view-000.safetensors").read_bytes()
    assert asked() == 0
    assert asked(recipe(epochs=3, lr=0.01)) == 0  # neither changes what is shown
    others = [{"seed": 1}, {"padding": 0}, {"cutout": 2}, {"train_on": "train"}, {"precision": "bf16"}]
    assert [asked(recipe(**each)) for each in others] == [1] * len(others)
    assert asked(outputs=range(9, -1, -1)) == 1
    assert asked(by=replace(teacher, sha256="0" * 64)) == 1
    assert asked() == 1
    assert (tmp_path / "view-000.safetensors").read_bytes() == before
    for broken in (before[:-100], before[:-1] + bytes([before[-1] ^ 1]), b""):
        (tmp_path / "view-000.safetensors").write_bytes(broken)
        assert asked() == 1
        assert (tmp_path / "view-000.safetensors").read_bytes() == before


def test_runs_with_the_same_answers_share_them(tmp_path, teacher):
    """Whatever they train, and also if they begin at the same time."""
    ask, shared = Asked(teacher), tmp_path / "shared"

    def begin(number):
        chosen = recipe(epochs=number + 1, lr=0.01 * (number + 1))
        return next(iter(taught(tmp_path / str(number), teacher, chosen, ask, shared=shared).epoch(0)))

    with ThreadPoolExecutor(2) as pool:
        (_, _, first), (_, _, second) = pool.map(begin, range(2))
    assert ask.times == 1
    assert torch.equal(first, second)
    files = {path.read_bytes() for path in tmp_path.glob("*/*.safetensors")}
    assert len(list(tmp_path.glob("*/*.safetensors"))) == 3
    assert len(files) == 1
    next(iter(taught(tmp_path / "other", teacher, recipe(seed=1), ask, shared=shared).epoch(0)))
    assert ask.times == 2


def test_two_processes_get_their_parts_of_the_answers(tmp_path, teacher):
    alone = next(iter(taught(tmp_path, teacher, recipe()).epoch(0)))
    for rank in range(2):
        world = World(rank, 2)
        batches = taught(tmp_path, teacher, recipe(), world=world)
        batches.known[0] = read(tmp_path / "view-000.safetensors", decided_by(tmp_path))
        for part, whole in zip(next(iter(batches.epoch(0))), alone, strict=True):
            assert torch.equal(part, whole[rank::2])


def decided_by(folder):
    from safetensors import safe_open

    with safe_open(folder / "view-000.safetensors", framework="pt") as file:
        return file.metadata()[HEADER].split()[0]


def test_answers_that_are_no_numbers_are_refused(tmp_path, teacher):
    def broken(images):
        for batch in images:
            yield np.full((len(batch), 10), 1e6, np.float32)  # more than float16 holds

    with pytest.raises(ReszooError, match="logits that are no numbers of float16 in view 0"):
        next(iter(taught(tmp_path, teacher, recipe(), broken).epoch(0)))
    assert list(tmp_path.iterdir()) == []


def test_files_of_large_images_have_no_views(tmp_path, teacher, photos):
    with pytest.raises(UsageError, match="pictures has its images in files, of which no views"):
        taught(tmp_path, teacher, recipe(batch=4), data=photos)


def test_the_time_of_asking_outlives_a_kill(tmp_path, teacher, monkeypatch):
    class Killed(BaseException):
        pass

    class KilledAt(Lines):
        def stepped(self, step, loss):
            if step == 2:
                raise Killed

    def slow(self, view, asked=TaughtBatches._asked):
        time.sleep(1)
        return asked(self, view)

    def fit(*watchers):
        spec, chosen = training.spec_for("resnet8_v2", "digits", recipe(epochs=1)), recipe(epochs=1)
        model, options = training.initialised(spec, 0), {"ref": "r.x", "teacher": teacher}
        out, answers = tmp_path / "run", tmp_path / "answers"
        training.fit(model, spec, "digits", chosen, out, answers=answers, resume=True, watchers=watchers, **options)
        return describe(out).seconds

    monkeypatch.setattr(loop, "SLOW_S", 0.5)
    monkeypatch.setattr(TaughtBatches, "_asked", slow)
    with pytest.raises(Killed):
        fit(KilledAt())
    monkeypatch.setattr(TaughtBatches, "_asked", lambda self, view: pytest.fail("it was asked again"))
    assert fit() > 1


def test_what_does_not_go_together_is_refused(teacher):
    with pytest.raises(UsageError, match="teacher_views=2: there is no teacher"):
        check_teacher(None, recipe())
    growing = recipe(teacher_views=0, initial_scale=0.5)
    with pytest.raises(UsageError, match="would see the smaller images too") as caught:
        check_teacher(teacher, growing)
    assert "`set teacher_views=16`" in caught.value.fix
    check_teacher(teacher, training.override(growing, {"teacher_views": "1"}))
    with pytest.raises(UsageError, match="teacher_views and mixup or cutmix"):
        recipe(mixup=0.2)
    with pytest.raises(UsageError, match="alternating_flip needs an even number of teacher_views, not 3"):
        recipe(teacher_views=3, flip="true", alternating_flip="true")
