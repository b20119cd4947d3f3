"""Importances: that each method sees what it says it sees."""

from typing import get_args

import msgspec
import numpy as np
import pytest
import torch
from families import FAMILIES, randomised
from numpy.typing import NDArray

from reszoo import zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import Checkpoint
from reszoo.models.channels import channel_groups
from reszoo.prune import PruneConfig
from reszoo.prune.calibration import Batches, batches
from reszoo.prune.config import ChannelImportance
from reszoo.prune.importance import METHODS, importances

GROUP = "stages.1.0.convs.0"


@pytest.fixture(scope="module")
def data() -> Batches:
    return batches(zoo.load("resnet8_v1.reszoo_digits"), PruneConfig(images=32))


def test_every_importance_that_can_be_chosen_exists() -> None:
    assert METHODS.keys() == set(get_args(ChannelImportance))


@pytest.mark.parametrize("method", METHODS)
def test_every_kept_channel_is_scored_and_the_same_every_time(method: str, digits: Checkpoint, data: Batches) -> None:
    model = zoo.build(digits)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    found, again = (importances(model, method, data, seed=3) for _ in range(2))
    assert {name: len(scores) for name, scores in found.items()} == {
        group.name: group.width for group in channel_groups(digits.spec)
    }
    assert all(np.array_equal(found[name], again[name]) for name in found)
    assert all(len(np.unique(scores)) > 1 and scores.mean() > 0 for scores in found.values())
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("random", "fpgm")])
def test_a_dead_channel_matters_least(method: str, digits_v1: Checkpoint, data: Batches) -> None:
    model = zoo.build(digits_v1)
    with torch.no_grad():
        for layer in ("convs.0", "norms.0"):
            model.get_submodule(f"stages.1.0.{layer}").weight[5] = 0
        model.get_submodule("stages.1.0.norms.0").bias[5] = 0
        model.get_submodule("stages.1.0.convs.1").weight[:, 5] = 0
    scores = importances(model, method, data, seed=0)[GROUP]
    assert scores.argmin() == 5


def test_fpgm_gives_up_what_others_can_replace(digits_v1: Checkpoint) -> None:
    model = zoo.build(digits_v1)
    conv, reader = model.get_submodule("stages.1.0.convs.0"), model.get_submodule("stages.1.0.convs.1")
    with torch.no_grad():
        for weight in (conv.weight, reader.weight.transpose(0, 1)):
            weight[5] = weight.abs().mean(0)  # the middle of them all
    assert importances(model, "fpgm", [], 0)[GROUP].argmin() == 5
    assert importances(model, "l1", [], 0)[GROUP].argmin() != 5


def test_l1_sums_absolute_weights_of_all_coupled_layers(digits_v1: Checkpoint) -> None:
    model = zoo.build(digits_v1)
    block = model.get_submodule("stages.1.0")
    sums = block.convs[0].weight.abs().sum((1, 2, 3)) + block.norms[0].weight.abs()
    sums = (sums + block.convs[1].weight.abs().sum((0, 2, 3))).detach().double().numpy()
    np.testing.assert_allclose(importances(model, "l1", [], 0)[GROUP], sums / sums.mean(), rtol=1e-5)


def sums_of_squares(checkpoint: Checkpoint, data: Batches) -> NDArray[np.float64]:
    """(weight x gradient)^2 over the layers of GROUP, a gradient for each part of the data; scaled to mean 1."""
    model = zoo.build(checkpoint)
    block = model.get_submodule("stages.1.0")
    parameters = (block.convs[0].weight, block.norms[0].weight, block.convs[1].weight)
    sums = torch.zeros(len(parameters[1]))
    for inputs, wanted in data:
        loss = torch.nn.functional.cross_entropy(model(inputs), wanted)
        first, scale, second = (w * g for w, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True))
        sums += first.square().sum((1, 2, 3)) + scale.square() + second.square().sum((0, 2, 3))
    return (sums / sums.mean()).detach().double().numpy()


def test_taylor_sums_what_each_weight_and_scale_changes_the_loss_by(digits_v1: Checkpoint, data: Batches) -> None:
    """Molchanov et al. 2019: (weight x gradient)^2, with the gradient of a batch; here of two batches."""
    (images, labels), *_ = data
    halves = [(images[:16], labels[:16]), (images[16:], labels[16:])]
    found = importances(zoo.build(digits_v1), "taylor", halves, 0)[GROUP]
    np.testing.assert_allclose(found, sums_of_squares(digits_v1, halves), rtol=1e-4)


def test_images_of_other_classes_are_refused(digits_v1: Checkpoint) -> None:
    other = msgspec.structs.replace(digits_v1, labels=tuple("abcdefghij"))
    with pytest.raises(UsageError, match=r"knows classes \(a, b, c, ...\) that are none of digits's \(0, 1, 2, ...\)"):
        batches(other, PruneConfig(images=32))
    fewer = msgspec.structs.replace(
        digits_v1, labels=tuple("ab"), spec=msgspec.structs.replace(digits_v1.spec, num_classes=2)
    )
    with pytest.raises(UsageError, match="are none of digits's"):
        batches(fewer, PruneConfig(images=32))


def test_images_of_the_same_classes_in_another_order_are_labelled_as_the_network_answers(digits_v1: Checkpoint) -> None:
    reversed_ = msgspec.structs.replace(digits_v1, labels=digits_v1.labels[::-1])
    pairs = zip(batches(digits_v1, PruneConfig(images=32)), batches(reversed_, PruneConfig(images=32)), strict=True)
    assert all(torch.equal(labels, 9 - turned) for (_, labels), (_, turned) in pairs)


def test_hessian_sums_the_same_of_every_single_image(digits_v1: Checkpoint, data: Batches) -> None:
    """The empirical Fisher diagonal: gradients of single images are squared, not the batch's."""
    (images, labels), *_ = data
    batch = [(images[:16], labels[:16])]
    singly = [(images[i : i + 1], labels[i : i + 1]) for i in range(16)]
    found = importances(zoo.build(digits_v1), "hessian", batch, 0)[GROUP]
    np.testing.assert_allclose(found, sums_of_squares(digits_v1, singly), rtol=1e-4)
    assert not np.allclose(found, sums_of_squares(digits_v1, batch), rtol=0.1)


def test_what_a_method_cannot_score_is_named() -> None:
    without_norms = randomised(FAMILIES["v1, no norms"]).float()
    with pytest.raises(UsageError, match="no layer of this network has what bn_scale scores channels by"):
        importances(without_norms, "bn_scale", [], 0)
    squeezed = importances(randomised(FAMILIES["v1, squeeze and excitation"]).float(), "bn_scale", [], 0)
    assert "stages.0.0.convs.0" in squeezed
    assert "stages.0.0.se" not in squeezed


def test_weights_that_are_not_numbers_are_refused(digits_v1: Checkpoint) -> None:
    model = zoo.build(digits_v1)
    with torch.no_grad():
        model.get_submodule("stages.1.0.convs.0").weight[0] = torch.nan
    with pytest.raises(ReszooError, match=r"importance of channels of stages\.\S+ is NaN"):
        importances(model, "l2", [], 0)


@pytest.mark.parametrize(
    "options",
    [
        {"importance": "l3"},
        {"importance": "loss"},
        {"remove": "blocks", "importance": "taylor"},
        {"ranking": "sorted"},
        {"steps": 0},
        {"round_to": 0},
        {"min_share": 1.5},
        {"seed": -1},
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        msgspec.structs.replace(PruneConfig(), **options)
