"""`reszoo predict`: the likeliest classes of images, from an artifact or a checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from . import output
from .options import Json

if TYPE_CHECKING:
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

    Example: reszoo predict digits-onnx seven.png photographs/
    """
    from ..export import predicting
    from .targets import target

    paths = list(_files(images))  # before anything is downloaded
    model, engine, variant = predicting.resolve(target(ref), runtime)
    predictions = list(predicting.predict(model, engine, variant, paths, top))
    name = f"{engine.name}:{variant}" if variant else engine.name
    if json:
        document = {"ref": model.source_ref, "format": model.format, "precision": model.precision, "runtime": name}
        output.print_json({**document, "predictions": predictions})
        return
    output.console().print(f"{model.source_ref}, {model.format} {model.precision}, in {name}", markup=False)
    _print(predictions)


def _files(paths: list[Path]) -> Iterator[Path]:
    """The images themselves: a folder stands for all that lie in it, however deep."""
    from ..datasets.images import SUFFIXES

    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no image {path}", "Give image files, or folders of them.")
        if not path.is_dir():
            yield path
            continue
        inside = sorted(found for found in path.rglob("*") if found.suffix.lower() in SUFFIXES and found.is_file())
        if not inside:
            raise UsageError(f"there is no image in {path}", f"It holds no {', '.join(sorted(SUFFIXES))} file.")
        yield from inside


def _print(predictions: "list[Prediction]") -> None:
    table = output.table("image", "probability", "class", right=("probability",))
    for prediction in predictions:
        name = str(prediction.image)
        for guess in prediction.top:
            table.add_row(name, f"{100 * guess.probability:.2f} %", guess.label)
            name = ""
        table.add_section()
    output.console().print(table)
