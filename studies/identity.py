"""How near residual blocks are to the identity, before and after training, and what a network loses without one.

He et al. 2016 (identity mappings), Veit et al. 2016 (deleting a block hardly hurts a residual network).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

from .engine.designs import WIDTHS
from .engine.published import published
from .engine.records import (
    Claim,
    Condition,
    Contrast,
    Control,
    Figure,
    Measured,
    Region,
    Scale,
    Settings,
    above,
    below,
    within,
)
from .engine.study import Study, grid

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..models.residual import Block
    from ..models.resnet import ResNet
    from .engine.networks import Batch

DEPTHS: dict[str, dict[Scale, tuple[int, ...]]] = {
    "digits": {"smoke": (14,), "cpu": (14, 20), "gpu": (14, 20, 56)},
    "cifar10": {"smoke": (14,), "cpu": (14,), "gpu": (20, 56)},
}
EPOCHS: dict[str, dict[Scale, int]] = {
    "digits": {"smoke": 2, "cpu": 30, "gpu": 30},
    "cifar10": {"smoke": 1, "cpu": 2, "gpu": 40},
}
# Lesions are many passes. One test image in so many: 2,000 of CIFAR-10 show a mean over blocks to about half a point.
ONE_IN = {"digits": 1, "cifar10": 5}
SEEDS: dict[Scale, int] = {"smoke": 3, "cpu": 5, "gpu": 10}
INITIAL_DEPTH = 20
IMAGES = 32
BATCH = 500
TENTH = 0.1
EXACT = within(1e-12)
RESIDUAL = ("v1", "v2")

METRICS = {
    "distance": "distance from the identity |y - x| / |x|, mean over the blocks",
    "without_branch": "the same with the branches giving 0, for inputs of both signs",
    "without_branch_positive": "the same with the branches giving 0, for inputs without negative values",
    "kept_at_a_tenth": "share of the distance that is left with the branches at a tenth",
    "delete": "change of the accuracy without a block, points, mean over the blocks",
    "permute": "change of the accuracy with a branch's channels permuted, points, mean over the blocks",
    "rescale": "change of the accuracy with a branch halved, points, mean over the blocks",
    "permute_less_delete": "permuting a branch, less deleting its block: change of the accuracy, points",
    "untouched": "change of the accuracy with every branch times 1, points",
    "blind": "change of the accuracy with a stem that gives 0, points",
    "accuracy": "accuracy on the test images, %",
    "deleted": "change of the accuracy without this block, points",
    "distances": "distance from the identity |y - x| / |x|",
}


def _initial(metric: str, family: str, region: Region, against: Condition | None = None) -> Contrast:
    return Contrast(metric=metric, where={"part": "initial", "family": family}, against=against, region=region)


CLAIMS = (
    Claim(
        key="v2-without-branch",
        hypothesis="With its branch at 0 a v2 block is the identity, exactly, for any input.",
        textbook="a pure identity path",
        paper="He 2016: both the shortcut and what follows the addition are identities",
        contrast=_initial("without_branch", "v2", EXACT),
    ),
    Claim(
        key="v1-without-branch",
        hypothesis="With its branch at 0 a v1 block is the identity, exactly, for any input.",
        textbook="the last ReLU breaks the identity",
        paper="He 2016: the ReLU after the addition is none",
        contrast=_initial("without_branch", "v1", EXACT),
    ),
    Claim(
        key="v1-inside-a-network",
        hypothesis="With its branch at 0 a v1 block is the identity, exactly, for inputs without negative values.",
        textbook="the last ReLU breaks the identity",
        paper="He 2015: such are the inputs that it gets in a network",
        contrast=_initial("without_branch_positive", "v1", EXACT),
    ),
    Claim(
        key="random-v2-is-nearer",
        hypothesis="A random v2 block is nearer to the identity than a random v1 block.",
        textbook="distances of random blocks show the better identity of v2",
        paper="",
        contrast=_initial("distance", "v1", above(0.05), against={"family": "v2"}),
    ),
    Claim(
        key="random-distance-means-something",
        hypothesis="A random block's distance is of the architecture: it stays with a branch a tenth as large.",
        textbook="distances of random blocks show the quality of the identity",
        paper="",
        contrast=_initial("kept_at_a_tenth", "v2", above(0.9)),
    ),
    Claim(
        key="trained-blocks-change-little",
        hypothesis="After training a residual block changes its input by less than half of its norm.",
        textbook="residuals are much smaller than what they are added to",
        paper="He 2015: responses are generally small, and smaller in deeper networks",
        contrast=Contrast(metric="distance", where={"part": "trained", "family": RESIDUAL}, region=below(0.5)),
    ),
    Claim(
        key="deleting-costs-little",
        hypothesis="Without one of its blocks a trained residual network loses less than 5 points, on average.",
        textbook="",
        paper="Veit 2016: of 54 blocks of ResNet-110, no single one matters much but those that halve the size",
        contrast=Contrast(metric="delete", where={"part": "trained", "family": RESIDUAL}, region=above(-5)),
    ),
    Claim(
        key="plain-loses-more",
        hypothesis="Without one of its blocks a plain network loses over 5 points more than a v1 network, on average.",
        textbook="",
        paper="Veit 2016: deleting a layer of VGG leaves it at chance",
        contrast=Contrast(
            metric="delete", where={"part": "trained", "family": "plain"}, against={"family": "v1"}, region=below(-5)
        ),
    ),
    Claim(
        key="published-deleting-costs-little",
        hypothesis="Without one of its blocks a network trained to the end loses less than 5 points, on average.",
        textbook="",
        paper="Veit 2016, of much deeper networks",
        contrast=Contrast(metric="delete", where={"part": "published"}, region=above(-5)),
    ),
    Claim(
        key="permuting-is-worse",
        hypothesis="A branch with permuted channels costs more than no branch: it does more than add energy.",
        textbook="",
        paper="",
        contrast=Contrast(
            metric="permute_less_delete", where={"part": "trained", "family": RESIDUAL}, region=below(-1)
        ),
    ),
)

CONTROLS = (
    Control(
        key="untouched",
        kind="negative",
        says="every branch times 1 changes no answer",
        contrast=Contrast(metric="untouched", where={"part": "trained"}, region=EXACT),
    ),
    Control(
        key="blind",
        kind="positive",
        says="a network that sees nothing falls to chance",
        contrast=Contrast(metric="blind", where={"part": "trained"}, region=below(-5)),
    ),
    Control(
        key="blind-published",
        kind="positive",
        says="a published network that sees nothing falls to chance",
        contrast=Contrast(metric="blind", where={"part": "published"}, region=below(-30)),
    ),
)


def conditions(settings: Settings) -> list[Condition]:
    depths = DEPTHS[settings.data][settings.scale]
    return [
        *grid({"part": ("initial",), "family": RESIDUAL}),
        *grid({"part": ("trained",), "family": ("plain", *RESIDUAL), "depth": depths}),
        *grid({"part": ("published",), "network": published(settings)}),
    ]


def measure(condition: Condition, seed: int, settings: Settings) -> Measured:
    measures = {"initial": measure_initial, "trained": measure_trained, "published": measure_published}
    return measures[str(condition["part"])](condition, seed, settings)


def measure_initial(condition: Condition, seed: int, settings: Settings) -> Measured:
    """Random blocks on random inputs, as the textbook has it, with what shows how much that can tell."""
    import torch

    from ..models.probes import edited_branch, verify_identity
    from ..training import initialised
    from .engine.networks import spec_for

    model = initialised(spec_for(f"resnet{INITIAL_DEPTH}_{condition['family']}", settings.data), seed)
    random = torch.Generator().manual_seed(seed)
    found = []
    for block, shape in _equal_blocks(model).values():
        x = torch.randn(IMAGES, *shape, generator=random)
        check, positive = verify_identity(block, x), verify_identity(block, x.abs())
        with edited_branch(block, lambda h: TENTH * h):
            smaller = verify_identity(block, x.abs()).distance / positive.distance
        found.append((check.distance, check.without_branch, positive.without_branch, smaller))
    names = ("distance", "without_branch", "without_branch_positive", "kept_at_a_tenth")
    values = {name: fmean(each) for name, each in zip(names, zip(*found, strict=True), strict=True)}
    return Measured(values=values, images=5 * IMAGES * len(found))


def arch_of(condition: Condition, settings: Settings) -> str:
    return f"resnet{condition['depth']}_{condition['family']}{WIDTHS[settings.scale]}"


def measure_trained(condition: Condition, seed: int, settings: Settings) -> Measured:
    """A network of this seed, trained, and hurt in every block."""
    from .engine.networks import part, train

    arch, epochs = arch_of(condition, settings), EPOCHS[settings.data][settings.scale]
    trained = train(arch, settings.data, seed, epochs, on_gpu=settings.scale == "gpu")
    found = _hurt(trained.model, part(settings.data, "test", trained.preprocess, 0, ONE_IN[settings.data]), seed)
    return Measured(values=found.values, series=found.series, images=found.images + trained.images)


def measure_published(condition: Condition, seed: int, settings: Settings) -> Measured:
    """One network, and as many parts of the test images as there are seeds: n says how sure it is of this network."""
    from .engine.networks import loaded, part

    known, parts = loaded(str(condition["network"])), settings.seeds * ONE_IN[settings.data]
    return _hurt(known.model, part(settings.data, "test", known.preprocess, seed, parts), seed)


def _hurt(model: "nn.Module", batch: "Batch", seed: int) -> Measured:
    """Each lesion in each block whose output has the shape of its input, one at a time."""
    import torch

    blocks = [block for block, _ in _equal_blocks(model).values()]
    random = torch.Generator().manual_seed(seed)
    whole = _accuracy(model, batch)

    def changes(hurt: "Callable[[Block], AbstractContextManager[None]]") -> list[float]:
        return [_accuracy_within(hurt(block), model, batch) - whole for block in blocks]

    deleted, permuted = changes(_without), changes(partial(_permuted, random))
    distances = _distances(model, blocks, batch)
    values = {
        "accuracy": whole,
        "distance": fmean(distances),
        "delete": fmean(deleted),
        "permute": fmean(permuted),
        "rescale": fmean(changes(partial(_times, 0.5))),
        "permute_less_delete": fmean(permuted) - fmean(deleted),
        "untouched": _accuracy_within(_all_times_one(blocks), model, batch) - whole,
        "blind": _accuracy_within(_blind(model), model, batch) - whole,
    }
    passes = 3 * len(blocks) + 4
    series = {"deleted": tuple(deleted), "distances": tuple(distances)}
    return Measured(values=values, series=series, images=passes * len(batch.labels))


def _equal_blocks(model: "nn.Module") -> "dict[str, tuple[Block, tuple[int, int, int]]]":
    """The blocks that could be identities, with the shape (C, H, W) of what they take."""
    from ..models.channels import layout
    from ..models.probes import blocks_of

    spec, blocks = _residual_network(model).spec, blocks_of(model)
    side, found = spec.input[1], {}
    for plan in layout(spec).blocks:
        side = -(-side // plan.stride)
        if plan.stride == 1 and plan.source.width == plan.target.width:
            found[plan.name] = blocks[plan.name], (plan.source.width, side, side)
    return found


def _residual_network(model: "nn.Module") -> "ResNet":
    from ..models.resnet import ResNet

    if not isinstance(model, ResNet):
        raise TypeError(f"{type(model).__name__} is not of reszoo's assembly")
    return model


def _accuracy(model: "nn.Module", batch: "Batch") -> float:
    """In per cent."""
    import torch

    with torch.inference_mode():
        answers = torch.cat([model(images).argmax(1) for images in torch.split(batch.images, BATCH)])
    return 100 * float((answers == batch.labels).float().mean())


def _accuracy_within(hurt: "AbstractContextManager[None]", model: "nn.Module", batch: "Batch") -> float:
    with hurt:
        return _accuracy(model, batch)


def _distances(model: "nn.Module", blocks: "list[Block]", batch: "Batch") -> list[float]:
    """|y - x| / |x| of each block, for what it gets from real images."""
    import torch

    found: list[float] = []
    with ExitStack() as hooks, torch.inference_mode():
        for block in blocks:
            handle = block.register_forward_hook(
                lambda _, inputs, y: found.append(float((y - inputs[0]).norm() / inputs[0].norm()))
            )
            hooks.callback(handle.remove)
        model(batch.images[:BATCH])
    return found


@contextmanager
def _without(block: "Block") -> Iterator[None]:
    """What enters the block leaves it, in plain networks as well."""
    handle = block.register_forward_hook(lambda _, inputs, y: inputs[0])
    try:
        yield
    finally:
        handle.remove()


def _permuted(random: "torch.Generator", block: "Block") -> "AbstractContextManager[None]":
    """The branch's channels in another order: all its energy, and nothing where it belongs."""
    import torch

    from ..models.probes import edited_branch

    seed = int(torch.randint(2**31, (), generator=random))

    def permute(h: "Tensor") -> "Tensor":
        return h[:, torch.randperm(h.shape[1], generator=torch.Generator().manual_seed(seed))]

    return edited_branch(block, permute)


def _times(factor: float, block: "Block") -> "AbstractContextManager[None]":
    from ..models.probes import edited_branch

    return edited_branch(block, lambda h: factor * h)


@contextmanager
def _all_times_one(blocks: "list[Block]") -> Iterator[None]:
    with ExitStack() as edits:
        for block in blocks:
            edits.enter_context(_times(1.0, block))
        yield


@contextmanager
def _blind(model: "nn.Module") -> Iterator[None]:
    """The network with a stem that gives 0, whatever the image."""

    def nothing(module: "nn.Module", inputs: object, y: "Tensor") -> "Tensor":
        return 0 * y

    handle = _residual_network(model).stem.register_forward_hook(nothing)
    try:
        yield
    finally:
        handle.remove()


STUDY = Study(
    name="identity",
    title="Blocks and the identity",
    question="How near are residual blocks to the identity, and what does a trained network lose without one?",
    data=("digits", "cifar10"),
    seeds=SEEDS,
    metrics=METRICS,
    claims=CLAIMS,
    controls=CONTROLS,
    conditions=conditions,
    measure=measure,
    trains=True,
    figures=(
        Figure(
            name="deleted",
            title="What a trained network loses without a block",
            y="deleted",
            x="position",
            where={"part": "trained"},
            lines=("family", "depth"),
            x_title="block whose output has the shape of its input, from the input",
        ),
        Figure(
            name="distances",
            title="How much trained blocks change what they get",
            y="distances",
            x="position",
            where={"part": "trained", "family": RESIDUAL},
            lines=("family", "depth"),
            x_title="block whose output has the shape of its input, from the input",
        ),
        Figure(
            name="published",
            title="What a network that was trained to the end loses without a block",
            y="deleted",
            x="position",
            where={"part": "published"},
            lines=("network",),
            x_title="block whose output has the shape of its input, from the input",
        ),
    ),
    caveats=(
        "Only blocks whose output has the shape of their input can be deleted; those that halve the size cannot.",
        "Of a published network, reszoo's own or akamaster's, n counts parts of the test images: the interval is of "
        "that network, not of others that were trained alike.",
        "The trained networks are small, and shallow beside those of the papers: on a CPU they have 14 layers, half "
        "of the paper's channels, and see CIFAR-10 twice. The published ones were trained to the end.",
        "Lesions are counted on one test image in five of CIFAR-10.",
    ),
)
