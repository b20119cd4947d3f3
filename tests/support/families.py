"""Small networks of every kind that the assembly can build, and halves of them."""

import random

import msgspec
import torch
from torch import nn

from reszoo.core.types import ChannelPlan, DenseNetSpec, InceptionSpec, MobileSpec, ModelSpec, ResNetSpec, VGGSpec
from reszoo.models import build, names, spec_of
from reszoo.models.channels import channel_groups, fixed_channels
from reszoo.models.resnet import ResNet

BASE = ResNetSpec(
    family="v1",
    block_type="basic",
    depths=(2, 2),
    widths=(8, 16),
    stem_width=8,
    stem="cifar",
    shortcut="A",
    num_classes=10,
    input=(1, 8, 8),
)
CHANGES: dict[str, dict[str, object]] = {
    "option A": {},
    "projections": {"shortcut": "B"},
    "option C": {"shortcut": "C"},
    "bottlenecks": {"block_type": "bottleneck", "shortcut": "B"},
    "bottlenecks, option A": {"block_type": "bottleneck"},
    "wide": {"stem_width": 4, "widths": (16, 32), "shortcut": "B"},
    "wide bottlenecks": {"block_type": "bottleneck", "bottleneck_width": 2, "shortcut": "B"},
    "narrowing option A": {"stem_width": 12},
    "squeeze and excitation": {"se_ratio": 4},
    "gates": {"skip": "gate", "shortcut": "B"},
    "gates, option A": {"skip": "shortcut_gate"},
    "scaled": {"skip": "scale"},
    "dropout": {"skip": "dropout"},
    "group norms": {"norm": "group", "widths": (48, 96), "stem_width": 48, "se_ratio": 4},
    "no norms": {"norm": "none", "activation": "silu"},
    "weights of channels": {"skip": "channel_weight"},
    "attention": {"skip": "attention", "shortcut": "B"},
    "one weight": {"skip": "skipinit", "norm": "none"},
    "dense": {"skip": "dense", "shortcut": "B"},
    "dense bottlenecks": {"skip": "dense", "block_type": "bottleneck"},
    "layer norms": {"norm": "layer"},
    "norms in front": {"norm_place": "before", "block_type": "bottleneck"},
    "norms behind": {"norm_place": "after"},
    "norms on both sides": {"norm_place": "both"},
    "activations first": {"order": "act-norm-conv"},
    "no activations": {"order": "norm-conv"},
    "v1 to v2": {"families": ("v1", "v2")},
    "v2 to v1": {"families": ("v2", "v1"), "shortcut": "B"},
    "v2 to plain": {"families": ("v2", "plain")},
    "imagenet stem": {"stem": "imagenet", "input": (3, 32, 32), "activation": "leaky_relu"},
}
# What changes nothing that such a network has.
IDLE = {"v1": {"order"}, "v2": {"families"}, "plain": {"skip", "shortcut", "order", "families"}}
# One of each other family.
OTHERS: dict[str, ModelSpec] = {
    "vgg": VGGSpec(depths=(1, 1), widths=(8, 16), dense=(32,), num_classes=10, input=(3, 32, 32)),
    "inception": InceptionSpec(
        stem_width=16, stages=(((8, (8, 16), (4, 8), 8),),) * 2, num_classes=10, input=(3, 32, 32)
    ),
    "densenet": DenseNetSpec(
        depths=(2, 2), growth=8, bottleneck=True, compression=0.5, stem_width=16, num_classes=10, input=(3, 32, 32)
    ),
    "mobile": MobileSpec(depths=(1, 2), widths=(16, 24), stem_width=16, expansion=4, num_classes=10, input=(3, 32, 32)),
}
FAMILIES: dict[str, ResNetSpec] = {
    f"{family}, {name}": msgspec.structs.replace(BASE, family=family, **changes)
    for name, changes in CHANGES.items()
    for family in ("v1", "v2", "plain")
    if not IDLE[family] & changes.keys()
}
# Networks of which blocks can be removed, but no channels.
WITH_FIXED_CHANNELS = {name for name, spec in FAMILIES.items() if fixed_channels(spec)}


def shrunk(spec: ResNetSpec) -> ResNetSpec:
    return msgspec.structs.replace(
        spec,
        depths=tuple(min(depth, 2) for depth in spec.depths),
        widths=tuple(4 * 2**stage for stage in range(len(spec.widths))),
        stem_width=4 * spec.stem_width // min(spec.widths[0], spec.stem_width),
        input=(3, 32, 32),
    )


def catalogue_families() -> dict[str, ResNetSpec]:
    """One small network for each kind of residual network that has a name."""
    found: dict[bytes, tuple[str, ResNetSpec]] = {}
    for name in names():
        if not isinstance(spec := spec_of(name), ResNetSpec):
            continue
        small = shrunk(spec)
        found.setdefault(msgspec.json.encode(small), (name, small))
    return dict(found.values())


def randomised(spec: ResNetSpec) -> ResNet:
    """In double precision and eval mode, with norms that do something."""
    model = build(spec)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.5)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.double().eval()


def half(spec: ResNetSpec, seed: int = 0) -> ResNetSpec:
    """Half the channels of every channel group, drawn at random; whole sets of a group norm."""
    draw = random.Random(seed)  # noqa: S311
    channels = {}
    for group in channel_groups(spec):
        count = len(group.kept) // group.norm_group_size
        chosen = sorted(draw.sample(range(count), max(count // 2, 1)))
        size = group.norm_group_size
        channels[group.name] = tuple(group.kept[n * size + i] for n in chosen for i in range(size))
    blocks = spec.plan.blocks if spec.plan else {}
    return msgspec.structs.replace(spec, plan=ChannelPlan(channels=channels, blocks=blocks))


def images(spec: ResNetSpec, n: int = 3) -> torch.Tensor:
    return torch.randn(n, *spec.input, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
