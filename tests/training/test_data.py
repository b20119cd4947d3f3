import pytest
import torch

from reszoo import datasets, training
from reszoo.core.errors import UsageError
from reszoo.training.data import batches_for
from reszoo.training.distributed import World
from reszoo.training.specs import preprocess_for

CPU = torch.device("cpu")


def recipe(**changes):
    return training.override(training.load("digits"), {name: str(value) for name, value in changes.items()})


def make(data, recipe, world=None, arch="resnet8_v1"):
    dataset = datasets.load(data, recipe.train_on)
    preprocess = preprocess_for(data, training.spec_for(arch, data, recipe))
    return batches_for(dataset, preprocess, recipe, CPU, world or World())


@pytest.fixture(params=["digits", "photos"])
def source(request):
    return "digits" if request.param == "digits" else request.getfixturevalue("photos")


def settings(source):
    if source == "digits":
        return recipe(mixup="0.2", cutout="2"), "resnet8_v1"
    return recipe(batch="4", flip="true"), "resnet18_v1"


def test_an_epoch_is_the_same_from_wherever_it_is_entered(source):
    chosen, arch = settings(source)
    whole = list(make(source, chosen, arch=arch).epoch(3))
    again = make(source, chosen, arch=arch)
    rest = list(again.epoch(3, first=2))
    assert len(whole) == again.per_epoch
    assert len(rest) == len(whole) - 2
    for (images, targets), (same_images, same_targets) in zip(whole[2:], rest, strict=True):
        assert torch.equal(images, same_images)
        assert torch.equal(targets, same_targets)
    other = next(iter(again.epoch(4)))
    assert not torch.equal(other[0], whole[0][0])


def test_two_processes_share_the_batch_of_one(source):
    chosen, arch = settings(source)
    alone = next(iter(make(source, chosen, arch=arch).epoch(0)))
    for rank in range(2):
        images, targets = next(iter(make(source, chosen, World(rank, 2), arch).epoch(0)))
        torch.testing.assert_close(images, alone[0][rank::2])
        assert torch.equal(targets, alone[1][rank::2])


def test_an_epoch_shows_every_image_once():
    plain = recipe(padding="0", batch="1")
    batches = make("digits", plain)
    seen = torch.cat([images.flatten(1) for images, _ in batches.epoch(0)])
    original = torch.cat([images.flatten(1) for images, _ in batches.epoch(1)])
    assert not torch.equal(seen, original)
    assert torch.equal(seen.sum(1).sort().values, original.sum(1).sort().values)


def test_the_statistics_of_digits_are_those_of_its_training_images():
    dataset = datasets.load("digits", "train")
    preprocess = preprocess_for("digits", training.spec_for("resnet8_v1", "digits", recipe()))
    assert preprocess.mean == pytest.approx([dataset.images.mean() / 255], abs=1e-4)
    assert preprocess.std == pytest.approx([dataset.images.std() / 255], abs=1e-4)


def test_a_network_is_fitted_to_the_data(photos):
    spec = training.spec_for("resnet20_v2", "digits", recipe(stochastic_depth="0.1"))
    assert (spec.input, spec.num_classes, spec.stochastic_depth) == ((1, 8, 8), 10, 0.1)
    spec = training.spec_for("resnet18_v1", photos, recipe())
    assert (spec.input, spec.num_classes, spec.stochastic_depth) == ((3, 224, 224), 3, 0.0)
    preprocess = preprocess_for(photos, spec)
    assert (preprocess.resize, preprocess.crop) == (256, 224)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UsageError, match="1439 images is more than the 1438 of digits's trainval"):
        make("digits", recipe(batch="1439"))
