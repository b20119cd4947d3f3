import numpy as np
import pytest
import torch
from PIL import Image

from reszoo import datasets, training
from reszoo.core.errors import UsageError
from reszoo.core.types import Preprocess
from reszoo.training import stream
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


@pytest.mark.long("photos")
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


def test_a_batch_that_the_images_cannot_fill_names_the_largest(photos):
    images = len(datasets.load(photos, "train"))
    with pytest.raises(UsageError, match=rf"`batch={images}` is the largest"):
        make(photos, recipe(train_on="train", batch=images + 1), arch="resnet18_v1")
    make(photos, recipe(train_on="train", batch=images), arch="resnet18_v1")


@pytest.mark.long("photos")
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


def test_alternating_flips_show_every_image_and_its_mirror_image_in_any_two_epochs():
    batches = make("digits", recipe(flip="true", alternating_flip="true", padding="0", batch="2"))

    def shown(number):
        return torch.cat([images for images, _ in batches.epoch(number)])[batches.order(number).argsort()]

    first, second, third = map(shown, range(3))
    mirrored = (first != batches.normalise(batches.padded)).flatten(1).any(1)
    assert 0.4 < mirrored.float().mean() < 0.6
    assert torch.equal(first, second.flip(-1))
    assert torch.equal(first, third)


def test_alternating_flips_of_files(tmp_path):
    """Grey on the left, white on the right; a crop of any part still tells which way round it is."""
    pixels = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (64, 1, 3))
    Image.fromarray(pixels).save(path := tmp_path / "ramp.png")
    n = 40
    ramps = datasets.FileDataset(
        name="x",
        split="train",
        classes=("a",),
        labels=np.zeros(n, np.int64),
        indices=np.arange(n),
        files=(path,) * n,
    )
    preprocess = Preprocess(mean=(0.5,) * 3, std=(1.0,) * 3, input=(3, 32, 32), resize=37, crop=32)
    crops = stream._Crops(ramps, preprocess, recipe(flip="true", alternating_flip="true"), 5)

    def mirrored(epoch):
        return [bool(crop[0, 0, 0] > crop[0, -1, 0]) for crop, _ in (crops[epoch, index] for index in range(n))]

    first = mirrored(0)
    assert 10 <= sum(first) <= 30
    assert mirrored(1) == [not each for each in first]
    assert mirrored(2) == first


@pytest.mark.long("photos")
def test_images_grow_until_the_last_epochs_have_them_in_full_size(source):
    chosen, arch = settings(source)
    growing = training.override(chosen, {"initial_scale": "0.5", "full_scale_at": "0.5", "epochs": "8", "steps": "0"})
    batches = make(source, growing, arch=arch)
    sides = [next(iter(batches.epoch(number)))[0].shape[-1] for number in (0, 2, 3, 4, 7)]
    assert sides == ([4, 6, 7, 8, 8] if source == "digits" else [112, 168, 196, 224, 224])


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


def test_large_photographs_are_decoded_no_larger_than_their_crop_needs(tmp_path, monkeypatch):
    """A JPEG of 600x800, cropped to 32x32: nearly the same pixels as from the whole image."""
    waves = np.add.outer(np.sin(np.arange(600) / 40), np.cos(np.arange(800) / 60))
    pixels = np.stack([100 + 40 * waves, 120 - 50 * waves, 90 + 20 * waves], -1).astype(np.uint8)
    Image.fromarray(pixels).save(path := tmp_path / "large.jpg", quality=95)
    one = np.zeros(1, np.int64)
    photo = datasets.FileDataset(name="x", split="train", classes=("a",), labels=one, indices=one, files=(path,))
    assert photo.size(0) == (600, 800)
    assert photo.picture(0, 3, shrink=4).size == (200, 150)

    preprocess = Preprocess(mean=(0.5,) * 3, std=(1.0,) * 3, input=(3, 32, 32), resize=37, crop=32)
    crops = stream._Crops(photo, preprocess, recipe(flip="true"), 1)
    small = [crops[epoch, 0][0] for epoch in range(4)]
    used = []
    monkeypatch.setattr(stream, "shrink_for", lambda crop, wanted: used.append(shrink_for(crop, wanted)) or 1)
    for epoch, crop in enumerate(small):
        whole = crops[epoch, 0][0]
        assert crop.shape == whole.shape == (32, 32, 3)
        assert (crop.float() - whole.float()).abs().mean() < 2
    assert max(used) == 8


def shrink_for(crop, wanted):
    return next((shrink for shrink in (8, 4, 2) if min(crop) >= shrink * max(wanted)), 1)


@pytest.mark.parametrize(
    ("crop", "shrink"), [((224, 224), 1), ((447, 900), 1), ((448, 900), 2), ((900, 1000), 4), ((4000, 4000), 8)]
)
def test_a_crop_is_never_decoded_smaller_than_the_network_takes_it(crop, shrink):
    assert stream.shrink_for(crop, (224, 224)) == shrink


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UsageError, match="1439 images is more than the 1438 of digits's trainval"):
        make("digits", recipe(batch="1439"))
