"""`reszoo train`: a network, a data set and a recipe become a checkpoint."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..core.errors import UsageError
from . import options, output

if TYPE_CHECKING:
    from ..core.types import Checkpoint
    from ..training.progress import Watcher
    from ..training.recipe import Recipe


RecipeName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        show_default="by the size of the images, digits, cifar or imagenet; with --from, finetune",
        help="digits, cifar, cifar-fast, cifar-he2015, imagenet, a TOML file; with --from, finetune, prune-sparse, "
        "prune-finetune, prune-finetune-full, too.",
        rich_help_panel="What is trained",
    ),
]
Arch = Annotated[
    str | None, typer.Argument(metavar="ARCH", help="An architecture, such as resnet20_v2 or resnet20_v2+skip=gate.")
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="REF",
        help="A checkpoint to go on with, in the place of ARCH. It gets a new head if NAME has other classes.",
        rich_help_panel="What is trained",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any other field of the recipe or of the network, as label_smoothing=0.1 or skip=gate. With --from, "
        "backbone_lr=0.1 is a factor on the rate of all layers but the head.",
        rich_help_panel="Recipe",
    ),
]
Freeze = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="With --from, the parameters that stay as they are, as 'stages.[01].*'; batch norms among them keep their "
        "statistics. May be given again.",
        rich_help_panel="Recipe",
    ),
]
TeacherRef = Annotated[
    str | None,
    typer.Option(
        metavar="REF",
        help="A checkpoint to learn from as well; with --set teacher_views=16, an artifact, too.",
        rich_help_panel="Recipe",
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(
        help="The checkpoint is named ARCH.TAG. Without it: reszoo_NAME; with --from, REF-RECIPE, or REF-NAME with a "
        "new head.",
        rich_help_panel="Output",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The checkpoint's folder. Without it: runs/ARCH.TAG.", rich_help_panel="Output"),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the unfinished run, if there is one.", rich_help_panel="Interruptions"),
]
SaveEvery = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Between saves, besides the one after each epoch.",
        rich_help_panel="Interruptions",
    ),
]
Gradients = Annotated[
    bool,
    typer.Option("--monitor-gradients", help="Add every layer's gradient norm to the curve.", rich_help_panel="Curve"),
]
TensorBoardFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write the curve for TensorBoard as well.", rich_help_panel="Curve")
]


def train(
    data: Annotated[
        str, typer.Option(metavar="NAME", help="A data set of `reszoo data list`.", rich_help_panel="What is trained")
    ],
    arch: Arch = None,
    recipe: RecipeName = None,
    from_: From = None,
    epochs: Annotated[int | None, typer.Option(help="How often all images are seen.", rich_help_panel="Recipe")] = None,
    batch: Annotated[int | None, typer.Option(help="Images in a step.", rich_help_panel="Recipe")] = None,
    lr: Annotated[float | None, typer.Option(help="The highest learning rate.", rich_help_panel="Recipe")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the first weights, the order and the augmentation.", rich_help_panel="Recipe")
    ] = None,
    freeze: Freeze = None,
    set_: Changes = None,
    teacher: TeacherRef = None,
    tag: Tag = None,
    out: Out = None,
    resume: Resume = False,
    checkpoint_every: SaveEvery = 300.0,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.", rich_help_panel="Machine")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Of PyTorch on the CPU; 0 leaves it to PyTorch.", rich_help_panel="Machine")
    ] = None,
    monitor_gradients: Gradients = False,
    tensorboard: TensorBoardFolder = None,
    track: options.Track = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the finished checkpoint's document.", rich_help_panel="Output")
    ] = False,
) -> None:
    """Train a network. Ctrl-C saves the run, and --resume goes on with it exactly.

    Example: reszoo train resnet8_v1 --data digits

    For other classes: reszoo train --from resnet20_v2.reszoo_cifar10 --data flowers

    Several processes: torchrun --standalone --nproc-per-node 4 -m reszoo.cli.main train ...
    """
    from ..training.distributed import current
    from ..workflows.references import checkpoint, resolve
    from ..workflows.training import check_source, divided, recipe_for, usual_recipe, with_freeze
    from ..workflows.training import train as run

    named = {"epochs": epochs, "batch": batch, "lr": lr, "seed": seed, "threads": threads}
    given: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    check_source(arch, from_)
    arch, of_recipe = divided(arch, given | parse_changes(set_ or []))  # where both say a field, --set wins
    changed = with_freeze(of_recipe, freeze or ())
    chosen = recipe_for(recipe or usual_recipe(data, goes_on=from_ is not None), changed)
    with output.bar() as progress:
        init = checkpoint(from_, progress) if from_ else None
        heard = resolve(teacher, progress) if teacher else None
    if init and current().is_first and (told := _head(init, data, chosen.seed)):
        output.err_console().print(told, markup=False)
    made = run(
        arch,
        data=data,
        recipe=chosen,
        init=init,
        teacher=heard,
        tag=tag,
        device=device,
        resume=resume,
        checkpoint_every=checkpoint_every,
        monitor_gradients=monitor_gradients,
        out=out,
        watchers=[shown(chosen)],
        trackers=[*(track or []), *([f"tensorboard:{tensorboard}"] if tensorboard else [])],
    )
    if current().is_first:
        _print(made, json)


def parse_changes(pairs: list[str]) -> dict[str, str]:
    """["lr=0.1"] -> {"lr": "0.1"}."""
    changes = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"--set {pair!r} is not FIELD=VALUE", "Write it as --set label_smoothing=0.1.")
        changes[name.strip()] = value.strip()
    return changes


def shown(recipe: "Recipe") -> "Watcher":
    from ..training.progress import Display, Lines

    return Display(recipe, output.err_console()) if sys.stderr.isatty() else Lines()


def _head(init: "Checkpoint", data: str, seed: int) -> str:
    """What becomes of the checkpoint's head, unless it stays as it is."""
    from ..datasets.info import info
    from ..training.transfer import head_for
    from ..workflows.class_names import named_by

    named = named_by(data, init)
    if named is not init:
        return f"the classes of {init.ref} have numbers for names: they are taken for those of {data}, in its order"
    match head_for(init.labels, init.ref, data):
        case "own":
            return ""
        case "reordered":
            return f"{data} has the classes of {init.ref} in another order: the rows of its head are put in that order"
        case "new":
            return (
                f"{init.ref} knows {_counted(init.labels)}, {data} has {_counted(info(data).classes)}: "
                f"the network gets a new head, from seed {seed}"
            )


def _counted(classes: tuple[str, ...]) -> str:
    from ..datasets.classes import some

    return f"{len(classes)} classes ({some(classes)})"


def _print(checkpoint: "Checkpoint", json: bool) -> None:
    from ..core.statistics import proportion_interval

    if json:
        output.print_json(checkpoint)
        return
    output.tell_checkpoint(checkpoint)
    for metric in checkpoint.metrics:
        low, high = proportion_interval(round(metric.value * metric.n), metric.n)
        output.console().print(
            f"{metric.name} {metric.value:.4f} on {metric.n:,} {metric.split} images of {metric.dataset} "
            f"(95 % interval {low:.4f} to {high:.4f})",
            markup=False,
        )
