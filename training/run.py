"""A whole run: from a network and a recipe to a checkpoint folder, through any number of interruptions.

While it goes on, `<out>.unfinished` holds run.json, curve.jsonl and the files to resume from. When it is done, `out`
appears as a checkpoint folder in one rename, and the other one is removed.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor, nn

from .. import datasets, models, zoo
from ..core import hosts
from ..core.documents import read_json, to_builtins, write_json
from ..core.errors import UnavailableError, UsageError
from ..core.files import beside, cache_dir, check_free
from ..core.locks import locked
from ..core.measured import Accuracy
from ..core.refs import check_ref
from ..core.staging import staging
from ..core.threads import torch_threads
from ..core.types import Artifact, Checkpoint, ModelSpec, StrPath
from ..models import network
from ..models.pruning import layers
from . import distributed, result
from .data import Batches, batches_for
from .distill import Teacher
from .distributed import World
from .evaluate import count_correct
from .loop import Loop
from .progress import Watcher
from .randomness import seed_for
from .recipe import Recipe
from .result import Run
from .schedule import check_sizes, total_steps
from .specs import preprocess_for, preprocess_of
from .state import Slots
from .trainer import Trainer
from .transfer import Head, check_parent, freeze
from .views import FOLDER, SHARED, Ask, TaughtBatches, network_answers

DOCUMENT = "run.json"
SAVE_EVERY_S = 300.0
BF16 = {"avx512_bf16", "amx_bf16"}  # with either, bf16 is faster than fp32 on a CPU


def initialised(spec: ModelSpec, seed: int) -> nn.Module:
    """A fresh network; the same one for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_for(seed, "weights"))
        return models.build(spec)


def fit(
    model: nn.Module,
    spec: ModelSpec,
    data: str,
    recipe: Recipe,
    out: StrPath,
    *,
    ref: str,
    parent: Checkpoint | None = None,
    head: Head = "own",
    teacher: Checkpoint | Artifact | None = None,
    ask: Ask | None = None,
    answers: StrPath | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    resume: bool = False,
    save_every_s: float = SAVE_EVERY_S,
    monitor_gradients: bool = False,
    watchers: Sequence[Watcher] = (),
) -> Checkpoint:
    """Train `model`, a network of `spec`, on the data set `data`; write the checkpoint `ref` to the folder `out`.

    parent        the checkpoint that `model` comes from; its provenance is continued, and the network is fed as it was
    head          what `transfer.fit_head` has made of the parent's head for the classes of `data`
    teacher       a checkpoint whose soft answers are targets too, or an artifact, with what gives its answers: `ask`
    answers       the folder in which runs share a teacher's answers; None is one in the cache
    resume        go on with the unfinished run in `out`, if there is one
    save_every_s  seconds between saves, besides the one after each epoch

    Under torchrun every process calls this, and gets the checkpoint that the first one has written. Machines that
    train together need the folder of `out` in common. Raises UsageError while another run is at work for `out`.
    """
    world, out = distributed.current(), Path(out)
    where = pick_device(device, world)
    work = beside(out, ".unfinished")
    check_ref(ref)
    check_parent(parent, data, recipe, head)
    check_teacher(teacher, recipe)
    freeze(model, recipe.freeze, network.head_name(spec) if head == "new" else "")
    with locked(out, wait=False) if world.is_first else nullcontext():
        before = enter(out, work, resume)
        with torch_threads(recipe.threads or (before.threads if before else None)):
            if recipe.group_sparsity:
                layers(spec)  # says so where reszoo does not know them
            run = describe_run(ref, spec, data, recipe, where, world, parent, teacher, head)
            if before:
                check_same(before, run, work)
            rng = torch.random.fork_rng([where] if where.type == "cuda" else [])
            with rng, distributed.joined(world, where, recipe.batch):
                trainer, batches = _prepare(model, run, where, world, teacher, monitor_gradients)
                if teacher and recipe.teacher_views:
                    shared = Path(answers or cache_dir() / SHARED / _surroundings(run))
                    batches = _taught(batches, teacher, ask, run, where, work, shared)
                validate = _validation(run, trainer, where) if recipe.train_on == "train" else None
                loop = Loop(trainer, batches, work, validate=validate, save_every_s=save_every_s, watchers=watchers)
                if before:
                    loop.restore()
                elif world.is_first:
                    Slots(work).clear()
                    write_json(work / DOCUMENT, run)
                with loop.watched():
                    loop.run()
                    with world.first_alone(where) as is_first:
                        if is_first:
                            result.check_still_free(out)
                            _finish(loop, run, out, parent, where)
                            _remove(work, out)
            return zoo.read(out)


def tidy(out: StrPath) -> None:
    """Remove what a run that was killed at its very end has left beside its checkpoint in `out`."""
    work = beside(Path(out), ".unfinished")
    with locked(Path(out), wait=False):
        if _is_finished(Path(out), work):
            _remove(work, Path(out))


def describe_run(
    ref: str,
    spec: ModelSpec,
    data: str,
    recipe: Recipe,
    device: torch.device,
    world: World,
    parent: Checkpoint | None,
    teacher: Checkpoint | Artifact | None,
    head: Head = "own",
) -> Run:
    """The run as it will be on this machine."""
    return Run(
        ref=ref,
        spec=spec,
        dataset=data,
        preprocess=preprocess_of(parent, data) if parent else preprocess_for(data, spec),
        recipe=msgspec.structs.replace(recipe, precision=pick_precision(recipe, device)),
        parent=_identity(parent),
        head=head,
        teacher=_identity_of_teacher(teacher),
        device=device.type,
        threads=torch.get_num_threads(),
        processes=world.size,
        dataset_sha256=datasets.info.info(data).sha256,
    )


def pick_device(device: Literal["auto", "cpu", "cuda"], world: World) -> torch.device:
    if device == "cuda" and not torch.cuda.is_available():
        raise UnavailableError("PyTorch finds no CUDA GPU here", "Use `device=cpu`.")
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", world.local_rank)


def pick_precision(recipe: Recipe, device: torch.device) -> Literal["fp32", "bf16"]:
    """bf16 where the processor computes with it; elsewhere it would be emulated, and slow."""
    if recipe.precision != "auto":
        return recipe.precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if BF16.intersection(hosts.describe().instruction_sets) else "fp32"


def enter(out: Path, work: Path, resume: bool) -> Run | None:
    """The unfinished run to go on with. Nothing that is there is ever overwritten."""
    if _is_finished(out, work):
        _remove(work, out)
    check_free(out)
    if not (work / DOCUMENT).exists():
        return None
    fix = f"Delete {work} to start again."
    if not resume:
        raise UsageError(f"there is an unfinished run in {work}", f"Give `resume=True` to go on with it. {fix}")
    return read_json(work / DOCUMENT, Run, fix)


def _is_finished(out: Path, work: Path) -> bool:
    """Whether the run was killed between its last two steps: its checkpoint is there, and so is its own folder."""
    if not ((out / result.DOCUMENT).exists() and (work / DOCUMENT).exists()):
        return False
    finished, run = result.describe(out), read_json(work / DOCUMENT, Run, f"Delete {work}.")
    return next(_differences(run, finished.run), None) is None


def _remove(work: Path, out: Path) -> None:
    """In one step: of what is killed in the middle of it, the next run for `out` finds and removes the rest."""
    with staging(out) as new:
        work.rename(new)


def check_same(before: Run, now: Run, work: Path) -> None:
    """Refuse to go on as another run, naming the first field that differs."""
    for name, old, new in _differences(before, now):
        raise UsageError(
            f"the unfinished run in {work} has {name} = {old!r}, this command {new!r}",
            "Resume with the options that it was started with, or choose another `out`.",
        )


def _differences(before: Run, now: Run) -> Iterator[tuple[str, Any, Any]]:
    """Of what decides the weights: not of what a recipe says of itself, nor of what an older reszoo did not know."""
    old, new = (dict(_flat(to_builtins(run))) for run in (before, now))
    for name, value in old.items():
        is_known = name != "recipe.summary" and (name, value) != ("dataset_sha256", "")
        is_shorter = name == "teacher" and str(new.get(name)).startswith(f"{value} ")
        if is_known and not is_shorter and new.get(name) != value:
            yield name, value, new.get(name)


def _flat(document: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """{"recipe": {"lr": 0.1}} -> [("recipe.lr", 0.1)]"""
    flat: list[tuple[str, Any]] = []
    for name, value in document.items():
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return flat


def _identity(network: Checkpoint | Artifact | None) -> str | None:
    if isinstance(network, Artifact):
        return f"{network.source_ref} {network.format} {network.precision} {network.sha256}"
    return f"{network.ref} {network.sha256}" if network else None


def _identity_of_teacher(teacher: Checkpoint | Artifact | None) -> str | None:
    """A parent's preprocessing and head stand in the run; a teacher is fed and read as it says itself."""
    named = _identity(teacher)
    return f"{named} {teacher.identity[:12]}" if isinstance(teacher, Checkpoint) else named


def _prepare(
    model: nn.Module,
    run: Run,
    device: torch.device,
    world: World,
    teacher: Checkpoint | Artifact | None,
    monitor_gradients: bool,
) -> tuple[Trainer, Batches]:
    """What takes the steps, and what feeds it."""
    train = datasets.load(run.dataset, run.recipe.train_on)
    batches = batches_for(train, run.preprocess, run.recipe, device, world)
    check_sizes(run.recipe, batches.per_epoch)
    trainer = Trainer(
        model,
        run.recipe,
        device,
        steps=total_steps(run.recipe, batches.per_epoch),
        world=world,
        teacher=_teacher(teacher, run, device) if isinstance(teacher, Checkpoint) else None,
        head=network.head_name(run.spec) if run.recipe.backbone_lr != 1 else "",
        monitor_gradients=monitor_gradients,
    )
    return trainer, batches


def _validation(run: Run, trainer: Trainer, device: torch.device) -> Callable[[], float]:
    val = datasets.load(run.dataset, "val")
    return lambda: count_correct(trainer.result, val, run.preprocess, device) / len(val)


def check_teacher(teacher: Checkpoint | Artifact | None, recipe: Recipe) -> None:
    """Refuse views without a teacher, and a teacher that cannot answer in every step without them."""
    if recipe.teacher_views:
        if not teacher:
            raise UsageError(
                f"teacher_views={recipe.teacher_views}: there is no teacher",
                "Give one: `teacher=REF`, or leave it away.",
            )
        return
    fix = "Add `set teacher_views=16`: then the teacher is asked once for each of 16 views of an image."
    if isinstance(teacher, Artifact):
        raise UsageError(f"the teacher {teacher.path} is an artifact, which takes no part in the steps", fix)
    if teacher and recipe.initial_scale not in (0.0, 1.0):
        raise UsageError(f"initial_scale={recipe.initial_scale:g}: the teacher would see the smaller images too", fix)


def _taught(
    batches: Batches,
    teacher: Checkpoint | Artifact,
    ask: Ask | None,
    run: Run,
    device: torch.device,
    work: Path,
    shared: Path,
) -> Batches:
    """With the teacher's answers to each of the views."""
    outputs = outputs_of(teacher, run.spec, run.dataset, run.recipe)
    if isinstance(teacher, Checkpoint):
        ask = network_answers(teacher, device, torch.bfloat16 if run.recipe.precision == "bf16" else torch.float32)
    if ask is None:
        raise ValueError("an artifact as the teacher needs `ask`")
    return TaughtBatches(batches, ask, teacher.preprocess, outputs, work / FOLDER, run, shared)


def _surroundings(run: Run) -> str:
    """What besides a teacher and its images decides the bits of its answers, as a name."""
    host = hosts.describe()
    decisive = [run.device, run.threads, host.cpu, host.instruction_sets, host.gpu, sorted(host.versions.items())]
    return hashlib.sha256(msgspec.json.encode(decisive)).hexdigest()[:12]


def _teacher(checkpoint: Checkpoint, run: Run, device: torch.device) -> Teacher | None:
    """Who answers in every step; None where all answers are known before."""
    if run.recipe.teacher_views:
        return None
    outputs = outputs_of(checkpoint, run.spec, run.dataset, run.recipe)
    return Teacher(zoo.build(checkpoint), checkpoint.preprocess, run.preprocess, device, outputs)


def outputs_of(teacher: Checkpoint | Artifact, spec: ModelSpec, data: str, recipe: Recipe) -> tuple[int, ...]:
    """The teacher's output for each class of the data set.

    Raises UsageError for one whose answers are not about these classes, that takes other images, or is not heard.
    """
    ref = teacher.ref if isinstance(teacher, Checkpoint) else teacher.source_ref
    if recipe.teacher_share == 0:
        raise UsageError(
            f"nothing would be learnt from the teacher {ref}: teacher_share is 0",
            "Give it a share of the loss, or leave the teacher away.",
        )
    fix = f"Choose a teacher that was trained on {data}."
    its_input = teacher.spec.input if isinstance(teacher, Checkpoint) else teacher.preprocess.input
    if len(teacher.labels) != spec.num_classes or its_input != spec.input:
        raise UsageError(
            f"the teacher {ref} has {len(teacher.labels)} classes and input {its_input}, "
            f"the student {spec.num_classes} and {spec.input}",
            fix,
        )
    return datasets.class_map(data, teacher.labels, ref, fix=fix).targets


def _finish(loop: Loop, run: Run, out: Path, parent: Checkpoint | None, device: torch.device) -> None:
    """Read test and write the checkpoint."""
    result.write(
        out,
        loop.weights(),
        loop.curve(),
        run,
        labels=datasets.info.info(run.dataset).classes,
        parent=parent,
        epoch=loop.epoch,
        seconds=sum(row.seconds for row in loop.rows),
        accuracy=_test(run, loop.weights(), device),
    )


def _test(run: Run, weights: dict[str, Tensor], device: torch.device) -> Accuracy | None:
    """The one look at test, with the weights as they will be saved."""
    if "test" not in datasets.info.info(run.dataset).counts:
        return None
    test = datasets.load(run.dataset, "test")
    model = models.build(run.spec).to(device)
    model.load_state_dict(weights)
    correct = count_correct(model, test, run.preprocess, device)
    return Accuracy(dataset=run.dataset, split="test", n=len(test), correct=correct)
