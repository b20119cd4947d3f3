"""`reszoo predict`: the likeliest classes of images, from an artifact or a checkpoint."""

import csv
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ReszooError, UsageError
from . import output
from .options import Json

if TYPE_CHECKING:
    from ..core.measured import Failure
    from ..export.predicting import Prediction


def predict(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="An artifact's or a checkpoint's folder, a checkpoint's name, or hf://OWNER/NAME."
        ),
    ],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="Images, or folders of images; - reads their paths, one a line."),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes are shown.")] = 5,
    runtime: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The engine.", show_default="torch, or the first that runs the artifact"),
    ] = None,
    resize: Annotated[
        bool,
        typer.Option("--resize/--no-resize", help="Bring images of any size to that of a network that resizes none."),
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at an image that cannot be read.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV: image, rank, class, probability.")] = False,
    json: Json = False,
) -> None:
    """Classify images: the likeliest classes of each, with their probabilities.

    Of a folder, all images that lie in it, however deep, are taken, but for hidden files. An image that cannot be
    read is told with its reason, and the others are classified; the exit code is 1 then.

    Images are PNG, JPEG, BMP, WebP, GIF (its first frame) or TIFF files, and are turned upright as their EXIF
    orientation says.

    Example: reszoo predict digits-onnx seven.png photographs/
    """
    from ..core.measured import Failure
    from ..export import predicting
    from ..workflows.pictures import found as found_in
    from ..workflows.predicting import predict as run
    from ..workflows.references import resolve

    if json and as_csv:
        raise UsageError("--json and --csv are two forms of one output", "Give one of them.")
    found = found_in(_paths(images))  # before anything is downloaded
    with output.bar() as progress:
        target = resolve(ref, progress)
    model, engine, variant = predicting.resolve(target, runtime)
    outcomes = run(target, found.images, top=top, runtime=runtime, resize=resize, strict=strict)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    predictions = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    name = f"{engine.name}:{variant}" if variant else engine.name
    if json:
        document = {"ref": model.source_ref, "format": model.format, "precision": model.precision, "runtime": name}
        answers = {"predictions": predictions, "failures": failures, "ignored_files": found.ignored}
        output.print_json({**document, **answers})
    elif as_csv:
        _print_csv(predictions)
        for failure in failures:
            output.err_console().print(f"{failure.reason}. {failure.fix}", markup=False)
    else:
        output.console().print(f"{model.source_ref}, {model.format} {model.precision}, in {name}", markup=False)
        _print(predictions, failures)
        if resized := sum(prediction.resized_from is not None for prediction in predictions):
            _tell_resized(resized, model.preprocess.input[1:])
        if found.ignored:
            output.tell_ignored(found.ignored)
    if failures:
        raise ReszooError(f"{len(failures)} of {len(found.images)} images could not be classified")


def _paths(images: list[Path]) -> Iterable[Path]:
    """What was given, with the lines of standard input in the place of -."""
    lines = (line.rstrip("\r\n") for line in sys.stdin) if Path("-") in images else iter(())
    return chain.from_iterable([image] if image != Path("-") else map(Path, filter(None, lines)) for image in images)


def _tell_resized(images: int, size: tuple[int, int]) -> None:
    what = "1 image was" if images == 1 else f"{images} images were"
    output.console().print(f"{what} resized and cut to {size[0]}x{size[1]}; --no-resize refuses other sizes")


def _print_csv(predictions: "list[Prediction]") -> None:
    from ..core.cleaning import for_csv

    rows = csv.writer(sys.stdout)
    rows.writerow(("image", "rank", "class", "probability"))
    for prediction in predictions:
        for rank, guess in enumerate(prediction.top, 1):
            rows.writerow((for_csv(prediction.image), rank, for_csv(guess.label), f"{guess.probability:.6g}"))


def _print(predictions: "list[Prediction]", failures: "list[Failure]") -> None:
    table = output.table("image", "probability", "class", right=("probability",))
    for prediction in predictions:
        name = prediction.image
        for guess in prediction.top:
            table.add_row(name, f"{100 * guess.probability:.2f} %", guess.label)
            name = ""
        table.add_section()
    unread = output.table("not classified", "what to do")
    for failure in failures:
        unread.add_row(failure.reason, failure.fix)
    for each in (table, unread):
        if each.row_count:
            output.console().print(each)
