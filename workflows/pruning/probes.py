"""The small networks whose latencies tell those of a network's parts. Light: imports no torch.

A network is its opening (stem, head, and the first unit if that changes the number of channels), its transitions (the
unit that begins a later stage) and its other units, alike within a stage but for their inner channels. What a part
costs is seen from outside: by how much a small network with it takes longer than one without. So the runtime's own
layouts, fusions and padding are in the figure, as in no sum over single layers.
"""

from itertools import pairwise
from math import ceil
from typing import Literal, NamedTuple

from msgspec.structs import replace

from ...core.types import ChannelPlan, ModelSpec
from ...models.channels import BlockChannels, Space, layout

Kind = Literal["opening", "transition", "unit"]
KERNELS = {"basic": (3, 3), "bottleneck": (1, 3, 1)}
TIMES = 4  # units that are added, so that one's seconds have a quarter of the error
QUARTERS = 4
STEP = 8  # counts of channels are multiples of this: kernels work on 4, 8 or 16 floats at a time


class Part(NamedTuple):
    """`channels` of the stream that it writes, and its convolutions' multiply-adds for one image.

    `inner_macs` are those of a unit's convolutions that neither read nor write the stream: a bottleneck's 3x3.
    """

    kind: Kind
    stage: int
    channels: int
    macs: int
    inner_macs: int = 0


class Probe(NamedTuple):
    """`network` is its group's base with `part` added so many `times`."""

    part: Part
    network: ModelSpec
    times: int


class Group(NamedTuple):
    """Networks that are timed one after the other; the base itself tells the opening, where there is one."""

    base: ModelSpec
    opening: Part | None
    probes: tuple[Probe, ...]

    @property
    def networks(self) -> tuple[ModelSpec, ...]:
        return (self.base, *(probe.network for probe in self.probes))


def parts(spec: ModelSpec) -> list[Part]:
    """Those of any network, pruned or not; the opening is the first."""
    whole = layout(spec)
    opening, found = _stem_macs(spec, whole.stem.width), []
    for unit in whole.blocks:
        convs = _convolution_macs(spec, unit)
        macs = sum(convs) + _projection_macs(spec, unit)
        if unit.stride > 1:
            found.append(Part("transition", unit.stage, unit.target.width, macs))
        elif unit.source.channels != unit.target.channels:
            opening += macs
        else:
            found.append(Part("unit", unit.stage, unit.target.width, macs, sum(convs[1:-1])))
    return [Part("opening", 0, whole.stem.width, opening), *found]


def anatomy(spec: ModelSpec) -> ModelSpec:
    """What decides the latency of a network's parts: deep or not, pruned or not, it is the same."""
    return replace(spec, depths=(1,) * len(spec.depths), stochastic_depth=0.0, plan=None)


def groups(spec: ModelSpec, whole: bool = False) -> list[Group]:
    """All that a table for this network needs; with `whole`, only what it needs while no channel goes."""
    return [
        _group(spec, stage, channels, whole)
        for stage in range(len(spec.depths))
        for channels in _quarters(_stream(spec, stage).channels)
        if not whole or channels == _stream(spec, stage).channels
    ]


def inner_channels(network: ModelSpec) -> int:
    """Of its last unit."""
    return layout(network).blocks[-1].inner[0].width


def _group(spec: ModelSpec, stage: int, channels: int, whole: bool = False) -> Group:
    """A unit whose stream has that many channels; more of them, with more and more inner channels; the next stage.

    With `whole`, more of them with all their channels only.
    """
    stream = _stream(spec, stage)
    share = channels / stream.channels
    base = _thinned(_excerpt(spec, stage, 1), share)
    longer = _excerpt(spec, stage, 1 + TIMES)
    inner = inner_channels(longer)
    probes = []
    for count in [inner] if whole else _quarters(inner) if channels < stream.channels else _neighbours(inner):
        network = _thinned(longer, share, count / inner)
        probes.append(Probe(parts(network)[-1]._replace(stage=stage), network, TIMES))
    if stage + 1 < len(spec.depths):
        network = _thinned(_excerpt(spec, stage, 1, 1), share, share)
        probes.append(Probe(parts(network)[-1]._replace(stage=stage + 1), network, 1))
    return Group(base, parts(base)[0] if stage == 0 else None, tuple(probes))


def _excerpt(spec: ModelSpec, stage: int, *depths: int) -> ModelSpec:
    """So many units of this stage, and of the next, behind a stem that gives them their resolution."""
    found = replace(
        spec, depths=depths, widths=spec.widths[stage : stage + len(depths)], stochastic_depth=0.0, plan=None
    )
    if stage == 0:
        return found
    height, width = (_halved(size, _halvings(spec, stage)) for size in spec.input[1:])
    return replace(found, stem="cifar", input=(spec.input[0], height, width))


def _thinned(spec: ModelSpec, stream: float, inner: float = 1.0) -> ModelSpec:
    """With that share of the streams' channels, and of the inner channels of all units but the first."""
    first, *others = layout(spec).blocks
    kept = {unit.target.name: _spread(unit.target, stream) for unit in (first, *others)}
    for unit in others:
        narrowed = (*unit.inner, unit.squeeze) if unit.squeeze else unit.inner
        kept |= {space.name: _spread(space, inner) for space in narrowed}
    return replace(spec, plan=ChannelPlan(channels=kept))


def _spread(space: Space, share: float) -> tuple[int, ...]:
    """That share of a space's channels, evenly: a shortcut between stages has to pick them, as after pruning."""
    whole = space.channels // space.group
    n = max(1, round(share * whole))
    return tuple(i * whole // n * space.group + j for i in range(n) for j in range(space.group))


def _quarters(channels: int) -> list[int]:
    """Of a count of channels, each rounded up to a multiple of STEP; all of them are the last."""
    steps = (ceil(channels * i / QUARTERS / STEP) * STEP for i in range(1, QUARTERS + 1))
    return sorted({min(count, channels) for count in steps})


def _neighbours(channels: int) -> list[int]:
    """The quarters, and what is one and two steps above them."""
    near = (count + i * STEP for count in _quarters(channels) for i in range(3))
    return sorted({count for count in near if count < channels} | {channels})


def _stream(spec: ModelSpec, stage: int) -> Space:
    """Of the unpruned network."""
    return layout(anatomy(spec)).blocks[stage].target


def _stem_macs(spec: ModelSpec, channels: int) -> int:
    kernel, halvings = (3, 0) if spec.stem == "cifar" else (7, 1)
    return kernel**2 * spec.input[0] * channels * _pixels(spec, halvings)


def _convolution_macs(spec: ModelSpec, unit: BlockChannels) -> list[int]:
    """Of each convolution of a unit; gates and squeezed channels are not counted.

    The stride is on a bottleneck's 3x3, so that its first convolution still has all pixels (`blocks.convolutions`).
    """
    after = _halvings(spec, unit.stage)
    before = after - (unit.stride > 1)
    halvings = (after, after) if spec.block_type == "basic" else (before, after, after)
    widths = [space.width for space in (unit.source, *unit.inner, unit.target)]
    shapes = zip(KERNELS[spec.block_type], pairwise(widths), halvings, strict=True)
    return [kernel**2 * a * b * _pixels(spec, times) for kernel, (a, b), times in shapes]


def _projection_macs(spec: ModelSpec, unit: BlockChannels) -> int:
    is_projected = spec.shortcut == "C" or (spec.shortcut == "B" and not unit.has_identity)
    if not is_projected or spec.family == "plain":
        return 0
    return unit.source.width * unit.target.width * _pixels(spec, _halvings(spec, unit.stage))


def _halvings(spec: ModelSpec, stage: int) -> int:
    """How often the image was halved before this stage's units."""
    return stage + (0 if spec.stem == "cifar" else 2)


def _pixels(spec: ModelSpec, halvings: int) -> int:
    return _halved(spec.input[1], halvings) * _halved(spec.input[2], halvings)


def _halved(size: int, times: int) -> int:
    """A convolution at stride 2 gives half of the pixels, rounded up."""
    return ceil(size / (1 << times))
