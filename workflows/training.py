"""`train`: an architecture or a checkpoint, a data set and a recipe become a checkpoint."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..core.errors import UsageError
from ..core.progress import Progress, silent
from ..core.registry import unknown
from ..core.types import Artifact, Checkpoint, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from ..core.tracking import Tracker
    from ..training.progress import Watcher
    from ..training.recipe import Recipe
    from ..training.transfer import Head
    from ..training.views import Ask

Device = Literal["auto", "cpu", "cuda"]
LARGEST = {"digits": 16, "cifar": 96}  # pixels: the side of the images that a recipe is made for


class Start(NamedTuple):
    """What the first step of training finds, and what the checkpoint that comes out is called."""

    model: "nn.Module"
    spec: ModelSpec
    ref: str
    parent: Checkpoint | None = None
    head: "Head" = "own"


def train(
    arch: str | None = None,
    *,
    data: str,
    recipe: "str | os.PathLike[str] | Recipe | None" = None,
    init: Checkpoint | None = None,
    freeze: str | Sequence[str] = (),
    changes: Mapping[str, object] | None = None,
    teacher: Checkpoint | Artifact | None = None,
    tag: str | None = None,
    device: Device = "auto",
    resume: bool = False,
    checkpoint_every: float = 300.0,
    monitor_gradients: bool = False,
    out: "str | os.PathLike[str] | None" = None,
    progress: Progress = silent,
    watchers: "Sequence[Watcher]" = (),
    trackers: "Sequence[Tracker | str]" = (),
) -> Checkpoint:
    """Train a network. An interrupt saves the run, and `resume` goes on with it exactly.

    Args:
        arch: The name of an architecture, such as resnet20_v2 or resnet20_v2+skip=gate.
        data: The name of a data set on this machine.
        recipe: A recipe's name, its TOML file, or the recipe itself; None is `finetune` where a checkpoint goes on,
            else the one for images of that size: `digits`, `cifar` or `imagenet`.
        init: A checkpoint to go on with, in the place of `arch`. Where the data set has other classes, it gets a new
            head for them; where it has the same ones in another order, the rows of its head are put in that order.
        freeze: Glob patterns over the names of parameters that stay as `init` has them, such as "stages.[01].*". Batch
            norms among them keep their statistics too.
        changes: Fields of the recipe that are set otherwise, such as {"epochs": 5}, and of the network's spec that
            are none of the recipe, such as {"skip": "gate"}: these become a part of the architecture's name.
        teacher: A checkpoint whose answers are learnt as well, or, where the recipe has `teacher_views`, an artifact,
            which the first runtime that runs it is asked for.
        tag: The checkpoint is called ARCH.TAG; None is reszoo_DATA, or where a checkpoint goes on, REF-RECIPE, or
            REF-DATA with a new head.
        device: Where to train.
        resume: Go on with the unfinished run in `out`, if there is one.
        checkpoint_every: Seconds between saves, besides the one after each epoch.
        monitor_gradients: Add every layer's gradient norm to the curve.
        out: The checkpoint's folder; None is `runs/REF`.
        progress: Counts the steps.
        watchers: Are told of every step and every epoch, with its loss, accuracy and speed.
        trackers: Get the curve as well: "jsonl:FILE", "tensorboard:DIR", "mlflow:DIR", or `Tracker` objects of yours.

    Returns:
        The trained checkpoint, its accuracy on the test split among its metrics.

    Raises:
        UsageError: Something that was given is unknown, out of range or does not go together, or `out` is not free.
        UnavailableError: The data set or the device is not on this machine.
    """
    from .. import training, zoo
    from ..core.refs import inside
    from ..core.tracking import tracker
    from ..training.progress import Steps
    from ..training.tracking import Tracked
    from .class_names import named_by

    check_source(arch, init)
    told = [tracker(each) if isinstance(each, str) else each for each in trackers]
    teacher = named_by(data, teacher) if isinstance(teacher, Checkpoint) else teacher
    arch, of_recipe = divided(arch, changes or {})
    changed = with_freeze(of_recipe, freeze)
    chosen = recipe_for(recipe or usual_recipe(data, goes_on=init is not None), changed)
    start = _continued(init, data, chosen, tag) if init else _fresh(arch or "", data, chosen, tag)
    made = training.fit(
        start.model,
        start.spec,
        data,
        chosen,
        Path(out) if out is not None else inside(Path("runs"), start.ref),
        ref=start.ref,
        parent=start.parent,
        head=start.head,
        teacher=teacher,
        ask=answers_of(teacher, chosen.threads or None) if isinstance(teacher, Artifact) else None,
        device=device,
        resume=resume,
        save_every_s=checkpoint_every,
        monitor_gradients=monitor_gradients,
        watchers=(
            Steps(progress),
            *watchers,
            *(Tracked(each, start.ref, _facts(start, data, chosen)) for each in told),
        ),
    )
    zoo.remember(made)
    return made


def answers_of(teacher: Artifact, threads: int | None) -> "Ask":
    """How an artifact is asked. It is loaded for as long as there are images."""

    def ask(images: "Iterable[NDArray[np.uint8]]") -> "Iterator[NDArray[np.float32]]":
        import numpy as np

        from ..bench.evaluate import batch_size, predict
        from .predicting import loaded_model

        with loaded_model(teacher, None, threads=threads) as (candidate, _, session):
            for batch in images:
                size = batch_size(candidate, len(batch))
                parts = [batch[start : start + size] for start in range(0, len(batch), size)]
                yield np.concatenate([predict(session, candidate, part) for part in parts])

    return ask


def _facts(start: Start, data: str, recipe: "Recipe") -> dict[str, str]:
    """What decides the run, in words."""
    from msgspec.structs import asdict

    of_recipe = {f"recipe.{name}": str(value) for name, value in asdict(recipe).items()}
    return {"data": data, "init": start.parent.ref if start.parent else ""} | of_recipe


def _fresh(arch: str, data: str, recipe: "Recipe", tag: str | None) -> Start:
    from .. import training

    spec = training.spec_for(arch, data, recipe)
    return Start(training.initialised(spec, recipe.seed), spec, f"{arch}.{tag or f'reszoo_{data}'}")


def _continued(init: Checkpoint, data: str, recipe: "Recipe", tag: str | None) -> Start:
    from msgspec.structs import replace

    from .. import training, zoo
    from ..datasets.info import info
    from ..training.specs import preprocess_of
    from ..training.transfer import fit_head
    from ..zoo.catalogue import divided as divided_ref
    from .class_names import named_by

    init = named_by(data, init)
    preprocess_of(init, data)  # whose images may not fit the network, with no head
    spec = training.for_training(init.spec, recipe)
    model = zoo.build(replace(init, spec=spec))
    head = fit_head(model, spec, init.labels, init.ref, data, recipe.seed)
    usual = f"{init.ref}-{data if head == 'new' else recipe.name}"
    ref = f"{divided_ref(init.ref).arch}.{tag}" if tag else usual
    return Start(model, replace(spec, num_classes=len(info(data).classes)), ref, init, head)


def check_source(arch: str | None, init: object | None) -> None:
    """Raises UsageError unless there is one of the two."""
    if arch and init:
        raise UsageError(
            f"{arch} and `init` are two networks to begin with: a checkpoint has its own architecture",
            f"Leave {arch} away to go on with the checkpoint, or `init` to train {arch} from scratch. "
            "`teacher` lets one network learn from another.",
        )
    if not (arch or init):
        raise UsageError(
            "training begins with an architecture or with a checkpoint",
            "Give one of them: `train(resnet20_v2)`, or `train(from=REF)`.",
        )


def divided(arch: str | None, changes: Mapping[str, object]) -> tuple[str | None, dict[str, object]]:
    """The architecture with those changes that are fields of its spec in its name, and the others, of the recipe.

    Without an architecture, training goes on with a checkpoint, whose spec stays. Raises UsageError for fields of
    neither.
    """
    from ..models import spec_of
    from ..models.fields import every_field, fields_of
    from ..models.names import extended
    from ..training import Recipe

    of_recipe = {name: value for name, value in changes.items() if name in Recipe.__struct_fields__}
    of_spec = {name: _text(value) for name, value in changes.items() if name not in of_recipe}
    known = fields_of(spec_of(arch)) if arch else every_field()
    if strange := next((name for name in of_spec if name not in known), None):
        raise unknown(strange, (*Recipe.__struct_fields__, *known), "field of the recipe or the network")
    if of_spec and not arch:
        raise UsageError(
            f"{', '.join(of_spec)}: a checkpoint that training goes on with keeps its own spec",
            "Train the architecture from scratch, or leave these fields away.",
        )
    return arch and extended(arch, of_spec), of_recipe


def with_freeze(changes: Mapping[str, object], freeze: str | Sequence[str]) -> Mapping[str, object]:
    """The changes of the recipe, and what is to stay as it is. Raises UsageError where both say it."""
    if not freeze:
        return changes
    if "freeze" in changes:
        raise UsageError("`freeze` is given twice: by itself and in `changes`", "Leave one of them away.")
    return {**changes, "freeze": [freeze] if isinstance(freeze, str) else list(freeze)}


def usual_recipe(data: str, *, goes_on: bool) -> str:
    """The name of the recipe for a checkpoint that goes on, or else for images like those of the data set."""
    from ..datasets.info import info

    image = info(data).image
    if goes_on:
        return "finetune"
    if image is None or max(image) > LARGEST["cifar"]:
        return "imagenet"
    return "digits" if max(image) <= LARGEST["digits"] else "cifar"


def recipe_for(recipe: "str | os.PathLike[str] | Recipe", changes: Mapping[str, object]) -> "Recipe":
    """The recipe with these fields set otherwise."""
    from .. import training

    known = recipe if isinstance(recipe, training.Recipe) else training.load(os.fspath(recipe))
    given = {
        name: [str(item) for item in value] if isinstance(value, list | tuple) else _text(value)
        for name, value in changes.items()
    }
    return training.override(known, given)


def _text(value: object) -> str:
    """As a field is written on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
