import math

import msgspec
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reszoo import datasets, models, training
from reszoo.core.errors import ReszooError
from reszoo.core.types import Preprocess
from reszoo.training.data import batches_for
from reszoo.training.distill import Teacher, soft_loss
from reszoo.training.distributed import World
from reszoo.training.specs import preprocess_for
from reszoo.training.trainer import Trainer

CPU = torch.device("cpu")
SPEC = models.spec_of("resnet8_v1")


def recipe(base="cifar", **changes):
    given = {"precision": "fp32", **changes}
    return training.override(training.load(base), {name: str(value) for name, value in given.items()})


def make(chosen, arch="resnet8_v1", steps=100, **more):
    model = training.initialised(models.spec_of(arch), 0)
    return Trainer(model, chosen, CPU, steps=steps, world=World(), **more)


def batch(n=8, classes=10):
    random = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, 32, 32, generator=random), torch.randint(classes, (n,), generator=random)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "adamw", "lr": 0.01}, {"ema_decay": 0.5, "clip_norm": 1}, {"optimizer": "lamb", "lr": 0.05}],
)
def test_the_loss_falls(precision, changes):
    if changes.get("optimizer") == "lamb":
        pytest.importorskip("timm")
    trainer = make(recipe(precision=precision, **changes))
    losses = [trainer.advance(*batch()) for _ in range(12)]
    assert min(losses[-3:]) < 0.6 * losses[0]


def test_weight_decay_spares_norms_and_biases_unless_told():
    def decayed(chosen):
        groups = make(chosen).optimizer.param_groups
        return {p.ndim for g in groups if g["weight_decay"] for p in g["params"]}

    assert decayed(recipe()) == {2, 4}
    assert decayed(recipe("cifar-he2015")) == {1, 2, 4}


def test_clipping_bounds_the_step():
    """Plain SGD with learning rate 1 moves the weights by exactly the clipped gradient."""
    plain = recipe(nesterov="false", momentum=0, weight_decay=0, schedule="constant", lr=1, warmup=0, clip_norm=0.01)
    trainer = make(plain)
    before = [p.detach().clone() for p in trainer.parameters.values()]
    trainer.advance(*batch())
    moved = [p.detach() - q for p, q in zip(trainer.parameters.values(), before, strict=True)]
    assert float(nn.utils.get_total_norm(moved)) == pytest.approx(0.01, rel=1e-3)


def test_the_average_is_what_counts():
    trainer = make(recipe(ema_decay=0.9))
    trainer.advance(*batch())
    first = trainer.model.head.weight.detach().clone()
    trainer.advance(*batch())
    expected = 0.9 * first + 0.1 * trainer.model.head.weight.detach()
    torch.testing.assert_close(trainer.result.head.weight, expected)


def test_lookahead_puts_its_average_in_the_place_of_the_weights():
    """In the last of four steps the slow weights keep 0.95 ** 2 of themselves; the first pull keeps nothing."""
    trainer, alone = make(recipe(lookahead=2), steps=4), make(recipe(), steps=4)
    for each in (trainer, alone):
        for _ in range(2):
            each.advance(*batch())
    slow = alone.model.head.weight.detach().clone()
    torch.testing.assert_close(trainer.result.head.weight, slow)
    for each in (trainer, alone):
        each.advance(*batch())
    torch.testing.assert_close(trainer.result.head.weight, slow)  # between two pulls they rest
    for each in (trainer, alone):
        each.advance(*batch())
    expected = 0.95**2 * slow + (1 - 0.95**2) * alone.model.head.weight.detach()
    torch.testing.assert_close(trainer.result.head.weight, expected)
    assert torch.equal(trainer.model.head.weight, trainer.result.head.weight)
    assert torch.equal(trainer.model.stem.norm.running_mean, trainer.result.stem.norm.running_mean)


def test_soft_targets_count_as_their_largest_class():
    trainer = make(recipe())
    images, _ = batch()
    answers = trainer.model(images).argmax(1)
    labels = torch.cat([answers[:6], (answers[6:] + 1) % 10])
    trainer.advance(images, F.one_hot(labels, 10) * 0.7 + 0.03)
    _, accuracy, norms = trainer.close_epoch()
    assert (accuracy, norms) == (6 / 8, None)


def test_gradient_norms_are_means_over_the_epoch():
    chosen = recipe(batch=8)
    trainer = make(chosen, monitor_gradients=True)
    seen = []
    for _ in range(3):
        trainer.advance(*batch())
        seen.append(float(trainer.model.head.weight.grad.norm()))
    _, _, norms = trainer.close_epoch()
    assert set(norms) == {name for name, _ in trainer.model.named_parameters()}
    assert norms["head.weight"] == pytest.approx(sum(seen) / 3, rel=1e-5)


def test_a_bad_layer_is_named_with_step_and_rate():
    trainer = make(recipe(warmup=0, schedule="constant"))
    trainer.advance(*batch())
    with torch.no_grad():
        trainer.model.stages[1][0].convs[1].weight[0, 0, 0, 0] = math.nan
        trainer.model.stages[2][0].convs[0].weight[0, 0, 0, 0] = math.nan
    with pytest.raises(ReszooError) as caught:
        trainer.advance(*batch())
    assert "went bad at step 1, learning rate 0.1" in caught.value.problem
    assert "the output of layer stages.1.0.convs.1 is not finite" in caught.value.problem
    assert "`lr`" in caught.value.fix


def test_a_bad_gradient_is_named_and_leaves_the_weights_alone():
    trainer = make(recipe())
    weight = trainer.model.stages[1][0].convs[1].weight
    weight.register_hook(lambda gradient: gradient * math.inf)
    before = trainer.model.head.weight.detach().clone()
    with pytest.raises(ReszooError, match=r"the gradient of layer stages\.1\.0\.convs\.1 is not finite"):
        trainer.advance(*batch())
    assert torch.equal(trainer.model.head.weight, before)


def test_a_learning_rate_beyond_reason_is_found_out():
    trainer = make(recipe(lr=1e30, warmup=0, schedule="constant"))
    trainer.advance(*batch())
    with pytest.raises(ReszooError, match=r"went bad at step 1, learning rate 1e\+30: the output of layer"):
        trainer.advance(*batch())


def test_a_student_that_is_its_teacher_has_nothing_to_learn():
    ours = Preprocess(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), input=(3, 32, 32))
    other = Preprocess(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), input=(3, 32, 32))
    network = training.initialised(SPEC, 0).eval()
    pixels = torch.rand(4, 3, 32, 32)

    def normalised(by):
        mean, std = (torch.tensor(v)[:, None, None] for v in (by.mean, by.std))
        return (pixels - mean) / std

    answers = network(normalised(other)).detach()  # what the teacher sees under its own normalisation
    teacher = Teacher(network, other, ours, CPU)
    assert float(soft_loss(answers, teacher.answers(normalised(ours)), 4.0)) == pytest.approx(0, abs=1e-5)
    assert float(soft_loss(answers.flip(1), teacher.answers(normalised(ours)), 4.0)) > 0.01
    turned = Teacher(network, other, ours, CPU, outputs=range(9, -1, -1))
    assert float(soft_loss(answers.flip(1), turned.answers(normalised(ours)), 4.0)) == pytest.approx(0, abs=1e-5)


def test_a_student_comes_to_answer_as_its_teacher():
    preprocess = Preprocess(mean=(0.5,) * 3, std=(0.5,) * 3, input=(3, 32, 32))
    network = training.initialised(SPEC, 1).eval()
    teacher = Teacher(network, preprocess, preprocess, CPU)
    trainer = make(recipe(teacher_share=1, temperature=1, optimizer="adamw", lr=0.01), teacher=teacher)
    images, labels = batch(32)
    for _ in range(15):
        trainer.advance(images, (labels + 1) % 10)  # the labels are wrong, and have no share
    agreement = (trainer.model(images).argmax(1) == network(images).argmax(1)).float().mean()
    assert agreement > 0.7


@pytest.mark.long("resnet1202_v1")
@pytest.mark.parametrize("arch", ["resnet1001_v2", "resnet1202_v1"])
def test_the_deepest_networks_take_steps(arch):
    trainer = make(recipe(clip_norm=1, label_smoothing=0.1), arch=arch)
    losses = [trainer.advance(*batch(4)) for _ in range(2)]
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.long
def test_110_layers_learn_with_the_papers_warm_up():
    chosen = recipe("cifar-he2015", warmup=0.5, batch=64, flip="false", padding=1)
    spec = training.spec_for("resnet110_v1", "digits", chosen)
    dataset = datasets.load("digits", "train")
    batches = batches_for(dataset, preprocess_for("digits", spec), chosen, CPU, World())
    trainer = Trainer(training.initialised(spec, 0), chosen, CPU, steps=80, world=World())
    losses = [trainer.advance(*one) for epoch in (0, 1) for one in batches.epoch(epoch)]
    assert trainer.learning_rate(39) == pytest.approx(0.01)
    assert sum(losses[-10:]) / 10 < 0.8 * math.log(10)  # the loss of a guess


def test_stochastic_depth_is_random_but_repeatable():
    spec = msgspec.structs.replace(SPEC, stochastic_depth=0.5)
    images, labels = batch()

    def run():
        trainer = Trainer(training.initialised(spec, 0), recipe(), CPU, steps=9, world=World())
        return [trainer.advance(images, labels) for _ in range(3)]

    first = run()
    torch.rand(7)  # the global generator plays no part
    assert run() == first
