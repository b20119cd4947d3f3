"""The names of the classes that the catalogue's networks tell apart, in the order of their outputs."""

from ..core.imagenet import names_by_wnid

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LISTS = ("cifar10", "imagenet1k")


def labels(name: str) -> tuple[str, ...]:
    """The 1000 names of ImageNet-1k are torchvision's."""
    return CIFAR10 if name == "cifar10" else tuple(names_by_wnid().values())
