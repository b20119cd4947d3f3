"""A checkpoint with random weights, for measuring latency and parity where no trained one can be had.

`python scripts/random_network.py ARCH --out FOLDER` gives ImageNet networks the ten classes of CIFAR-10, whose images
are enlarged to 224x224: so there are real images to prove an export on, and to calibrate with.
"""

import argparse
from pathlib import Path
from typing import cast

import torch
from msgspec.structs import replace
from torch import nn

from reszoo import datasets, models
from reszoo.core.hosts import versions
from reszoo.core.types import Checkpoint, Preprocess, ProvenanceStep
from reszoo.datasets.info import info
from reszoo.datasets.preprocess import normalise
from reszoo.models.probes import blocks_of
from reszoo.models.resnet import ResNet
from reszoo.zoo import checkpoints

DATASET = "cifar10"
IMAGES = 128  # that the statistics of the batch norms are taken from
BRANCH = 0.2  # how much less a block adds to its input; at 1 rounding errors grow from block to block
PREPROCESS = Preprocess(
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), input=(3, 224, 224), resize=224, crop=224
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", metavar="ARCH", help="such as resnet50_v2")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    make(options.arch, options.out)


def make(arch: str, out: Path) -> Checkpoint:
    """The same architecture gives the same weights."""
    labels = info(DATASET).classes
    spec = replace(models.spec_of(arch), num_classes=len(labels))
    torch.manual_seed(0)
    model = cast(ResNet, models.build(spec))
    _settle(model)
    return checkpoints.save(
        out,
        model.state_dict(),
        ref=f"{arch}.random",
        spec=spec,
        preprocess=PREPROCESS,
        labels=labels,
        dataset=DATASET,
        metrics=(),
        licence="MIT",
        provenance=(
            ProvenanceStep(
                name="initialise",
                config={"arch": arch, "seed": "0"},
                versions=versions(("reszoo", "torch")),
                input_sha256="",
            ),
        ),
    )


@torch.no_grad()
def _settle(model: ResNet) -> None:
    """Let the network see training images once, so that its answers are worth comparing, in 8 bits too.

    The batch norms take their statistics from them: else the signal would grow with every block. The head reads the
    directions in which the features differ most, each once for a class and once, negated, for another: of a random
    one, all classes would be nearly equal for every image.
    """
    for block in blocks_of(model).values():
        last = block.steps[-1]
        layer = (block.convs if last.kind == "conv" else block.norms)[last.number]
        cast(nn.Parameter, layer.weight).mul_(BRANCH)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    images, _ = next(datasets.calibration_sample(DATASET, IMAGES, 0).batches(PREPROCESS, IMAGES))
    batches = torch.split(torch.from_numpy(normalise(images, PREPROCESS)), 32)
    head, seen = model.head, list[torch.Tensor]()
    head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for batch in batches:
        model(batch)
    seen.clear()  # these were normalised by their own statistics
    model.eval()
    for batch in batches:
        model(batch)
    features = torch.cat(seen)
    mean = features.mean(0)
    directions = torch.linalg.svd(features - mean, full_matrices=False).Vh[: head.out_features // 2]
    head.weight.copy_(torch.cat([directions, -directions]))
    head.bias.copy_(-head.weight @ mean)


if __name__ == "__main__":
    main()
