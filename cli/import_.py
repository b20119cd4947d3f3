"""`reszoo import`: weights that were trained elsewhere, as a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import output
from .options import Json

if TYPE_CHECKING:
    from ..core.types import Checkpoint, Preprocess

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help=".pth, .pt, .th, .pth.tar, .bin or .safetensors; hf://OWNER/REPO/FILE, https://..."
    ),
]
Arch = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The architecture.", show_default="told by the tensors", rich_help_panel="Weights"
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Tensors to leave out, as 'aux.*'; repeatable.", rich_help_panel="Weights"),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|DATASET",
        help="The classes' names: one in each line, or a data set's.",
        show_default="of --data, else numbers",
        rich_help_panel="What the weights do not say",
    ),
]
Preprocessing = Annotated[
    str | None,
    typer.Option(
        metavar="WORD|FIGURES",
        help="imagenet, cifar10, or as mean=0.5,std=0.25,resize=256,crop=224.",
        show_default="as for the layout's public weights",
        rich_help_panel="What the weights do not say",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The data set that they were trained on: for calibration and accuracy.",
        rich_help_panel="What the weights do not say",
    ),
]
Licence = Annotated[
    str, typer.Option(metavar="NAME", help="Of the weights.", rich_help_panel="What the weights do not say")
]
Name = Annotated[
    str | None,
    typer.Option(metavar="REF", help="The checkpoint's name.", show_default="ARCH.FILE", rich_help_panel="Output"),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The checkpoint's folder.", show_default="runs/NAME", rich_help_panel="Output"),
]


def import_(
    file: Source,
    arch: Arch = None,
    ignore: Ignore = None,
    labels: Labels = None,
    preprocess: Preprocessing = None,
    data: Data = None,
    licence: Licence = "unknown",
    name: Name = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Import weights that were trained elsewhere: the tensors tell the architecture, and all of them are used.

    Nothing in a file is ever run. A checkpoint comes out: prune, export, quantize and measure it like any other.

    Example: reszoo import mine.pth --labels labels.txt --data flowers --preprocess imagenet --out mine
    """
    from ..workflows.importing import import_checkpoint

    with output.bar() as progress:
        made = import_checkpoint(
            file,
            arch=arch,
            labels=labels,
            preprocess=preprocess,
            data=data,
            licence=licence,
            name=name,
            ignore=ignore or (),
            out=out,
            progress=progress,
        )
    if json:
        output.print_json(made)
        return
    output.tell_checkpoint(made)
    for line in _lines(made):
        output.console().print(line, markup=False)


def _lines(made: "Checkpoint") -> list[str]:
    """What it was recognised as, and what was assumed."""
    from ..models.network import description

    how, spec = made.provenance[-1].config, made.spec
    channels, height, width = spec.input
    lines = [
        f"recognised as {how['arch']} in the layout {how['layout']}: all {how['tensors']} tensors fit",
        f"{', '.join(description(spec).values())}; {spec.num_classes} classes, {channels} x {height} x {width}",
    ]
    taken = {"wrappers": "found under", "prefixes": "without the prefix", "ignore": "left out:"}
    lines += [f"{words} {how[key]}" for key, words in taken.items() if key in how]
    if "assumed" in how:
        lines.append(f"assumed: {how['assumed']}, {_figures(made.preprocess)}; `preprocess` says otherwise")
    if not made.dataset:
        lines.append("no data set is named: `data` names one, for calibration and accuracy")
    return lines


def _figures(preprocess: "Preprocess") -> str:
    """As the option takes them, but with spaces."""
    figures = {name: " ".join(f"{value:g}" for value in getattr(preprocess, name)) for name in ("mean", "std")}
    if preprocess.resize:
        figures |= {"resize": str(preprocess.resize), "crop": str(preprocess.crop)}
        figures["interpolation"] = preprocess.interpolation
    return ", ".join(f"{name} {value}" for name, value in figures.items())
