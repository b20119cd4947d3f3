"""`reszoo push`: a checkpoint or an artifact onto the Hugging Face hub."""

from typing import TYPE_CHECKING, Annotated

import typer

from . import options, output

if TYPE_CHECKING:
    from ..workflows.pushing import Pushed


def push(
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="A checkpoint or an artifact: a name, a folder or hf://OWNER/NAME.")
    ],
    to: Annotated[
        str, typer.Argument(metavar="hf://OWNER/NAME", help="The repository, with @BRANCH if it is not main.")
    ],
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the weights.", show_default="the checkpoint's", rich_help_panel="Model card"
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[/SPLIT]",
            help="Evaluate it on this data set first, for the card.",
            show_default="a checkpoint's own figures",
            rich_help_panel="Model card",
        ),
    ] = None,
    private: Annotated[
        bool,
        typer.Option("--private", help="Make it for its owner alone, if it is made.", rich_help_panel="Repository"),
    ] = False,
    message: Annotated[
        str | None, typer.Option(help="Of the commit.", show_default="what it is", rich_help_panel="Repository")
    ] = None,
    json: options.Json = False,
) -> None:
    """Push a checkpoint or an artifact onto the hub, with a model card. Sign in with `hf auth login`, or set HF_TOKEN.

    Example: reszoo push runs/resnet20_v2.mine hf://me/resnet20 --data cifar10
    """
    from ..workflows.pushing import push as run
    from ..workflows.references import resolve

    with output.bar() as progress:
        model = resolve(ref, progress)
        done = run(model, to, licence=licence, data=data, private=private, message=message, progress=progress)
    if json:
        output.print_json(done._asdict())
        return
    _print(done)


def _print(done: "Pushed") -> None:
    print_ = output.console().print
    print_(f"{len(done.files)} files are at {done.url}: {', '.join(done.files)}", markup=False)
    print_(f"this very version is {done.ref}", markup=False)
