"""Going on with a trained network where the classes, the sizes of the images or the layers to train are others."""

import json
import signal
from pathlib import Path

import msgspec
import pytest
import torch
from PIL import Image
from torch import nn

import reszoo
from reszoo import datasets, training, zoo
from reszoo.core.errors import UsageError
from reszoo.datasets.preprocess import normalise
from reszoo.training.data import batches_for
from reszoo.training.distributed import World
from reszoo.training.evaluate import count_correct
from reszoo.training.interrupts import StoppedError
from reszoo.training.progress import Lines
from reszoo.training.specs import preprocess_of
from reszoo.training.trainer import Trainer
from reszoo.training.transfer import fit_head, freeze, head_for

CPU = torch.device("cpu")
REF = "resnet8_v1.reszoo_digits"
SHORT = {"epochs": 2, "batch": 16, "threads": 1, "precision": "fp32", "padding": 1, "flip": False}
CLASSES = ("even", "odd")
FIELDS = ("ref", "spec", "preprocess", "labels", "dataset", "licence")


@pytest.fixture(scope="module")
def parent():
    return reszoo.load(REF)


def add(name: str, folder: Path, side: int = 8, mode: str = "L") -> str:
    """64 digits as pictures of this size, in the folders even and odd."""
    digits = datasets.load("digits", "train")
    for i in range(64):
        path = folder / name / CLASSES[digits.labels[i] % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.images[i, ..., 0]).resize((side, side), 0).convert(mode).save(path)
    datasets.add(name, [folder / name])
    return name


def saved(folder: Path, parent, state, **changes):
    """A checkpoint with these weights, and all else as the parent has it."""
    described = {name: getattr(parent, name) for name in FIELDS} | {"metrics": (), "provenance": ()}
    return zoo.save(folder, state, **described | changes)


@pytest.fixture
def parity(tmp_path):
    return add("parity", tmp_path)


def recipe(**changes):
    return training.override(training.load("digits"), {name: str(value) for name, value in changes.items()})


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (("even", "odd"), "own"),
        (("Even", "ODD"), "own"),
        (("odd", "even"), "reordered"),
        (("Odd", "even"), "reordered"),
        (("even", "odd", "neither"), "new"),
        (("even", "other"), "new"),
        (("even",), "new"),
        (("even", "odd", "odd"), "new"),  # which row would it be
        (("0", "1"), "new"),
    ],
)
def test_the_head_stays_where_the_classes_are_the_same(labels, kind, parity):
    assert head_for(labels, "net", parity) == kind


def test_the_rows_of_a_head_follow_the_names_of_the_classes(parent):
    images = torch.randn(4, *parent.spec.input)
    before = zoo.build(parent)(images)
    model = zoo.build(parent)
    assert fit_head(model, parent.spec, parent.labels[::-1], "net", "digits", seed=0) == "reordered"
    torch.testing.assert_close(model(images), before.flip(1))


def test_a_new_head_is_drawn_from_the_seed_and_nothing_else_changes(parent, parity):
    def state(seed):
        model = zoo.build(parent)
        torch.rand(seed + 1)  # what was drawn before is of no effect
        assert fit_head(model, parent.spec, parent.labels, "net", parity, seed) == "new"
        return model.state_dict()

    first, again, other = state(0), state(0), state(1)
    assert first["head.weight"].shape == (2, 64)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert {name for name in first if not torch.equal(first[name], other[name])} == {"head.weight", "head.bias"}
    own = zoo.build(parent).state_dict()
    assert all(torch.equal(first[name], own[name]) for name in first if not name.startswith("head."))


def a_trainer(chosen, *patterns, head=""):
    spec = training.spec_for("resnet8_v1", "digits", chosen)
    model = training.initialised(spec, 0)
    freeze(model, patterns, "")
    return Trainer(model, chosen, CPU, steps=10, world=World(), head=head)


def batch(n=8):
    random = torch.Generator().manual_seed(0)
    return torch.randn(n, 1, 8, 8, generator=random), torch.randint(10, (n,), generator=random)


@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.5}, {"optimizer": "adamw"}])
def test_frozen_layers_keep_their_weights_and_their_statistics(changes):
    trainer = a_trainer(recipe(**changes), "stem.*", "stages.[01].*")
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer.advance(*batch())
    val = datasets.load("digits", "val").subset(range(8))
    count_correct(trainer.model, val, reszoo.load(REF).preprocess, CPU)  # the validation between two epochs
    trainer.advance(*batch())
    after = trainer.result.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in changed} == {"stages", "head"}
    assert {name.split(".")[1] for name in changed if name.startswith("stages")} == {"2"}
    assert any(name.endswith("running_mean") for name in changed)


def test_a_norm_that_is_trained_in_part_goes_on_with_its_statistics():
    trainer = a_trainer(recipe(), "*.weight")
    norms = [module for module in trainer.model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(norm.training for norm in norms)


def test_all_layers_but_the_head_have_a_smaller_rate():
    """One step of plain SGD moves the weights by the rate times their gradient."""

    def moved(**changes):
        plain = {"momentum": 0, "nesterov": False, "weight_decay": 0, "warmup": 0, "schedule": "constant"}
        trainer = a_trainer(recipe(**plain, **changes), head="head")
        before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
        trainer.advance(*batch())
        return {name: p.detach() - before[name] for name, p in trainer.model.named_parameters()}

    usual, slower = moved(), moved(backbone_lr=0.1)
    for name in usual:
        share = 1.0 if name.startswith("head.") else 0.1
        torch.testing.assert_close(slower[name], share * usual[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("patterns", "new_head", "says"),
    [
        (["stage.0.*"], "", r"`freeze=stage\.0\.\*` matches no parameter of the network\nDid you mean stages\.0\.\*"),
        (["stages.0"], "", r"Did you mean stages\.0\.\*"),
        (["stem.*", "layer1.*"], "", r"layer1\.\*` matches no parameter"),
        (["xyz"], "", r"Parts of it are stem\.\*, stages\.\*, head\.\*\."),
        (["*"], "", "`freeze` leaves nothing to train\nLeave the head out, as in `freeze="),
        (["stem.*", "stages.*", "h*"], "head", "leaves nothing to train"),
        (["*.weight"], "head", "would keep the new head, head, as it is initialised"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(patterns, new_head, says, parent):
    model = zoo.build(parent)
    with pytest.raises(UsageError, match=says):
        freeze(model, patterns, new_head)
    assert all(parameter.requires_grad for parameter in model.parameters())


def train(data, init, **more):
    changes = SHORT | more.pop("changes", {})
    return reszoo.train(data=data, init=init, recipe="finetune", changes=changes, **more)


def test_a_network_goes_on_with_other_classes(tmp_path, monkeypatch, parent, parity):
    monkeypatch.chdir(tmp_path)
    made = train(parity, parent, freeze="stages.[01].*")
    assert made.weights_path.parent == tmp_path / "runs" / f"{REF}-parity"
    assert (made.ref, made.labels, made.dataset) == (f"{REF}-parity", CLASSES, "parity")
    assert made.spec == msgspec.structs.replace(parent.spec, num_classes=2)
    assert made.preprocess == parent.preprocess
    *before, step = made.provenance
    assert tuple(before) == parent.provenance
    assert step.input_sha256 == parent.sha256
    expected = {"parent": f"{REF} {parent.sha256}", "head": "new", "freeze": '["stages.[01].*"]', "backbone_lr": "0.1"}
    assert expected.items() <= step.config.items()
    own, tuned = zoo.build(parent).state_dict(), zoo.build(made).state_dict()
    kept = {name for name in own if own[name].shape == tuned[name].shape and torch.equal(own[name], tuned[name])}
    assert kept == {name for name in own if name.startswith(("stages.0.", "stages.1."))}


def test_classes_in_another_order_keep_what_was_learnt_of_them(tmp_path, parent):
    """The parent's labels are turned round, and so are the rows of its head: it is as good a network as before."""
    state = zoo.build(parent).state_dict()
    state |= {name: state[name].flip(0) for name in ("head.weight", "head.bias")}
    turned = saved(tmp_path / "turned", parent, state, ref="resnet8_v1.turned", labels=parent.labels[::-1])
    made = train("digits", turned, changes={"steps": 1, "lr": 1e-6}, out=tmp_path / "made", tag="straight")
    assert made.labels == parent.labels
    assert made.provenance[-1].config["head"] == "reordered"
    assert made.metrics[0].value > 0.9


def test_classes_without_names_are_taken_for_the_datas_where_there_are_as_many(tmp_path, parent):
    """As after an import without `labels`: CIFAR-10 under numbers is still known."""
    folder = tmp_path / "named"
    digits = datasets.load("digits", "train")
    for i in range(200):
        path = folder / f"digit {digits.labels[i]}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.images[i, ..., 0]).save(path)
    datasets.add("named", [folder])
    unnamed = msgspec.structs.replace(parent, dataset="")
    made = train("named", unnamed, changes={"steps": 1, "lr": 1e-6}, out=tmp_path / "made")
    assert made.provenance[-1].config["head"] == "own"
    assert made.labels == tuple(f"digit {n}" for n in range(10))
    correct = count_correct(zoo.build(made), datasets.load("named", "val"), made.preprocess, CPU)
    assert correct > 0.9 * len(datasets.load("named", "val"))
    other = train("named", parent, changes={"steps": 1}, out=tmp_path / "other")
    assert other.provenance[-1].config["head"] == "new"  # a network for digits, whose names these are


class StopAt(Lines):
    def __init__(self, step):
        self.step = step

    def stepped(self, step, loss):
        if step == self.step:
            signal.raise_signal(signal.SIGINT)


def test_a_stopped_run_goes_on_to_the_same_bits_and_as_nothing_else(tmp_path, parent, parity):
    given = {"freeze": ["stages.[01].*"], "changes": {"ema_decay": 0.9}, "tag": "x"}
    with pytest.raises(StoppedError):
        train(parity, parent, out=tmp_path / "run", watchers=[StopAt(5)], **given)
    work = tmp_path / "run.unfinished"
    assert json.loads((work / "run.json").read_text())["head"] == "new"
    resume = {"out": tmp_path / "run", "resume": True}
    for other, says in [
        ({"freeze": ["stages.0.*"]}, r"has recipe\.freeze = "),
        ({"changes": {"ema_decay": 0.9, "backbone_lr": 0.5}}, r"has recipe\.backbone_lr = "),
        ({"changes": {"ema_decay": 0.5}}, r"has recipe\.ema_decay = "),
    ]:
        with pytest.raises(UsageError, match=says):
            train(parity, parent, **resume, **(given | other))
    state = zoo.build(parent).state_dict()
    other = saved(tmp_path / "other", parent, state | {"head.bias": state["head.bias"] + 1})
    with pytest.raises(UsageError, match=r"has parent = "):
        train(parity, other, **resume, **given)
    straight = train(parity, parent, out=tmp_path / "straight", **given)
    assert train(parity, parent, **resume, **given).sha256 == straight.sha256


def test_a_stopped_run_goes_on_with_no_other_head(tmp_path, parent, parity):
    """Of two parents with the same weights, one names its classes in another order."""
    state = zoo.build(parent).state_dict()
    state |= {name: state[name][:2] for name in ("head.weight", "head.bias")}
    spec = msgspec.structs.replace(parent.spec, num_classes=2)
    own, turned = (
        saved(tmp_path / name, parent, state, spec=spec, labels=labels)
        for name, labels in [("own", CLASSES), ("turned", CLASSES[::-1])]
    )
    with pytest.raises(StoppedError):
        train(parity, own, out=tmp_path / "run", watchers=[StopAt(1)])
    with pytest.raises(UsageError, match=r"has head = 'own', this command 'reordered'"):
        train(parity, turned, out=tmp_path / "run", resume=True)


def test_images_of_other_sizes_are_resized_in_training_as_for_the_test(tmp_path, parent):
    data = add("larger", tmp_path, side=16)
    preprocess = preprocess_of(parent, data)
    assert preprocess == msgspec.structs.replace(parent.preprocess, resize=8, crop=8)
    train_images = datasets.load(data, "train")
    chosen = recipe(padding=0, batch=len(train_images))
    ((images, _),) = batches_for(train_images, preprocess, chosen, CPU, World()).epoch(0)
    ((raw, _),) = train_images.batches(preprocess, len(train_images))
    expected = torch.from_numpy(normalise(raw, preprocess))
    apart, nearest = torch.cdist(images.flatten(1), expected.flatten(1), p=torch.inf).min(1)
    assert apart.max() < 0.02  # Pillow rounds to 1/255
    assert sorted(nearest.tolist()) == list(range(len(train_images)))


def test_a_network_is_fed_as_it_was(tmp_path, parent, photos):
    wide = msgspec.structs.replace(
        parent,
        spec=msgspec.structs.replace(parent.spec, input=(3, 32, 32)),
        preprocess=msgspec.structs.replace(parent.preprocess, input=(3, 32, 32), mean=(0.5,) * 3, std=(1.0,) * 3),
    )
    files = preprocess_of(wide, photos)
    assert (files.mean, files.std, files.input) == (wide.preprocess.mean, wide.preprocess.std, (3, 32, 32))
    assert (files.resize, files.crop) == (37, 32)  # the share of ImageNet's 224 of 256
    large = msgspec.structs.replace(wide.preprocess, input=(3, 224, 224), resize=232, crop=224, interpolation="bicubic")
    assert preprocess_of(msgspec.structs.replace(wide, preprocess=large), photos) == large
    with pytest.raises(UsageError, match="digits: grey images do not fit the network, which takes RGB ones"):
        preprocess_of(wide, "digits")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"changes": {"backbone_lr": 0.1}},
            "backbone_lr: from scratch no layer is trained already\nGive the checkpoint",
        ),
        ({"freeze": "stages.0.*"}, "`freeze`: from scratch no layer is trained already"),
        ({"recipe": "finetune"}, "from scratch no layer is trained already\n.* or choose a recipe"),
        ({"changes": {"backbone_lr": 0}}, "backbone_lr=0: Expected `float` > 0"),
    ],
)
def test_what_is_said_of_a_parent_needs_one(more, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        reszoo.train("resnet8_v1", data="digits", out=tmp_path / "x", **({"recipe": "digits"} | more))
    assert list(tmp_path.iterdir()) == []


def test_what_contradicts_itself_is_refused(tmp_path, parent):
    with pytest.raises(UsageError, match="resnet8_v1 and `init` are two networks to begin with"):
        reszoo.train("resnet8_v1", data="digits", init=parent, out=tmp_path / "x")
    twice = {"freeze": "stem.*", "changes": {"freeze": ["stages.*"]}}
    with pytest.raises(UsageError, match="`freeze` is given twice: by itself and in `changes`"):
        reszoo.train(data="digits", init=parent, out=tmp_path / "x", **twice)
    assert list(tmp_path.iterdir()) == []
