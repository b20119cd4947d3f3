"""`reszoo evaluate`: accuracy on a split, without any timing."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..core.errors import UsageError
from . import options, output
from .options import parse_split

if TYPE_CHECKING:
    from ..workflows.evaluating import Evaluation


def evaluate(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="An artifact's or a checkpoint's folder, a checkpoint's name, or hf://OWNER/NAME."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[/SPLIT]",
            help="The data set, or one of its splits: flowers/val.",
            show_default="the one it was trained on",
            rich_help_panel="Accuracy",
        ),
    ] = None,
    split: Annotated[
        Literal["test", "val", "train", "trainval"] | None,
        typer.Option(help="Which of its images.", show_default="test", rich_help_panel="Accuracy"),
    ] = None,
    classes: options.Classes = None,
    among: options.Among = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The engine.",
            show_default="torch, or the first that runs the artifact",
            rich_help_panel="Accuracy",
        ),
    ] = None,
    target: options.TargetName = "local",
    json: options.Json = False,
) -> None:
    """Count how many images of a split are classified rightly.

    The data set's classes are found among the network's by their WordNet ids, else by their names, in any order; it may
    have some of them only.

    Example: reszoo evaluate resnet8_v1.reszoo_digits --split test
    """
    from ..workflows.evaluating import evaluate as run
    from ..workflows.references import resolve

    name, of_name = (None, None) if data is None else parse_split(data, "--data")
    if split and of_name and split != of_name:
        raise UsageError(f"--data {data} and --split {split} are two splits", "Leave one of them away.")
    with output.bar() as progress:
        model = resolve(ref, progress)
        found = run(
            model,
            name,
            split=split or of_name or "test",
            classes=classes,
            among=among or "network",
            runtime=runtime,
            target=target,
            progress=progress,
        )
    if json:
        output.print_json(_record(found))
        return
    low, high = found.interval
    share = f"{100 * found.accuracy:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
    where = f"{found.predictions.dataset}/{found.predictions.split}"
    print_ = output.console().print
    print_(f"top-1 on {where}: {share}, n = {found.n}, {found.runtime}", markup=False)
    if found.among:
        print_(str(found.classes), markup=False)
    elif among:
        output.tell_without_effect(among)


def _record(found: "Evaluation") -> dict[str, object]:
    low, high = found.interval
    return {
        "model": found.predictions.source_ref,
        "dataset": found.predictions.dataset,
        "split": found.predictions.split,
        "runtime": found.runtime,
        "n": found.n,
        "correct": found.correct,
        "accuracy": found.accuracy,
        "interval": [low, high],
        "dataset_classes": len(found.classes.positions),
        "network_classes": found.classes.known,
        "among": found.among,
    }
