"""The small networks from whose latencies those of a network's parts follow. Light: imports no torch.

A network has three kinds of parts: its stem (together with the head, and with the first block if that changes the
number of channels), its transitions (the first block of each later stage) and its other blocks, which differ within a
stage in their inner channels only. What a part costs is measured from outside: by how much a small network with it
takes longer than one without. So the figure includes the runtime's own layouts, fusions and padding, which a sum over
single layers would not.
"""

from itertools import pairwise
from math import ceil, prod
from typing import Literal, NamedTuple

from msgspec.structs import replace

from ..core.types import ChannelPlan, ResNetSpec
from .channels import BlockChannels, ChannelGroup, layout
from .shapes import halved

Kind = Literal["stem", "transition", "block"]
KERNELS = {"basic": (3, 3), "bottleneck": (1, 3, 1)}
TIMES = 4  # blocks that are added, so that one's seconds have a quarter of the error
QUARTERS = 4
STEP = 8  # counts of channels are multiples of this: kernels work on 4, 8 or 16 floats at a time


class Part(NamedTuple):
    """`channels` of the stream that it writes, and its convolutions' multiply-adds for one image.

    `inner_macs` are those of a block's convolutions that neither read nor write the stream: a bottleneck's 3x3.
    """

    kind: Kind
    stage: int
    channels: int
    macs: int
    inner_macs: int = 0


class Probe(NamedTuple):
    """`network` is the base of its set with `part` added so many `times`."""

    part: Part
    network: ResNetSpec
    times: int


class ProbeSet(NamedTuple):
    """Networks that are timed one after the other. From the base itself follows the `stem`, where it is given."""

    base: ResNetSpec
    stem: Part | None
    probes: tuple[Probe, ...]

    @property
    def networks(self) -> tuple[ResNetSpec, ...]:
        return (self.base, *(probe.network for probe in self.probes))


def parts(spec: ResNetSpec) -> list[Part]:
    """Those of any network, pruned or not; the stem is the first."""
    channels = layout(spec)
    stem_macs, others = _stem_macs(spec, channels.stem.width), []
    for block in channels.blocks:
        convs = _convolution_macs(spec, block)
        macs = sum(convs) + _projection_macs(spec, block)
        if block.stride > 1:
            others.append(Part("transition", block.stage, block.target.width, macs))
        elif block.source.channels != block.target.channels:
            stem_macs += macs
        else:
            others.append(Part("block", block.stage, block.target.width, macs, sum(convs[1:-1])))
    return [Part("stem", 0, channels.stem.width, stem_macs), *others]


def latency_signature(spec: ResNetSpec) -> ResNetSpec:
    """What decides the latency of a network's parts: the same for any depth, and whether pruned or not."""
    return replace(spec, depths=(1,) * len(spec.depths), stochastic_depth=0.0, gate_bias=0.0, plan=None)


def probe_sets(spec: ResNetSpec, full_width: bool = False) -> list[ProbeSet]:
    """All that a table for this network needs; with `full_width`, only what it needs where no channels are removed."""
    return [
        _probe_set(spec, stage, channels, full_width)
        for stage in range(len(spec.depths))
        for channels in _quarters(_stream(spec, stage).channels)
        if not full_width or channels == _stream(spec, stage).channels
    ]


def inner_channels(network: ResNetSpec) -> int:
    """Of its last block."""
    return layout(network).blocks[-1].inner[0].width


def _probe_set(spec: ResNetSpec, stage: int, channels: int, full_width: bool = False) -> ProbeSet:
    """A block whose stream has that many channels; more of them, with more and more inner channels; the next stage.

    With `full_width`, more of them with all their channels only.
    """
    stream = _stream(spec, stage)
    share = channels / stream.channels
    base = _thinned(_subnetwork(spec, stage, 1), share)
    longer = _subnetwork(spec, stage, 1 + TIMES)
    inner = inner_channels(longer)
    probes = []
    for count in [inner] if full_width else _quarters(inner) if channels < stream.channels else _neighbours(inner):
        network = _thinned(longer, share, count / inner)
        probes.append(Probe(parts(network)[-1]._replace(stage=stage), network, TIMES))
    if stage + 1 < len(spec.depths):
        network = _thinned(_subnetwork(spec, stage, 1, 1), share, share)
        probes.append(Probe(parts(network)[-1]._replace(stage=stage + 1), network, 1))
    return ProbeSet(base, parts(base)[0] if stage == 0 else None, tuple(probes))


def _subnetwork(spec: ResNetSpec, stage: int, *depths: int) -> ResNetSpec:
    """So many blocks of this stage, and of the next, behind a stem that gives them their resolution.

    What stages of other families alone have is left to these.
    """
    these = slice(stage, stage + len(depths))
    families = {spec.family_of(number) for number in range(stage, stage + len(depths))}
    has_shortcuts = families != {"plain"}
    subnetwork = replace(
        spec,
        depths=depths,
        widths=spec.widths[these],
        families=spec.families[these],
        order=spec.order if "v2" in families else "norm-act-conv",
        skip=spec.skip if has_shortcuts else "identity",
        gate_bias=0.0,
        stochastic_depth=0.0,
        plan=None,
    )
    if stage == 0:
        return subnetwork
    height, width = halved(spec.input[1:], _halvings(spec, stage))
    return replace(subnetwork, stem="cifar", input=(spec.input[0], height, width))


def _thinned(spec: ResNetSpec, stream: float, inner: float = 1.0) -> ResNetSpec:
    """With that share of the streams' channels, and of the inner channels of all blocks but the first."""
    first, *others = layout(spec).blocks
    kept = {block.target.name: _spread(block.target, stream) for block in (first, *others)}
    for block in others:
        narrowed = (*block.inner, block.squeeze) if block.squeeze else block.inner
        kept |= {group.name: _spread(group, inner) for group in narrowed}
    return replace(spec, plan=ChannelPlan(channels=kept))


def _spread(group: ChannelGroup, share: float) -> tuple[int, ...]:
    """That share of a group's channels, evenly: a shortcut between stages has to pick them, as after pruning."""
    size = group.norm_group_size
    total = group.channels // size
    n = max(1, round(share * total))
    return tuple(i * total // n * size + j for i in range(n) for j in range(size))


def _quarters(channels: int) -> list[int]:
    """Of a count of channels, each rounded up to a multiple of STEP; all of them are the last."""
    steps = (ceil(channels * i / QUARTERS / STEP) * STEP for i in range(1, QUARTERS + 1))
    return sorted({min(count, channels) for count in steps})


def _neighbours(channels: int) -> list[int]:
    """The quarters, and what is one and two steps above them."""
    near = (count + i * STEP for count in _quarters(channels) for i in range(3))
    return sorted({count for count in near if count < channels} | {channels})


def _stream(spec: ResNetSpec, stage: int) -> ChannelGroup:
    """Of the unpruned network."""
    return layout(latency_signature(spec)).blocks[stage].target


def _stem_macs(spec: ResNetSpec, channels: int) -> int:
    kernel, halvings = (3, 0) if spec.stem == "cifar" else (7, 1)
    return kernel**2 * spec.input[0] * channels * _pixels(spec, halvings)


def _convolution_macs(spec: ResNetSpec, block: BlockChannels) -> list[int]:
    """Of each convolution of a block; gates and squeezed channels are not counted.

    The stride is on a bottleneck's 3x3, so that its first convolution still has all pixels (`blocks.convolutions`).
    """
    after = _halvings(spec, block.stage)
    before = after - (block.stride > 1)
    halvings = (after, after) if spec.block_type == "basic" else (before, after, after)
    widths = [group.width for group in (block.source, *block.inner, block.target)]
    shapes = zip(KERNELS[spec.block_type], pairwise(widths), halvings, strict=True)
    return [kernel**2 * a * b * _pixels(spec, times) for kernel, (a, b), times in shapes]


def _projection_macs(spec: ResNetSpec, block: BlockChannels) -> int:
    is_projected = spec.shortcut == "C" or (spec.shortcut == "B" and not block.has_identity)
    if not is_projected or block.family == "plain":
        return 0
    return block.source.width * block.target.width * _pixels(spec, _halvings(spec, block.stage))


def _halvings(spec: ResNetSpec, stage: int) -> int:
    """How often the image was halved before this stage's blocks."""
    return stage + (0 if spec.stem == "cifar" else 2)


def _pixels(spec: ResNetSpec, halvings: int) -> int:
    return prod(halved(spec.input[1:], halvings))
