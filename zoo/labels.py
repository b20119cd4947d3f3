"""The names of the classes that the catalogue's networks tell apart, in the order of their outputs."""

from pathlib import Path

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGENET1K = Path(__file__).with_name("imagenet1k.txt")
LISTS = ("cifar10", "imagenet1k")


def labels(name: str) -> tuple[str, ...]:
    """The 1000 names of ImageNet-1k are torchvision's."""
    return CIFAR10 if name == "cifar10" else tuple(IMAGENET1K.read_text(encoding="utf-8").splitlines())
