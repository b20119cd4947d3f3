"""What a network is for a data set: its spec and its preprocessing. Light: imports no torch."""

from typing import Any

import msgspec

from ..core.errors import UsageError
from ..core.types import Checkpoint, ModelSpec, Preprocess
from ..datasets.info import info
from ..datasets.preprocess import check_channels
from ..models import spec_of
from ..models.names import parsed
from ..models.network import with_stochastic_depth
from .recipe import Recipe

# Mean and standard deviation per channel over the training images, from 0 to 1.
STATISTICS = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "digits": ((0.3042,), (0.3751,)),
}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
GREY = ((0.5,), (0.5,))
CROP_SHARE = 0.875  # of the resized image in the test crop: 224 of 256


def spec_for(arch: str, data: str, recipe: Recipe) -> ModelSpec:
    """The named architecture for the data set's classes and image size, with the recipe's stochastic depth.

    Raises UsageError where the name sets what the data set decides.
    """
    description = info(data)
    changes: dict[str, Any] = {"num_classes": len(description.classes)}
    if description.image:
        height, width, channels = description.image
        changes["input"] = (channels, height, width)
    if decided := sorted(changes.keys() & parsed(arch)[1].keys()):
        names = " and ".join(decided)
        raise UsageError(f"{data} decides {names} of the network", f"Leave {names} away.")
    return for_training(msgspec.structs.replace(spec_of(arch), **changes), recipe)


def for_training(spec: ModelSpec, recipe: Recipe) -> ModelSpec:
    """With the recipe's stochastic depth, if it names one."""
    depth = recipe.stochastic_depth
    return spec if depth is None else with_stochastic_depth(spec, depth)


def preprocess_for(data: str, spec: ModelSpec) -> Preprocess:
    """How the data set's images are fed to this network, in training and in deployment."""
    channels, height, _ = spec.input
    mean, std = STATISTICS.get(data, IMAGENET if channels == 3 else GREY)
    if info(data).image:
        return Preprocess(mean=mean, std=std, input=spec.input)
    return Preprocess(mean=mean, std=std, input=spec.input, resize=round(height / CROP_SHARE), crop=height)


def preprocess_of(parent: Checkpoint, data: str) -> Preprocess:
    """How images of the data set `data` are fed to a network that goes on with `parent`: as it was fed before.

    Where it resizes nothing and these images have other sizes, they are resized to its input. Raises UsageError where
    the images are grey and the network takes colour, or the other way round.
    """
    own, image = parent.preprocess, info(data).image
    if image:
        check_channels(image[2], own, data)
    _, height, width = own.input
    if own.resize or data == parent.dataset or (image and image[:2] == (height, width)):
        return own
    if height != width:
        raise UsageError(
            f"{data} has images of other sizes than the {height}x{width} that {parent.ref} takes",
            "Use images of that size: only square ones are resized to.",
        )
    return msgspec.structs.replace(own, resize=height if image else round(height / CROP_SHARE), crop=height)
