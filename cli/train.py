"""`reszoo train`: a network, a data set and a recipe become a checkpoint."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from ..core.errors import UsageError
from . import output

if TYPE_CHECKING:
    from torch import nn

    from ..core.types import Checkpoint, ModelSpec
    from ..train.progress import Watcher
    from ..train.recipe import Recipe


Override = typer.Option(help="Overrides the recipe's.")
RecipeName = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help="digits, cifar, cifar-fast, cifar-he2015, imagenet, a TOML file; with --from, prune-sparse, "
        "prune-finetune, prune-finetune-full, too.",
    ),
]
Arch = Annotated[str | None, typer.Argument(metavar="ARCH", help="An architecture, such as resnet20_v2.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="REF", help="A checkpoint to go on with, in the place of ARCH.")
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Overrides any field of the recipe.")
]
TeacherRef = Annotated[str | None, typer.Option(metavar="REF", help="A checkpoint to learn from as well.")]
Tag = Annotated[
    str | None,
    typer.Option(help="The checkpoint is named ARCH.TAG.  [default: reszoo_NAME; with --from, REF-RECIPE]"),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The checkpoint's folder.  [default: runs/ARCH.TAG]")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run, if there is one.")]
SaveEvery = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="Between saves, besides the one after each epoch.")
]
Gradients = Annotated[bool, typer.Option("--monitor-gradients", help="Add every layer's gradient norm to the curve.")]
TensorBoardFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="Write the curve for TensorBoard as well.")]


def train(
    data: Annotated[str, typer.Option(metavar="NAME", help="A data set of `reszoo data list`.")],
    recipe: RecipeName,
    arch: Arch = None,
    from_: From = None,
    epochs: Annotated[int | None, Override] = None,
    batch: Annotated[int | None, Override] = None,
    lr: Annotated[float | None, Override] = None,
    seed: Annotated[int | None, Override] = None,
    set_: Changes = None,
    teacher: TeacherRef = None,
    tag: Tag = None,
    out: Out = None,
    resume: Resume = False,
    checkpoint_every: SaveEvery = 300.0,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Of PyTorch on the CPU; overrides the recipe's.")] = None,
    monitor_gradients: Gradients = False,
    tensorboard: TensorBoardFolder = None,
    json: Annotated[bool, typer.Option("--json", help="Print the finished checkpoint's document.")] = False,
) -> None:
    """Train a network. Ctrl-C saves the run, and --resume goes on with it exactly.

    Example: reszoo train resnet8_v1 --data digits --recipe digits

    Several processes: torchrun --standalone --nproc-per-node 4 -m reszoo.cli.main train ...
    """
    from .. import train as training
    from ..train.distributed import current
    from .targets import checkpoint

    chosen = choose_recipe(recipe, set_ or [], epochs=epochs, batch=batch, lr=lr, seed=seed, threads=threads)
    start = _start(arch, from_, data, chosen, tag)
    folder = out or Path("runs") / start.ref
    made = training.fit(
        start.model,
        start.spec,
        data,
        chosen,
        folder,
        ref=start.ref,
        parent=start.parent,
        teacher=checkpoint(teacher) if teacher else None,
        device=device,
        resume=resume,
        save_every_s=checkpoint_every,
        monitor_gradients=monitor_gradients,
        watchers=watchers(chosen, tensorboard),
    )
    if current().is_first:
        _print(made, folder, json)


class Start(NamedTuple):
    """What the first step finds, and what the last one's checkpoint is called."""

    model: "nn.Module"
    spec: "ModelSpec"
    ref: str
    parent: "Checkpoint | None"


def _start(arch: str | None, from_: str | None, data: str, recipe: "Recipe", tag: str | None) -> Start:
    from msgspec.structs import replace

    from .. import train as training
    from .. import zoo
    from .targets import checkpoint

    if arch and not from_:
        spec = training.spec_for(arch, data, recipe)
        return Start(training.initialised(spec, recipe.seed), spec, f"{arch}.{tag or f'reszoo_{data}'}", None)
    if arch or not from_:
        raise UsageError(
            "training begins with an architecture or with a checkpoint",
            "Give one of them: reszoo train resnet20_v2 ..., or reszoo train --from REF ...",
        )
    parent = checkpoint(from_)
    spec = training.for_training(parent.spec, recipe)
    ref = f"{parent.ref.partition('.')[0]}.{tag}" if tag else f"{parent.ref}-{recipe.name}"
    return Start(zoo.build(replace(parent, spec=spec)), spec, ref, parent)


def choose_recipe(recipe: str, pairs: list[str], **options: float | None) -> "Recipe":
    """The recipe with what the command line overrides; where it says a field twice, --set wins."""
    from .. import train as training

    given = {name: str(value) for name, value in options.items() if value is not None}
    return training.override(training.load(recipe), given | _parse_changes(pairs))


def _parse_changes(pairs: list[str]) -> dict[str, str]:
    changes = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"--set {pair!r} is not FIELD=VALUE", "Write it as --set label_smoothing=0.1.")
        changes[name.strip()] = value.strip()
    return changes


def watchers(recipe: "Recipe", tensorboard: Path | None) -> "list[Watcher]":
    from ..train.progress import Display, Lines
    from ..train.tensorboard import TensorBoard

    shown: Watcher = Display(recipe, output.err_console()) if sys.stderr.isatty() else Lines()
    return [shown, TensorBoard(tensorboard)] if tensorboard else [shown]


def _print(checkpoint: "Checkpoint", folder: Path, json: bool) -> None:
    from ..core.statistics import proportion_interval

    if json:
        output.print_json(checkpoint)
        return
    output.console().print(f"{checkpoint.ref} is in {folder}", markup=False)
    for metric in checkpoint.metrics:
        low, high = proportion_interval(round(metric.value * metric.n), metric.n)
        output.console().print(
            f"{metric.name} {metric.value:.4f} on {metric.n:,} {metric.split} images of {metric.dataset} "
            f"(95 % interval {low:.4f} to {high:.4f})",
            markup=False,
        )
