"""The channels of a residual network as data: which are kept or dropped together, and which layers write and read them.

Light: imports no torch. The assembly builds what stands here, and pruning slices weights by it; so a pruned network
needs no surgery on modules.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ..core.errors import UsageError
from ..core.missing import unavailable_error
from ..core.registry import unknown
from ..core.types import ChannelPlan, Family, Record, ResNetSpec, Unavailable
from .branches import steps_of

EXPANSION = 4  # output channels of a bottleneck over its width
PLAN_FIX = "Make the plan again from this network: `reszoo.models.channels.channel_groups` lists its channel groups."


class ChannelGroup(Record, frozen=True, kw_only=True):
    """Channels that are kept or dropped together, whatever layer writes or reads them.

    name      stem               the stem's output, where no identity carries it into the first stage's stream
              stages.S           the stream of a stage: all that identity shortcuts join
              stages.S.B         the output of one block, where no shortcut is an identity (plain networks, option C)
              stages.S.B.convs.I the output of an inner convolution
              stages.S.B.se      the squeezed channels of a squeeze-and-excitation gate
    channels  of the unpruned network
    kept      those that the plan keeps, by their numbers
    norm_group_size
              how many neighbouring channels a group norm normalises together: these are kept or dropped as a
              whole; 1 where there is no group norm
    """

    name: str
    channels: int
    kept: tuple[int, ...]
    norm_group_size: int = 1

    @property
    def width(self) -> int:
        return len(self.kept)


class BlockChannels(Record, frozen=True, kw_only=True):
    """One block: from the channel group `source` through those of its inner convolutions into `target`."""

    stage: int
    number: int
    family: Family
    stride: int
    source: ChannelGroup
    inner: tuple[ChannelGroup, ...]
    target: ChannelGroup
    squeeze: ChannelGroup | None
    has_identity: bool

    @property
    def name(self) -> str:
        return f"stages.{self.stage}.{self.number}"


class Layout(Record, frozen=True, kw_only=True):
    """A network's blocks that are kept, in order, and the channel groups before the first and after the last.

    `finals` are the channels of the norm and the activation that end a row of v2 stages, by their names: "final" at
    the network's end, "stages.S.final" where a stage of another family follows.
    """

    stem: ChannelGroup
    blocks: tuple[BlockChannels, ...]
    finals: dict[str, ChannelGroup]
    last: ChannelGroup

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """Every channel group, in the order of the data. Blocks that the plan removes have none."""
        return tuple({group.name: group for group in _every_group(self)}.values())


class Axes(NamedTuple):
    """The channel groups of a layer's parameters: of the first dimension (outputs) and of the second (inputs)."""

    rows: ChannelGroup | None
    columns: ChannelGroup | None = None


def channel_groups(spec: ResNetSpec) -> tuple[ChannelGroup, ...]:
    """Every channel group of the network, in the order of the data. Blocks that the plan removes have none."""
    return layout(spec).groups


def layout(spec: ResNetSpec) -> Layout:
    """How the channels run through the network. Raises UsageError for a plan that does not fit it."""
    plan = spec.plan or ChannelPlan()
    stem = source = _stem(spec, plan)
    blocks: list[BlockChannels] = []
    finals: dict[str, ChannelGroup] = {}
    for stage, depth in enumerate(spec.depths):
        kept = plan.blocks.get(f"stages.{stage}", tuple(range(depth)))
        for number in range(depth):
            block = _block(spec, plan, stage, number, source)
            if number in kept:
                blocks.append(block)
                source = block.target
            elif not block.has_identity:
                raise UsageError(f"{block.name} cannot be removed: its shortcut is not an identity", PLAN_FIX)
        if name := _final(spec, stage):
            finals[name] = source
    result = Layout(stem=stem, blocks=tuple(blocks), finals=finals, last=source)
    names = {group.name for group in _every_group(result)}
    if strange := next((name for name in plan.channels if name not in names), None):
        raise unknown(strange, names, "channel group in the plan")
    return result


def fixed_channels(spec: ResNetSpec) -> Unavailable | None:
    """Why no channel of this network can be dropped, where that is so. Whole blocks can be."""
    what, fix = "pruning of channels", "Remove whole blocks: `blocks=True`."
    if spec.skip == "dense":
        reason = "a dense block has two branches, and a plan names the inner channels of one"
        return Unavailable(what=what, reason=reason, fix=fix)
    if spec.norm == "layer":
        reason = "a layer norm normalises all channels together, so that those that stay change with one that goes"
        return Unavailable(what=what, reason=reason, fix=fix)
    return None


def layers(spec: ResNetSpec) -> dict[str, Axes]:
    """Every layer that has parameters, by its name, with the channel groups that they run over.

    Norms are named even where there are none.
    """
    network = layout(spec)
    axes_of = {"stem.conv": Axes(network.stem)}
    if spec.family_of(0) != "v2":
        axes_of["stem.norm"] = Axes(network.stem)
    for block in network.blocks:
        axes_of |= {f"{block.name}.{name}": axes for name, axes in _layers_of(spec, block)}
    axes_of |= {f"{name}.0": Axes(group) for name, group in network.finals.items()}
    axes_of["head"] = Axes(None, network.last)
    return axes_of


def by_stage(kept: Layout, whole: Layout) -> list[tuple[str, str, str]]:
    """The blocks of each stage, its outputs' channels, and those between its convolutions: from the fewest to the most.

    `whole` is the layout of the same network before pruning, in which no stage is empty.
    """
    found = []
    for stage in sorted({block.stage for block in whole.blocks}):
        blocks = [block for block in kept.blocks if block.stage == stage]
        inner = [group.width for block in blocks for group in block.inner]
        found.append((str(len(blocks)), _span([block.target.width for block in blocks]), _span(inner)))
    return found


def routes(source: ChannelGroup, target: ChannelGroup) -> list[int | None]:
    """Option A: the place of each channel of the source in the target, None for one that is dropped.

    Channel i of the unpruned source becomes channel before + i of the unpruned target.
    """
    before = (target.channels - source.channels) // 2
    place = {channel: position for position, channel in enumerate(target.kept)}
    return [place.get(before + channel) for channel in source.kept]


def are_neighbours(routes: list[int | None]) -> bool:
    """Whether padding alone brings every channel to its place."""
    first = routes[0]
    return first is not None and routes == list(range(first, first + len(routes)))


def _layers_of(spec: ResNetSpec, block: BlockChannels) -> Iterator[tuple[str, Axes]]:
    yield from _branch(spec, block)
    if block.squeeze:
        yield "se.fc1", Axes(block.squeeze, block.target)
        yield "se.fc2", Axes(block.target, block.squeeze)
    if block.family == "plain":
        return
    if spec.skip == "dense":
        yield from ((f"dense.{name}", axes) for name, axes in _branch(spec, block))
    if spec.skip in ("gate", "shortcut_gate", "attention"):
        yield "addition.gate", Axes(block.target, block.source)
    if spec.skip in ("channel_weight", "skipinit"):
        yield "addition", Axes(block.target if spec.skip == "channel_weight" else None)
    if spec.shortcut != "A" and not block.has_identity:
        projection = Axes(block.target, block.source)
        if block.family == "v2":
            yield "shortcut", projection
        else:
            yield "shortcut.0", projection
            yield "shortcut.1", Axes(block.target)


def _span(widths: list[int]) -> str:
    if not widths:
        return "no"
    low, high = min(widths), max(widths)
    return str(low) if low == high else f"{low} to {high}"


def _branch(spec: ResNetSpec, block: BlockChannels) -> Iterator[tuple[str, Axes]]:
    for i, (source, target) in enumerate(pairwise((block.source, *block.inner, block.target))):
        yield f"convs.{i}", Axes(target, source)
    for i, group in enumerate(norms_of(spec, block)):
        yield f"norms.{i}", Axes(group)


def norms_of(spec: ResNetSpec, block: BlockChannels) -> list[ChannelGroup]:
    """The channels of each norm of a block's branch."""
    chain, steps = (block.source, *block.inner, block.target), steps_of(spec, block.family)
    kinds = [step.kind for step in steps]
    return [chain[kinds[:i].count("conv")] for i, kind in enumerate(kinds) if kind == "norm"]


def _final(spec: ResNetSpec, stage: int) -> str:
    """What brings a v2 stage's raw signal to a reader that has no norm of its own; "": nothing."""
    if spec.family_of(stage) != "v2":
        return ""
    if stage == len(spec.depths) - 1:
        return "final"
    return "" if spec.family_of(stage + 1) == "v2" else f"stages.{stage}.final"


def _every_group(network: Layout) -> Iterator[ChannelGroup]:
    yield network.stem
    for block in network.blocks:
        yield from block.inner
        yield from (block.squeeze,) if block.squeeze else ()
        yield block.target


def _stem(spec: ResNetSpec, plan: ChannelPlan) -> ChannelGroup:
    is_stream = _has_streams(spec, 0) and spec.stem_width == _outputs(spec, 0)
    return _channel_group(spec, plan, "stages.0" if is_stream else "stem", spec.stem_width)


def _block(spec: ResNetSpec, plan: ChannelPlan, stage: int, number: int, source: ChannelGroup) -> BlockChannels:
    name, outputs, family = f"stages.{stage}.{number}", _outputs(spec, stage), spec.family_of(stage, number)
    stride = 2 if stage > 0 and number == 0 else 1
    widths = (spec.widths[stage],) if spec.block_type == "basic" else (spec.widths[stage] * spec.bottleneck_width,) * 2
    squeezed = max(1, outputs // spec.se_ratio) if spec.se_ratio else 0
    return BlockChannels(
        stage=stage,
        number=number,
        family=family,
        stride=stride,
        source=source,
        inner=tuple(_channel_group(spec, plan, f"{name}.convs.{i}", width) for i, width in enumerate(widths)),
        target=_channel_group(spec, plan, f"stages.{stage}" if _has_streams(spec, stage) else name, outputs),
        squeeze=_channel_group(spec, plan, f"{name}.se", squeezed, has_norm=False) if squeezed else None,
        has_identity=(family != "plain" and _has_streams(spec, stage) and stride == 1 and source.channels == outputs),
    )


def _outputs(spec: ResNetSpec, stage: int) -> int:
    return spec.widths[stage] * (EXPANSION if spec.block_type == "bottleneck" else 1)


def _has_streams(spec: ResNetSpec, stage: int) -> bool:
    """Whether any block of the stage that keeps the shape adds to its input as it is."""
    return spec.families_in(stage) != {"plain"} and spec.shortcut != "C"


def _channel_group(
    spec: ResNetSpec, plan: ChannelPlan, name: str, channels: int, has_norm: bool = True
) -> ChannelGroup:
    size = _norm_group_size(channels) if spec.norm == "group" and has_norm else 1
    kept = plan.channels.get(name, tuple(range(channels)))
    if kept[-1] >= channels:
        raise UsageError(f"the plan keeps channel {kept[-1]} of {name}, which has {channels} channels", PLAN_FIX)
    if len(kept) < channels and (missing := fixed_channels(spec)):
        raise unavailable_error(missing)
    touched = {channel // size for channel in kept}
    if len(kept) != len(touched) * size:
        raise UsageError(
            f"the plan splits channels of {name} that its group norms normalise together, {size} at a time",
            f"Keep or drop each {size} neighbouring channels as a whole.",
        )
    return ChannelGroup(name=name, channels=channels, kept=kept, norm_group_size=size)


def _norm_group_size(channels: int) -> int:
    """Channels that a group norm takes together: the most groups, up to 32, that divide them."""
    return channels // max(groups for groups in (32, 16, 8, 4, 2, 1) if channels % groups == 0)
