"""The channels of a network as data: which are kept or dropped together, and which layers write and read them.

Light: imports no torch. The assembly builds what stands here, and pruning slices weights by it; so a pruned network
needs no surgery on modules.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from ..core.errors import UsageError
from ..core.registry import unknown
from ..core.types import ChannelPlan, ModelSpec, Record

EXPANSION = 4  # output channels of a bottleneck over its width
PLAN_FIX = "Make the plan again from this network: `reszoo.models.channels.spaces` lists its spaces."


class Space(Record, frozen=True, kw_only=True):
    """Channels that are kept or dropped together, whatever layer writes or reads them.

    name      stem               the stem's output, where no identity carries it into the first stage's stream
              stages.S           the stream of a stage: all that identity shortcuts join
              stages.S.B         the output of one block, where no shortcut is an identity (plain networks, option C)
              stages.S.B.convs.I the output of an inner convolution
              stages.S.B.se      the squeezed channels of a squeeze-and-excitation gate
    channels  of the unpruned network
    kept      those that the plan keeps, by their numbers
    group     neighbours that share the statistics of a group norm: kept or dropped as a whole; 1 without
    """

    name: str
    channels: int
    kept: tuple[int, ...]
    group: int = 1

    @property
    def width(self) -> int:
        return len(self.kept)


class BlockChannels(Record, frozen=True, kw_only=True):
    """One block: from the space `source` through those of its inner convolutions into the space `target`."""

    stage: int
    number: int
    stride: int
    source: Space
    inner: tuple[Space, ...]
    target: Space
    squeeze: Space | None
    has_identity: bool

    @property
    def name(self) -> str:
        return f"stages.{self.stage}.{self.number}"


class Layout(Record, frozen=True, kw_only=True):
    """A network's blocks that are kept, in order, and the spaces before the first and after the last."""

    stem: Space
    blocks: tuple[BlockChannels, ...]
    last: Space


class Axes(NamedTuple):
    """The spaces that a layer's parameters run over: the first dimension (outputs) and the second (inputs)."""

    rows: Space | None
    columns: Space | None = None


def spaces(spec: ModelSpec) -> tuple[Space, ...]:
    """Every space of the network, in the order of the data. Blocks that the plan removes have none."""
    return tuple({space.name: space for space in _every_space(layout(spec))}.values())


def layout(spec: ModelSpec) -> Layout:
    """How the channels run through the network. Raises UsageError for a plan that does not fit it.

    And for a network that another package builds, of which that is not known.
    """
    if spec.builder:
        raise UsageError(
            f"{spec.builder} is built by another package, so reszoo does not know how its channels hang together",
            "Prune a network of reszoo's own: `reszoo list` has some.",
        )
    plan = spec.plan or ChannelPlan()
    stem = source = _stem(spec, plan)
    blocks: list[BlockChannels] = []
    for stage, depth in enumerate(spec.depths):
        kept = plan.blocks.get(f"stages.{stage}", tuple(range(depth)))
        for number in range(depth):
            block = _block(spec, plan, stage, number, source)
            if number in kept:
                blocks.append(block)
                source = block.target
            elif not block.has_identity:
                raise UsageError(f"{block.name} cannot be removed: its shortcut is not an identity", PLAN_FIX)
    result = Layout(stem=stem, blocks=tuple(blocks), last=source)
    names = {space.name for space in _every_space(result)}
    if strange := next((name for name in plan.channels if name not in names), None):
        raise unknown(strange, names, "space in the plan")
    return result


def layers(spec: ModelSpec) -> dict[str, Axes]:
    """Every layer that has parameters, by its name, with the spaces they run over (norms even where there are none)."""
    network = layout(spec)
    axes_of = {"stem.conv": Axes(network.stem)}
    if spec.family != "v2":
        axes_of["stem.norm"] = Axes(network.stem)
    for block in network.blocks:
        axes_of |= {f"{block.name}.{name}": axes for name, axes in _layers_of(spec, block)}
    if spec.family == "v2":
        axes_of["final.0"] = Axes(network.last)
    axes_of["head"] = Axes(None, network.last)
    return axes_of


def routes(source: Space, target: Space) -> list[int | None]:
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


def _layers_of(spec: ModelSpec, block: BlockChannels) -> Iterator[tuple[str, Axes]]:
    chain = (block.source, *block.inner, block.target)
    for i, (source, target) in enumerate(pairwise(chain)):
        yield f"convs.{i}", Axes(target, source)
        yield f"norms.{i}", Axes(source if spec.family == "v2" else target)
    if block.squeeze:
        yield "se.fc1", Axes(block.squeeze, block.target)
        yield "se.fc2", Axes(block.target, block.squeeze)
    if spec.family == "plain":
        return
    if spec.skip in ("gate", "shortcut_gate"):
        yield "addition.gate", Axes(block.target, block.source)
    if spec.shortcut != "A" and not block.has_identity:
        projection = Axes(block.target, block.source)
        if spec.family == "v2":
            yield "shortcut", projection
        else:
            yield "shortcut.0", projection
            yield "shortcut.1", Axes(block.target)


def _every_space(network: Layout) -> Iterator[Space]:
    yield network.stem
    for block in network.blocks:
        yield from block.inner
        yield from (block.squeeze,) if block.squeeze else ()
        yield block.target


def _stem(spec: ModelSpec, plan: ChannelPlan) -> Space:
    is_stream = _has_streams(spec) and spec.stem_width == _outputs(spec, 0)
    return _space(spec, plan, "stages.0" if is_stream else "stem", spec.stem_width)


def _block(spec: ModelSpec, plan: ChannelPlan, stage: int, number: int, source: Space) -> BlockChannels:
    name, outputs = f"stages.{stage}.{number}", _outputs(spec, stage)
    stride = 2 if stage > 0 and number == 0 else 1
    widths = (spec.widths[stage],) if spec.block_type == "basic" else (spec.widths[stage] * spec.bottleneck_width,) * 2
    squeezed = max(1, outputs // spec.se_ratio) if spec.se_ratio else 0
    return BlockChannels(
        stage=stage,
        number=number,
        stride=stride,
        source=source,
        inner=tuple(_space(spec, plan, f"{name}.convs.{i}", width) for i, width in enumerate(widths)),
        target=_space(spec, plan, f"stages.{stage}" if _has_streams(spec) else name, outputs),
        squeeze=_space(spec, plan, f"{name}.se", squeezed, has_norm=False) if squeezed else None,
        has_identity=_has_streams(spec) and stride == 1 and source.channels == outputs,
    )


def _outputs(spec: ModelSpec, stage: int) -> int:
    return spec.widths[stage] * (EXPANSION if spec.block_type == "bottleneck" else 1)


def _has_streams(spec: ModelSpec) -> bool:
    """Whether a block that keeps the shape adds to its input as it is."""
    return spec.family != "plain" and spec.shortcut != "C"


def _space(spec: ModelSpec, plan: ChannelPlan, name: str, channels: int, has_norm: bool = True) -> Space:
    group = _group(channels) if spec.norm == "group" and has_norm else 1
    kept = plan.channels.get(name, tuple(range(channels)))
    if kept[-1] >= channels:
        raise UsageError(f"the plan keeps channel {kept[-1]} of {name}, which has {channels} channels", PLAN_FIX)
    touched = {channel // group for channel in kept}
    if len(kept) != len(touched) * group:
        raise UsageError(
            f"the plan cuts through groups of {name}: its group norms normalise {group} channels together",
            f"Keep or drop each of its groups of {group} neighbouring channels as a whole.",
        )
    return Space(name=name, channels=channels, kept=kept, group=group)


def _group(channels: int) -> int:
    """Channels that a group norm takes together: the most groups, up to 32, that divide them."""
    return channels // max(groups for groups in (32, 16, 8, 4, 2, 1) if channels % groups == 0)
