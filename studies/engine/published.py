"""Trained networks that are there already: those that come with reszoo, and public ones of the catalogue."""

from .records import Settings

BUNDLED = {
    "digits": ("resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"),
    "cifar10": ("resnet8_v1.reszoo_cifar10", "resnet8_v2.reszoo_cifar10", "resnet20_v2.reszoo_cifar10"),
}
PUBLIC = {"cifar10": tuple(f"resnet{depth}_v1.akamaster_cifar10" for depth in (20, 32, 44, 56))}


def published(settings: Settings) -> tuple[str, ...]:
    """Their names; at the scale smoke those that need no download."""
    public = PUBLIC.get(settings.data, ()) if settings.scale != "smoke" else ()
    return (*BUNDLED[settings.data], *public)
