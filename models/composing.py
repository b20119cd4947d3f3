"""Blocks one by one, and networks of any blocks from a plain dict: for experiments, such as a search of architectures.

They are PyTorch modules. What reszoo is to export or prune has a spec, which `build` makes a network of.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace
from torch import nn

from ..core.choices import check
from ..core.errors import UsageError
from ..core.types import BlockType, Family, Fraction, Positive, ResNetSpec, Stem
from .blocks import make_stem
from .channels import EXPANSION, Layout, layout
from .fields import changed
from .residual import Block
from .resnet import initialise, make_block, make_final

VARIANTS = (
    "shortcut",
    "bottleneck_width",
    "norm",
    "norm_place",
    "order",
    "activation",
    "skip",
    "gate_bias",
    "init",
    "se_ratio",
)
BLOCK = ("out_channels", "stride", "family", "block_type", "drop", *VARIANTS)
NETWORK = {"input": tuple[Positive, Positive, Positive], "num_classes": Positive, "stem": Stem, "stem_width": Positive}


class _Part(NamedTuple):
    """A block, with the spec and the channels of a network that has no other."""

    module: Block
    spec: ResNetSpec
    channels: Layout


def block(
    in_channels: int,
    out_channels: int,
    *,
    stride: int = 1,
    family: Family = "v2",
    block_type: BlockType = "basic",
    drop: float = 0.0,
    **variants: object,
) -> Block:
    """A residual block: (N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride).

    Args:
        in_channels: Of its input.
        out_channels: Of its output; a multiple of 4 in a bottleneck.
        stride: 1 or 2.
        family: v1, v2 or plain.
        block_type: basic (two 3x3) or bottleneck (1x1, 3x3, 1x1).
        drop: The probability with which stochastic depth leaves the branch out while training.
        **variants: Fields of `ResNetSpec`: shortcut, bottleneck_width, norm, norm_place, order, activation, skip,
            gate_bias, init, se_ratio. The shortcut is a projection, "B", where none is named.

    Raises:
        UsageError: For a field or a value that is not possible, with those that are.
    """
    given = {"family": family, "block_type": block_type, "drop": drop, "stride": stride, **variants}
    return _part(in_channels, {"out_channels": out_channels, **given}).module


def from_config(config: Mapping[str, Any]) -> nn.Sequential:
    """A network of the blocks that a dict lists: (N, C, H, W) -> (N, num_classes) logits.

    `from_config({"stages": [{"blocks": [{"out_channels": 16}, {"out_channels": 32, "stride": 2, "skip": "gate"}]}]})`

    Args:
        config: `stages`, a list of {"blocks": [...]}, in which each block is a dict of the arguments of `block` but
            `in_channels`, which follows from the block before it. Of the network: `input` ((3, 32, 32)), `num_classes`
            (10), `stem` ("cifar" or "imagenet") and `stem_width` (16).

    Returns:
        The modules `stem`, `stages`, `final`, `pool`, `flatten` and `head`. Where another block than a v2 one, or the
        head, reads what a v2 block gives, the norm and the activation that a v2 block begins with stand between them.

    Raises:
        UsageError: Something is missing, unknown or out of range; the message says where.
    """
    facts = _facts(config)
    stages = _stages(config, facts["stem_width"])
    parts = [part for stage in stages for part in stage]
    first, last = parts[0], parts[-1]
    stem_spec = replace(first.spec, stem=facts["stem"], input=facts["input"])
    stem = make_stem(stem_spec, first.channels.stem)
    return nn.Sequential(
        OrderedDict(
            stem=initialise(stem, first.spec),
            stages=_assembled(stages),
            final=nn.Sequential() if last.spec.family != "v2" else make_final(last.spec, last.channels.last),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(last.channels.last.width, facts["num_classes"]),
        )
    )


def _part(in_channels: int, fields: Mapping[str, Any]) -> _Part:
    _check_keys(fields, BLOCK, "a block")
    if "out_channels" not in fields:
        raise UsageError("a block has no out_channels", "Give it the channels of its output.")
    stride, drop, outputs = fields.get("stride", 1), fields.get("drop", 0.0), fields["out_channels"]
    check("in_channels", in_channels, Positive)
    check("out_channels", outputs, Positive)
    check("stride", stride, Literal[1, 2])
    check("drop", drop, Fraction)
    base = changed(_base(in_channels), {name: fields[name] for name in ("block_type", "family") if name in fields})
    factor = EXPANSION if base.block_type == "bottleneck" else 1
    if outputs % factor:
        raise UsageError(f"a bottleneck cannot have {outputs} out_channels", f"Give a multiple of {factor}.")
    variants = {name: value for name, value in fields.items() if name in VARIANTS}
    spec = changed(base, {"widths": (outputs // factor,), **variants})
    channels = layout(spec)
    (own,) = channels.blocks
    made = make_block(spec, replace(own, stride=stride, has_identity=own.has_identity and stride == 1), drop)
    initialise(made, spec)
    return _Part(made, spec, channels)


def _base(in_channels: int) -> ResNetSpec:
    return ResNetSpec(
        family="v2",
        block_type="basic",
        depths=(1,),
        widths=(in_channels,),
        stem_width=in_channels,
        stem="cifar",
        shortcut="B",
        num_classes=1,
        input=(1, 1, 1),
    )


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the dict says of the network, or the defaults."""
    _check_keys(config, ("stages", *NETWORK), "the network")
    facts = {"input": (3, 32, 32), "num_classes": 10, "stem": "cifar", "stem_width": 16, **config}
    for name, kind in NETWORK.items():
        check(name, facts[name], kind)
    return facts | {"input": tuple(facts["input"])}


def _stages(config: Mapping[str, Any], channels: int) -> list[list[_Part]]:
    stages: list[list[_Part]] = []
    for place, stage in _listed(config, "stages", "the network"):
        _check_keys(stage, ("blocks",), place)
        stages.append([])
        for where, fields in _listed(stage, "blocks", place):
            try:
                stages[-1].append(_part(channels, fields))
            except UsageError as error:
                raise UsageError(f"{where}: {error.problem}", error.fix) from error
            channels = stages[-1][-1].channels.last.width
    return stages


def _assembled(stages: list[list[_Part]]) -> nn.Sequential:
    parts = [part for stage in stages for part in stage]
    readers = iter([*(part.spec.family for part in parts[1:]), "v2"])  # the last one's is `final`
    made = nn.Sequential()
    for number, stage in enumerate(stages):
        made.add_module(str(number), nn.Sequential())
        for i, part in enumerate(stage):
            made[number].add_module(str(i), part.module)
            if next(readers) != "v2" and part.spec.family == "v2":
                made[number].add_module(f"{i}_final", make_final(part.spec, part.channels.last))
    return made


def _listed(config: Mapping[str, Any], key: str, what: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The dicts of a list that is not empty, each with its place."""
    found = config.get(key)
    if not isinstance(found, list | tuple) or not found or not all(isinstance(item, Mapping) for item in found):
        raise UsageError(
            f"{what} has no list of dicts {key!r}", 'Write {"stages": [{"blocks": [{"out_channels": 16}]}]}.'
        )
    prefix = "" if key == "stages" else f"{what}."
    return [(f"{prefix}{key}[{i}]", item) for i, item in enumerate(found)]


def _check_keys(given: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    if strange := next((key for key in given if key not in known), None):
        raise UsageError(f"{what} has no {strange!r}", f"It has {', '.join(known)}.")
