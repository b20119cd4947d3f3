"""The names of the classes that the catalogue's networks tell apart, in the order of their outputs."""

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def labels(name: str) -> tuple[str, ...]:
    """The 1000 names of ImageNet-1k are torchvision's."""
    if name == "cifar10":
        return CIFAR10
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
