"""Preprocessing as people write it: a word, or its figures."""

from typing import NamedTuple

from ..core.errors import UsageError
from ..core.types import Preprocess

FIELDS = ("mean", "std", "resize", "crop", "interpolation")
WRITE = (
    "Write imagenet, cifar10, or figures, as in mean=0.485,0.456,0.406,std=0.229,0.224,0.225,resize=256,crop=224. "
    "Without a crop, images have to be of the network's size."
)


class Figures(NamedTuple):
    """A `Preprocess` whose input is not known yet."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"

    def for_input(self, channels: int, side: int) -> Preprocess:
        """For a network of so many channels, that takes images of this side where no crop says another."""
        side = self.crop or side
        try:
            return Preprocess(
                mean=self.mean * channels if len(self.mean) == 1 else self.mean,
                std=self.std * channels if len(self.std) == 1 else self.std,
                input=(channels, side, side),
                resize=self.resize,
                crop=self.crop,
                interpolation="bicubic" if self.interpolation == "bicubic" else "bilinear",
            )
        except ValueError as error:
            raise UsageError(f"this `preprocess` does not fit the network: {error}", WRITE) from error


PRESETS = {
    # torchvision's references and their `IMAGENET1K_V1` weights
    "imagenet": Figures((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 256, 224),
    # the training images' mean, and the standard deviation that most published training loops have with it
    "cifar10": Figures((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
}


def parse_preprocess(text: str) -> Figures:
    """ "imagenet", or "mean=0.5,std=0.25,crop=8"; one figure counts for every channel.

    Raises UsageError for anything else.
    """
    if text in PRESETS:
        return PRESETS[text]
    values: dict[str, list[str]] = {}
    name = ""
    for part in text.split(","):
        field, is_new, rest = part.strip().partition("=")
        if is_new:
            name, part = field.strip(), rest
        if name not in FIELDS or (is_new and name in values):
            raise UsageError(f"`preprocess={text}` cannot be read at {part.strip()!r}", WRITE)
        values.setdefault(name, []).append(part.strip())
    try:
        return _figures(values)
    except (ValueError, KeyError) as error:
        raise UsageError(f"`preprocess={text}` cannot be read: {error}", WRITE) from error


def _figures(values: dict[str, list[str]]) -> Figures:
    sides = {name: _side(values[name]) for name in ("resize", "crop") if name in values}
    (interpolation,) = values.get("interpolation", ["bilinear"])
    if interpolation not in ("bilinear", "bicubic"):
        raise ValueError("interpolation is bilinear or bicubic")
    if missing := {"mean", "std"} - values.keys():
        raise ValueError(f"{min(missing)} is missing")
    mean, std = (tuple(map(float, values[name])) for name in ("mean", "std"))
    return Figures(mean, std, sides.get("resize"), sides.get("crop"), interpolation)


def _side(values: list[str]) -> int:
    (text,) = values
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is no number of pixels")
    return int(text)
