"""Preprocessing as people write it: a word, or its figures."""

from typing import NamedTuple

from ..core.errors import UsageError
from ..core.types import Interpolation, Preprocess

FIELDS = ("mean", "std", "resize", "crop", "interpolation")
WRITE = (
    "Write imagenet, cifar10, or figures, as in mean=0.485,0.456,0.406,std=0.229,0.224,0.225,resize=256,crop=224. "
    "Without a crop, images have to be of the network's size."
)
INTERPOLATIONS: dict[str, Interpolation] = {"bilinear": "bilinear", "bicubic": "bicubic"}


class Figures(NamedTuple):
    """A `Preprocess` whose input is not known yet.

    side  of the networks' images that `resize` and `crop` are for; others are only normalised. None: any
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None = None
    crop: int | None = None
    interpolation: Interpolation = "bilinear"
    side: int | None = None

    def for_input(self, channels: int, side: int) -> Preprocess:
        """For a network of so many channels, that takes images of this side where no crop says another."""
        resize, crop = (self.resize, self.crop) if self.side in (None, side) else (None, None)
        try:
            return Preprocess(
                mean=self.mean * channels if len(self.mean) == 1 else self.mean,
                std=self.std * channels if len(self.std) == 1 else self.std,
                input=(channels, crop or side, crop or side),
                resize=resize,
                crop=crop,
                interpolation=self.interpolation,
            )
        except ValueError as error:
            raise UsageError(f"this `preprocess` does not fit the network: {error}", WRITE) from error


PRESETS = {
    # torchvision's references and their `IMAGENET1K_V1` weights
    "imagenet": Figures((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 256, 224, side=224),
    # the training images' mean, and the standard deviation that most published training loops have with it
    "cifar10": Figures((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
}


def parse_preprocess(text: str) -> Figures:
    """ "imagenet", or "mean=0.5,std=0.25,crop=8"; one figure counts for every channel.

    A word is a normalisation: its resize and its crop count for networks of its own image size.

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
    if missing := {"mean", "std"} - values.keys():
        raise ValueError(f"{min(missing)} is missing")
    mean, std = (_shares(values[name]) for name in ("mean", "std"))
    resize, crop = (_side(values[name]) if name in values else None for name in ("resize", "crop"))
    if resize is not None and (crop is None or crop > resize):
        raise ValueError(f"resize={resize} needs a crop that is no larger, which makes the image square")
    (word,) = values.get("interpolation", ["bilinear"])
    if word not in INTERPOLATIONS:
        raise ValueError("interpolation is bilinear or bicubic")
    return Figures(mean, std, resize, crop, INTERPOLATIONS[word])


def _shares(values: list[str]) -> tuple[float, ...]:
    shares = tuple(map(float, values))
    if not all(0 <= share <= 1 for share in shares):  # which NaN is not, either
        raise ValueError("mean and std are numbers from 0 to 1: divide those of pixels from 0 to 255 by 255")
    return shares


def _side(values: list[str]) -> int:
    (text,) = values
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is no number of pixels")
    return int(text)
