import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reszoo import training
from reszoo.core.errors import UsageError
from reszoo.core.types import Preprocess
from reszoo.datasets.preprocess import normalise as deployed_normalise
from reszoo.training import augment
from reszoo.training.randomness import generator

PREPROCESS = Preprocess(mean=(0.5, 0.25, 0.125), std=(0.25, 0.25, 0.5), input=(3, 12, 10))


@pytest.fixture
def images():
    return torch.randint(256, (64, 12, 10, 3), dtype=torch.uint8, generator=generator(0, "images"))


def recipe(**changes):
    return training.override(training.load("cifar"), {name: str(value) for name, value in changes.items()})


@pytest.mark.parametrize("mode", ["mean", "reflect"])
def test_every_crop_is_a_window_of_its_padded_image_and_half_are_mirrored(images, mode):
    padded = augment.pad(images, 2, mode, PREPROCESS)
    expected = {"mean": [128, 64, 32], "reflect": images[0, 2, 2].tolist()}[mode]
    assert padded[0, 0, 0].tolist() == expected
    assert torch.equal(padded[:, 2:-2, 2:-2], images)
    if mode == "reflect":
        by_torch = F.pad(images.permute(0, 3, 1, 2).float(), (2, 2, 2, 2), mode="reflect")
        assert torch.equal(padded.permute(0, 3, 1, 2).float(), by_torch)
    chosen = torch.arange(63, -1, -1)
    draws = augment.draw(64, (4, 4), (12, 10), recipe(), generator(0, "crop"))
    crops = augment.crop_and_flip(padded, chosen, (12, 10), draws)
    places, mirrored = set(), 0
    for crop, index in zip(crops, chosen, strict=True):
        found = [
            (top, left, flip)
            for top in range(5)
            for left in range(5)
            for flip in (False, True)
            if torch.equal(crop.flip(1) if flip else crop, padded[index, top : top + 12, left : left + 10])
        ]
        assert len(found) == 1
        places.add(found[0][:2])
        mirrored += found[0][2]
    assert len(places) > 15  # of 25
    assert 16 <= mirrored <= 48


def test_normalise_is_what_deployment_does(images):
    ours = augment.Normalise(PREPROCESS, torch.device("cpu"))(images)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    theirs = torch.from_numpy(deployed_normalise(images.numpy(), PREPROCESS))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_cutout_blanks_one_square(images):
    draws = augment.draw(64, (0, 0), (12, 10), recipe(cutout=4), generator(0, "cutout"))
    sizes = set()
    for one in augment.blank(draws, 4, (12, 10), (12, 10)):
        rows, columns = one.any(1), one.any(0)
        assert int(one.sum()) == int(rows.sum()) * int(columns.sum())  # a box
        assert rows.sum() <= 4 >= columns.sum()
        sizes.add(int(one.sum()))
    assert 16 in sizes
    assert len(sizes) > 1  # some lie partly outside
    small = augment.blank(draws, 4, (12, 10), (6, 5))
    assert int(small.sum(dim=(1, 2)).max()) == 4
    assert augment.blank(augment.draw(64, (0, 0), (12, 10), recipe(), generator(0, "x")), 0, (12, 10), (12, 10)) is None


def test_mixup_mixes_images_and_targets_alike():
    labels = torch.arange(16) % 4
    images = labels.float()[:, None, None, None].expand(16, 1, 8, 8).contiguous()
    mixed, targets = augment.mix(images, labels, 4, recipe(mixup=1), generator(0, "mix"))
    assert not torch.equal(mixed, images)
    torch.testing.assert_close(targets.sum(1), torch.ones(16))
    torch.testing.assert_close(mixed[:, 0, 0, 0], targets @ torch.arange(4.0))


def test_cutmix_targets_are_the_areas():
    labels = torch.arange(16) % 4
    images = labels.float()[:, None, None, None].expand(16, 1, 16, 16).contiguous()
    for seed in range(5):
        mixed, targets = augment.mix(images, labels, 4, recipe(cutmix=1), generator(seed, "mix"))
        for image, target in zip(mixed, targets, strict=True):
            areas = torch.stack([(image == label).float().mean() for label in range(4)])
            torch.testing.assert_close(areas, target)


def test_without_either_targets_stay_labels():
    labels = torch.arange(4)
    assert augment.mix(torch.ones(4, 1, 2, 2), labels, 4, recipe(), generator(0, "mix"))[1] is labels


def test_the_share_of_mixup_follows_its_alpha():
    shares = np.array([augment._beta(0.2, generator(seed, "beta")) for seed in range(200)])
    assert 0.4 < shares.mean() < 0.6
    assert (np.abs(shares - 0.5) > 0.4).mean() > 0.5  # nearly all or nearly nothing


@pytest.mark.parametrize("mode", ["mean", "reflect"])
def test_padding_as_large_as_the_images_is_refused(images, mode):
    assert augment.pad(images, 9, mode, PREPROCESS).shape == (64, 30, 28, 3)
    with pytest.raises(UsageError, match=r"padding=10 is as much as the images have: they are 10x12") as caught:
        augment.pad(images, 10, mode, PREPROCESS)
    assert caught.value.fix == "Give less, such as padding=1."
