"""`reszoo data`: bring data sets in, and see which are here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import output
from .shares import parse_share

if TYPE_CHECKING:
    from ..datasets import DatasetInfo

app = typer.Typer(no_args_is_help=True, help="Bring in data sets: downloads, image folders and zips.")

Json = Annotated[bool, typer.Option("--json", help="Print the description as JSON.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a data set of that name.")]


@app.command(epilog="Example: reszoo data get cifar10")
def get(
    name: Annotated[str, typer.Argument(help="cifar10 or cifar100.")],
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Download a data set from its home, check it, and install it.

    A broken download goes on where it stopped. RESZOO_MIRROR and RESZOO_OFFLINE are honoured.
    """
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    from ..datasets import get

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with output.progress("{task.description}", *columns) as bar:
        task = bar.add_task(name, total=None)
        info = get(name, replace=replace, progress=output.counting(bar, task))
    _show(info, json)


@app.command(epilog="Example: reszoo data add flowers train-0.zip train-1.zip test.zip")
def add(
    name: Annotated[str, typer.Argument(help="Name of the new data set: lower-case letters, digits, - and _.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Image folders and zips, merged.")],
    split: Annotated[
        Literal["train", "val", "test"] | None,
        typer.Option(
            help="Where images in no split folder belong.", show_default="train; val for ImageNet's validation images"
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Cut a stratified test split off the training images, as 20%."),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="The most pixels of an image.", show_default="Pillow's limit, 89478485"),
    ] = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Import image folders or zips in the layout CLASS/image.png or SPLIT/CLASS/image.png, SPLIT train, val or test.

    Training, valid, validation and testing name splits, too, and so does a folder or zip that is itself named like one.
    Formats: png, jpg, bmp, webp, gif, tif. Without images in val, a stratified 10 % of the training images become val;
    --test cuts off a test split before.

    Folders named by WordNet ids get ImageNet's class names. Its validation images may lie in one folder, as they are
    published, if another PATH is LOC_val_solution.csv, val.txt of Caffe, or the development kit.
    """
    from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn

    from ..datasets import add

    share = parse_share(test, "--test", "Write a fifth as --test 20% or --test 0.2.") if test else None
    with output.progress("{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(name, total=None)
        info = add(name, paths, split, replace, max_pixels, output.counting(bar, task), test=share)
    _show(info, json)


@app.command("list", epilog="Example: reszoo data list --json")
def list_(json: Json = False) -> None:
    """List the data sets on this machine."""
    from ..datasets import installed

    found = installed()
    if json:
        output.print_json(found)
        return
    table = output.table(
        "name", "classes", "train", "val", "test", "image", "size", right=("classes", "train", "val", "test", "size")
    )
    for info in found:
        counts = (str(info.counts.get(split, "-")) for split in ("train", "val", "test"))
        table.add_row(info.name, str(len(info.classes)), *counts, _image(info), output.size(info.size_bytes))
    output.console().print(table)


def _show(info: "DatasetInfo", json: bool) -> None:
    if json:
        output.print_json(info)
        return
    counts = ", ".join(f"{info.counts[split]} {split}" for split in ("train", "val", "test") if split in info.counts)
    print_ = output.console().print
    print_(f"{info.name}: {len(info.classes)} classes, {counts}; {_image(info)}, {output.size(info.size_bytes)}")
    for reason, files in info.left_out.items():
        print_(f"{files} left out: {reason}", markup=False)
    for warning in info.warnings:
        output.err_console().print(f"! {warning}", markup=False)


def _image(info: "DatasetInfo") -> str:
    return "x".join(map(str, info.image)) if info.image else "files"
