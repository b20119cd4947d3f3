"""A folder of ImageNet's 1,000 classes by WordNet id: a network answers in reszoo as it does in torchvision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from once import once
from PIL import Image
from torch import nn
from torchvision import datasets as published
from torchvision import transforms
from torchvision.models.resnet import ResNet, resnet18

import reszoo
from reszoo import datasets
from reszoo.core.imagenet import names_by_wnid

WNIDS = tuple(names_by_wnid())
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FIGURES = f"mean={','.join(map(str, MEAN))},std={','.join(map(str, STD))},resize=18,crop=16"  # 224 would take minutes


@pytest.fixture(scope="module")
def val(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 40x40 pixels for each class, in its folder."""

    def draw(folder: Path) -> None:
        random = np.random.default_rng(0)
        for number, wnid in enumerate(WNIDS, 1):
            (folder / "val" / wnid).mkdir(parents=True)
            pixels = Image.fromarray(random.integers(0, 256, (5, 5, 3), np.uint8)).resize((40, 40))
            pixels.save(folder / "val" / wnid / f"ILSVRC2012_val_{number:08d}.JPEG")

    return once(tmp_path_factory, "imagenet-val", draw) / "val"


@pytest.mark.long
@torch.inference_mode()
def test_the_answers_are_torchvisions(val: Path, tmp_path: Path) -> None:
    normalise = transforms.Normalize(MEAN, STD)
    steps = [transforms.Resize(18), transforms.CenterCrop(16), transforms.ToTensor(), normalise]
    images, targets = zip(*published.ImageFolder(str(val), transforms.Compose(steps)), strict=True)
    batch = torch.stack(images)
    torch.manual_seed(0)
    network = resnet18(weights=None).eval()
    _put_head(network, batch)
    logits = network(batch)

    checkpoint = reszoo.import_checkpoint(network, labels="imagenet1k", preprocess=FIGURES, out=tmp_path / "r18")
    datasets.add("imagenet1k", [val])
    found = checkpoint.evaluate("imagenet1k", split="val")

    right = logits.argmax(1) == torch.tensor(targets)
    assert 500 < right.sum() < 1000
    assert (found.n, found.correct, found.among) == (1000, right.sum(), None)
    assert found.predictions.classes == tuple(names_by_wnid().values())
    np.testing.assert_array_equal(found.predictions.labels, targets)
    np.testing.assert_array_equal(found.predictions.top5[:, 0], logits.argmax(1))
    np.testing.assert_allclose(found.predictions.logits, logits.topk(5).values, rtol=1e-3, atol=0.01)

    datasets.add("some", [_every_tenth(val, tmp_path)])
    some = checkpoint.evaluate("some", split="val")
    assert (some.n, some.correct, some.among) == (100, right[::10].sum(), "network")
    assert repr(some).endswith("100 of the network's 1000 classes, answers among all of them)")
    among_some = checkpoint.evaluate("some", split="val", among="data")
    assert among_some.correct == (logits[::10, ::10].argmax(1) == torch.arange(100)).sum() > some.correct


def _put_head(network: ResNet, images: torch.Tensor) -> None:
    """A head for random features that knows most of the pictures, so that a class in a wrong place would show."""
    network.fc = nn.Identity()  # type: ignore[assignment]
    features = network(images)
    mean, std = features.mean(0), features.std(0) + 0.01 * features.std()  # of which some are always 0
    known = (features - mean) / std + 2 * torch.randn(features.shape)
    network.fc = nn.Linear(512, 1000)
    network.fc.weight.copy_(known / std)
    network.fc.bias.copy_(-(known * mean / std).sum(1) - known.square().sum(1) / 2)


def _every_tenth(val: Path, tmp_path: Path) -> Path:
    """Every tenth class."""
    folder = tmp_path / "some" / "val"
    folder.mkdir(parents=True)
    for wnid in WNIDS[::10]:
        (folder / wnid).symlink_to(val / wnid)
    return folder
