"""`reszoo predict`: the likeliest classes of images, from an artifact or a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ReszooError
from . import output
from .options import Json

if TYPE_CHECKING:
    from ..core.measured import Failure
    from ..export.predicting import Prediction


def predict(
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="The folder of an artifact or a checkpoint, or a checkpoint's name.")
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Images, or folders of images.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes are shown.")] = 5,
    runtime: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The engine.", show_default="torch, or the first that runs the artifact"),
    ] = None,
    json: Json = False,
) -> None:
    """Classify images: the likeliest classes of each, with their probabilities.

    Of a folder, all images that lie in it, however deep, are taken, but for hidden files. An image that cannot be
    read is told with its reason, and the others are classified; the exit code is 1 then.

    Example: reszoo predict digits-onnx seven.png photographs/
    """
    from ..core.measured import Failure
    from ..export import predicting
    from ..workflows.pictures import found as found_in
    from ..workflows.predicting import predict as run
    from ..workflows.references import resolve

    found = found_in(images)  # before anything is downloaded
    with output.bar() as progress:
        target = resolve(ref, progress)
    model, engine, variant = predicting.resolve(target, runtime)
    outcomes = run(target, found.images, top=top, runtime=runtime)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    predictions = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    name = f"{engine.name}:{variant}" if variant else engine.name
    if json:
        document = {"ref": model.source_ref, "format": model.format, "precision": model.precision, "runtime": name}
        answers = {"predictions": predictions, "failures": failures, "ignored_files": found.ignored}
        output.print_json({**document, **answers})
    else:
        output.console().print(f"{model.source_ref}, {model.format} {model.precision}, in {name}", markup=False)
        _print(predictions, failures)
        if found.ignored:
            output.tell_ignored(found.ignored)
    if failures:
        raise ReszooError(f"{len(failures)} of {len(found.images)} images could not be classified")


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
