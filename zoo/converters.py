"""How others name the parameters of the same networks: tables of their names and ours, read in both directions.

In a name, {u} stands for a number that they count from 0, as we do; {S} or {K}, in capitals, for one that they count
from 1. The star is the rest. The first line that fits a name renames it.
"""

import re
from collections.abc import Iterable
from functools import cache

Rules = tuple[tuple[str, str], ...]

_TORCHVISION_BLOCKS: Rules = (
    ("layer{S}.{u}.conv{K}.*", "stages.{S}.{u}.convs.{K}.*"),
    ("layer{S}.{u}.bn{K}.*", "stages.{S}.{u}.norms.{K}.*"),
)
_TORCHVISION_BODY: Rules = (("conv1.*", "stem.conv.*"), ("bn1.*", "stem.norm.*"), *_TORCHVISION_BLOCKS)
# Two habits that others mix: each layout takes both, and writes the first.
_DOWNSAMPLE, _SHORTCUT = (
    (f"layer{{S}}.{{u}}.{name}.*", "stages.{S}.{u}.shortcut.*") for name in ("downsample", "shortcut")
)
_FC, _LINEAR, _LAST = ((f"{name}.*", "head.*") for name in ("fc", "linear", "last_linear"))
CONVERTERS: dict[str, Rules] = {
    "native": (("*", "*"),),
    # and timm's v1 networks, chenyaofo's, bearpaw's, Cadene's
    "torchvision": (*_TORCHVISION_BODY, _DOWNSAMPLE, _SHORTCUT, _FC, _LINEAR, _LAST),
    # and kuangliu's
    "akamaster": (*_TORCHVISION_BODY, _SHORTCUT, _DOWNSAMPLE, _LINEAR, _FC),
    # Zagoruyko's networks as xternalz and bearpaw wrote them
    "wide_resnet": (
        ("conv1.*", "stem.conv.*"),
        ("block{S}.layer.{u}.conv{K}.*", "stages.{S}.{u}.convs.{K}.*"),
        ("block{S}.layer.{u}.bn{K}.*", "stages.{S}.{u}.norms.{K}.*"),
        ("block{S}.layer.{u}.convShortcut.*", "stages.{S}.{u}.shortcut.*"),
        ("bn1.*", "final.0.*"),
        ("fc.*", "head.*"),
    ),
    "timm_resnetv2": (
        ("stem.conv.*", "stem.conv.*"),
        ("stages.{s}.blocks.{u}.conv{K}.*", "stages.{s}.{u}.convs.{K}.*"),
        ("stages.{s}.blocks.{u}.norm{K}.*", "stages.{s}.{u}.norms.{K}.*"),
        ("stages.{s}.blocks.{u}.downsample.conv.*", "stages.{s}.{u}.shortcut.*"),
        ("norm.*", "final.0.*"),
        ("head.fc.*", "head.*"),
    ),
    # the ResNets of Hugging Face's transformers, whose `resnet.` and `encoder.` are taken off as prefixes
    "transformers": (
        ("embedder.embedder.convolution.*", "stem.conv.*"),
        ("embedder.embedder.normalization.*", "stem.norm.*"),
        ("stages.{s}.layers.{u}.layer.{k}.convolution.*", "stages.{s}.{u}.convs.{k}.*"),
        ("stages.{s}.layers.{u}.layer.{k}.normalization.*", "stages.{s}.{u}.norms.{k}.*"),
        ("stages.{s}.layers.{u}.shortcut.convolution.*", "stages.{s}.{u}.shortcut.0.*"),
        ("stages.{s}.layers.{u}.shortcut.normalization.*", "stages.{s}.{u}.shortcut.1.*"),
        ("classifier.1.*", "head.*"),
    ),
    # PreActResNets that end with a norm: those that descend from kuangliu's, and bearpaw's PreResNet
    "preact": (
        ("conv1.*", "stem.conv.*"),
        *_TORCHVISION_BLOCKS,
        ("layer{S}.{u}.shortcut.0.*", "stages.{S}.{u}.shortcut.*"),
        ("layer{S}.{u}.downsample.0.*", "stages.{S}.{u}.shortcut.*"),
        ("bn.*", "final.0.*"),
        _LINEAR,
        _FC,
    ),
}


LAYOUTS = tuple(name for name in CONVERTERS if name != "native")


def rename(key: str, rules: Rules) -> str | None:
    """Our name for their `key`; None if no rule fits it."""
    return _first_fit(key, ((theirs, ours, -1) for theirs, ours in rules))


def restore(key: str, rules: Rules) -> str | None:
    """Their name for our `key`; None if no rule fits it."""
    return _first_fit(key, ((ours, theirs, 1) for theirs, ours in rules))


def _first_fit(key: str, rules: Iterable[tuple[str, str, int]]) -> str | None:
    """`key` by the first rule (from, to, what is added to a number in capitals) that fits it."""
    for source, target, shift in rules:
        if match := _pattern(source).fullmatch(key):
            groups = match.groupdict()
            rest = groups.pop("rest")
            numbers = {name: int(number) + shift * name.isupper() for name, number in groups.items()}
            return target.format(**numbers).replace("*", rest)
    return None


@cache
def _pattern(name: str) -> re.Pattern[str]:
    numbers = re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\d+)", re.escape(name))
    return re.compile(numbers.replace(r"\*", "(?P<rest>.+)"))
