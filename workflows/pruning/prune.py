"""`prune`: a smaller network of the same kind, which has to pass a speed check before its folder appears."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...core.errors import ReszooError, UnavailableError, UsageError
from ...core.measured import Scenario
from ...core.progress import Progress, silent
from ...core.refs import check_ref, inside
from ...core.types import Artifact, Checkpoint, Precision
from ..class_names import with_data
from ..training import Device, recipe_for
from . import older
from .steps import Finetuning, Observer, OnWarnings, Pruned, Request, Target, TargetCost, run

if TYPE_CHECKING:
    from ...prune import PruneConfig
    from ...prune.config import Remove
    from ...training.progress import Watcher
    from ...training.recipe import Recipe

RUNTIME = "onnxruntime"
# What else can be done where the images are not on this machine.
WITHOUT_IMAGES = {
    "channels": "Or score without images: `importance=l2`.",
    "blocks": "Or score without images: `importance=random`.",
    "mixed": "Or remove channels alone, and score them without images: `importance=l2`.",
}
WITHOUT_EFFECT = {
    "channels": "",
    "blocks": "where blocks are removed, no channels are",
    "mixed": "in a mixed plan the loss decides which channel group is next",
}
Costs = Mapping[TargetCost, float | None]


def prune(
    checkpoint: Checkpoint,
    *,
    macs: float | None = None,
    params: float | None = None,
    latency: float | None = None,
    blocks: bool = False,
    mixed: bool = False,
    importance: str | None = None,
    ranking: str | None = None,
    steps: int = 1,
    round_to: int | Literal["auto"] | None = None,
    min_share: float | None = None,
    exclude: Sequence[str] = (),
    data: str | None = None,
    images: int | None = None,
    seed: int | None = None,
    statistics: str | None = None,
    measure: bool = True,
    runtime: str | None = None,
    threads: int | None = None,
    batch: int | None = None,
    precision: Precision | None = None,
    finetune: "str | os.PathLike[str] | Recipe | None" = None,
    changes: Mapping[str, object] | None = None,
    teacher: Checkpoint | Artifact | None = None,
    device: Device = "auto",
    resume: bool = False,
    out: "str | os.PathLike[str] | None" = None,
    progress: Progress = silent,
    on_warnings: OnWarnings = lambda warnings: None,
    watchers: "Sequence[Watcher]" = (),
) -> Pruned:
    """Remove channels, whole blocks, or both, until one target is met; check the speed; fine-tune the pruned network.

    All that is asked for is checked before anything is measured or computed.

    Args:
        checkpoint: What is pruned. It stays as it is.
        macs: The share of the multiply-adds to keep at most, above 0 and below 1. One of `macs`, `params` and
            `latency` has to be given.
        params: The same of the parameters.
        latency: The same of the latency, as it is measured on `runtime` with `threads`, `batch` and `precision`.
        blocks: Remove whole residual blocks whose shortcut is an identity, instead of channels.
        mixed: Remove blocks and channels: always what loses least, on training images, for what it saves.
        importance: How channels (l1, l2, bn_scale, taylor, hessian, fpgm, random) or blocks (loss, change, random)
            are scored. None is taylor for channels and loss for blocks. With `mixed` it is that of channels.
        ranking: What a channel's importance is compared with: local, global or isomorphic (None).
        steps: In how many steps the target is approached; importances are computed anew in each.
        round_to: Counts of channels are multiples of this; "auto" (the default with `latency`, and only there)
            chooses by what keeps most of the importance. None is 8 otherwise.
        min_share: The share of its channels that every channel group keeps; None is 0.1.
        exclude: Channel groups or blocks that are not pruned, as names with wildcards.
        data: The data set of these images and of fine-tuning; None is the one that it was trained on.
        images: Training images for the importances, the losses and the statistics; None is 256.
        seed: Chooses those images, and draws what is random; None is 0.
        statistics: Whether batch norms get new means and variances, over those images: "renewed" or "kept". None is
            renewed where the importances need images, else kept.
        measure: Compare the latency with the parent's, and refuse a network that is not faster.
        runtime: The engine that measures latency; None is onnxruntime.
        threads: Threads of that engine; None is 1.
        batch: Images at a time where latency is measured; None is 1.
        precision: Of the networks whose latency is measured: fp32 (None), fp16 or int8, as the runtime's first format
            has it. The pruned network stays as it is: this is for one that is going to be quantized.
        finetune: A recipe, its name or its TOML file, to train with afterwards; None leaves the weights as they are.
        changes: Fields of the recipe that are set otherwise.
        teacher: The network whose outputs are learnt in fine-tuning, or an artifact where the recipe has
            `teacher_views`; None is the parent.
        device: Where to fine-tune.
        resume: Go on with the unfinished run in `out`.
        out: The folder of the new checkpoint; None is `runs/REF-...`.
        progress: Is told of the stages, and counts training steps.
        on_warnings: Is given what disturbed the measuring of a table of latencies.
        watchers: Are told of every training step and epoch.

    Returns:
        The pruned network. This function gives it together with its parent, the network as it was before
        fine-tuning, and the speed check's result; the method of `Checkpoint` gives it alone.

    Raises:
        UsageError: An argument is out of range, or two exclude each other.
        UnavailableError: A runtime, a data set or a device is not on this machine.
        ReszooError: The network was refused as not faster than its parent, or missed the target.
    """
    checkpoint = with_data(checkpoint, data)
    timing: dict[str, object] = {"runtime": runtime, "threads": threads, "batch": batch, "precision": precision}
    timing = {name: value is not None for name, value in timing.items()}
    training = {"teacher": teacher, "changes": changes, "resume": resume, "device": device != "auto"}
    refuse({} if measure else timing, "without a speed check, no latency is measured")
    refuse({} if finetune else training, "nothing is trained", "Add `finetune=prune-finetune`")
    target = _target({"macs": macs, "params": params, "latency": latency}, measure)
    options = {
        "importance": importance,
        "ranking": ranking,
        "steps": steps,
        "round_to": round_to,
        "min_share": min_share,
        "exclude": tuple(exclude),
        "images": images,
        "seed": seed,
        "statistics": statistics,
    }
    if blocks and mixed:
        raise UsageError(
            "`blocks` and `mixed` exclude each other", "Mixed plans remove blocks, too: leave `blocks` away."
        )
    remove: Remove = "blocks" if blocks else "mixed" if mixed else "channels"
    config, auto = config_for(options, remove, by_latency=latency is not None)
    scenario = _scenario(runtime, threads, batch, precision or "fp32") if measure else None
    check(checkpoint, config)
    if precision == "int8":
        check_calibration(checkpoint)
    tuning = _finetuning(checkpoint, finetune, changes or {}, teacher, device, resume) if finetune else None
    name = f"{checkpoint.ref}-{'' if remove == 'channels' else f'{remove}-'}{target.cost}{target.share:g}"
    check_ref(name)
    folder = Path(out) if out is not None else inside(Path("runs"), name)
    request = Request(target, config, auto, scenario, tuning, folder, name, precision or "fp32")
    if resume:
        request = older.resumed(request, is_named=out is not None)
    from ... import zoo

    pruned = run(checkpoint, request, Observer(progress, on_warnings, watchers))
    zoo.remember(pruned.result)
    return pruned


def config_for(
    options: Mapping[str, Any], remove: "Remove" = "channels", by_latency: bool = False
) -> "tuple[PruneConfig, bool]":
    """The PruneConfig of these options, and whether measuring decides what channels are rounded to.

    `options` are fields of PruneConfig, None where the user named none; `round_to` may be "auto". Raises UsageError
    for one that is out of range, or would have no effect.
    """
    from ...prune import PruneConfig
    from ...prune.config import FINE
    from ...prune.pruning import UNUSED
    from ...prune.scoring import needs_images

    given = {name: value for name, value in options.items() if value is not None}
    refuse({name: name in given for name in UNUSED[remove]}, WITHOUT_EFFECT[remove])
    multiple = 1 if remove == "blocks" else _multiple(given.pop("round_to", None), by_latency)
    if remove == "mixed":  # its moves are as large as has to be to save something
        multiple = multiple or FINE
    if multiple is not None:
        given["round_to"] = multiple
    config = PruneConfig(remove=remove, **given)
    if not needs_images(config):
        idle = {"images": "images" in given, "seed": "seed" in given and config.method != "random"}
        refuse(idle, f"`importance={config.method}` needs no images")
    return config, multiple is None


def refuse(given: Mapping[str, object], why: str, instead: str = "") -> None:
    """Raises UsageError for arguments that would have no effect: whoever gives one expects an effect."""
    if names := ", ".join(f"`{name}`" for name, value in given.items() if value):
        raise UsageError(f"{names}: {why}", f"{instead}, or leave {names} away." if instead else f"Leave {names} away.")


def check(checkpoint: Checkpoint, config: "PruneConfig") -> None:
    """Refuse options that do not suit the network, or need images that are not on this machine."""
    from ...prune.calibration import sample
    from ...prune.pruning import check_options
    from ...prune.scoring import needs_images

    check_options(checkpoint.spec, config)
    try:
        if needs_images(config):
            sample(checkpoint, config)
    except ReszooError as error:
        fix = f"{error.fix} {WITHOUT_IMAGES[config.remove]}"
        raise type(error)(error.problem, fix) from error


def check_calibration(checkpoint: Checkpoint) -> None:
    """Raises UnavailableError where the parent cannot be quantized, for want of its training images."""
    from ...export.quantizing import calibration_images
    from ...quantize import QuantizeConfig

    calibration_images(checkpoint, QuantizeConfig())


def _target(costs: Costs, measure: bool) -> Target:
    """The only one."""
    given: dict[TargetCost, float] = {name: share for name, share in costs.items() if share is not None}
    if len(given) != 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other" if given else "pruning needs one target",
            "Choose one of `macs=0.5`, `params=0.5` and `latency=0.5`.",
        )
    ((name, share),) = given.items()
    if not 0 < share < 1:
        raise UsageError(
            f"{name} {share:g} is no target for pruning", f"Give more than 0 and less than 1: `{name}=0.5`."
        )
    if name == "latency" and not measure:
        raise UsageError("a latency has to be measured", "Leave `measure=False` away.")
    return Target(name, share)


def _multiple(round_to: int | Literal["auto"] | None, by_latency: bool) -> int | None:
    """None is chosen by measuring."""
    from ...prune.config import FINE

    if round_to is None:
        return None if by_latency else FINE
    if round_to == "auto":
        if not by_latency:
            raise UsageError("`round_to=auto` goes with a latency as the target", "Give a number: `round_to=8`.")
        return None
    return round_to


def _scenario(runtime: str | None, threads: int | None, batch: int | None, precision: Precision) -> Scenario:
    from ...export.contract.runtime import parse_runtime
    from .speed_check import scenario_for

    name = RUNTIME if runtime is None else runtime
    engine, _ = parse_runtime(name)
    if "cpu" not in engine.devices:
        raise UnavailableError(
            f"pruning measures latency on the CPU, and {engine.name} runs on GPUs only",
            "Choose another `runtime`, as onnxruntime, or a share of the multiply-adds with `measure=False`.",
        )
    return scenario_for(name, 1 if threads is None else threads, 1 if batch is None else batch, precision)


def _finetuning(
    source: Checkpoint,
    recipe: "str | os.PathLike[str] | Recipe",
    changes: Mapping[str, object],
    teacher: Checkpoint | Artifact | None,
    device: Device,
    resume: bool,
) -> Finetuning:
    """All that training needs, checked before anything is pruned."""
    from ... import datasets
    from ...training.data import check_batch
    from ...training.distributed import current
    from ...training.run import check_teacher, outputs_of, pick_device
    from ...training.transfer import head_for
    from ..class_names import named_by

    chosen = recipe_for(recipe, changes)
    if current().size > 1:
        raise UsageError(
            "pruning runs in one process", "Prune without fine-tuning, then train the result in several processes."
        )
    pick_device(device, current())
    check_batch(datasets.load(source.dataset, chosen.train_on), chosen)
    if chosen.train_on == "train":
        datasets.load(source.dataset, "val")
    taught_by: Checkpoint | Artifact | None = (teacher or source) if teacher or chosen.teacher_share else None
    check_teacher(taught_by, chosen)
    if taught_by:
        taught_by = named_by(source.dataset, taught_by) if isinstance(taught_by, Checkpoint) else taught_by
        outputs_of(taught_by, source.spec, source.dataset, chosen)
    if head_for(source.labels, source.ref, source.dataset) == "new":
        raise UsageError(
            f"{source.ref} knows other classes than {source.dataset} has, and fine-tuning keeps its head",
            "Leave `finetune` away, and go on with the pruned network: `train(from=REF)`.",
        )
    return Finetuning(chosen, taught_by, device, resume)
