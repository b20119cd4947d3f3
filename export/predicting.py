"""`predict`: the likeliest classes of image files, from any model in any runtime."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import ReszooError, UsageError
from ..core.hosts import available_cores
from ..core.measured import Failure
from ..core.types import Artifact, Candidate, Checkpoint, Fraction, NotNegative, Noun, Preprocess, StrPath
from ..datasets import images
from ..datasets.preprocess import fit, geometry
from .candidates import in_place
from .contract import Runtime, Session, parse_runtime, runtimes, unavailable_error
from .feeding import feed

TOGETHER = 32  # images at once, where the batch is dynamic


class Guess(Noun, frozen=True, kw_only=True):
    """One class, by its position among the labels, and how likely the network finds it."""

    index: NotNegative
    label: str
    probability: Fraction


class Prediction(Noun, frozen=True, kw_only=True):
    """The classes of one image, the likeliest first."""

    image: Path
    top: tuple[Guess, ...]


def resolve(target: Checkpoint | Artifact, wanted: str | None) -> tuple[Candidate, Runtime, str]:
    """The model to run, the runtime and its variant. None wants the first available runtime that runs the format.

    A checkpoint runs in PyTorch where it lies; for another runtime it is exported into the cache first.
    Raises UsageError for a runtime that does not run the format, UnavailableError for one that is not here.
    """
    model = target if isinstance(target, Artifact) else in_place(target)
    if wanted is None:
        return model, _first_available(model.format), ""
    runtime, variant = parse_runtime(wanted)
    if missing := runtime.unavailable(runtime.devices[0], variant):
        raise unavailable_error(missing)
    if model.format in runtime.formats:
        return model, runtime, variant
    if isinstance(target, Checkpoint):
        from .exporting import exported

        return exported(target, runtime.formats[0]), runtime, variant
    raise UsageError(
        f"{model.path} is in format {model.format}, and {runtime.name} runs {', '.join(runtime.formats)}",
        f"Leave --runtime away, or name the checkpoint: {model.source_ref}.",
    )


def predict(
    model: Candidate, runtime: Runtime, variant: str, paths: Sequence[StrPath], top: int
) -> Iterator[Prediction | Failure]:
    """The `top` likeliest classes of each image, in the order of the paths; a Failure for one that cannot be read.

    Raises ReszooError for logits that are no numbers.
    """
    files = [Path(path) for path in paths]
    least, most = model.input.batch_limits
    size = max(least, min(TOGETHER, most or TOGETHER))
    with runtime.load(model, device=runtime.devices[0], threads=available_cores(), variant=variant) as session:
        for start in range(0, len(files), size):
            chunk = files[start : start + size]
            read = [_read(path, model.preprocess) for path in chunk]
            logits = iter(_logits(session, model, [pixels for pixels in read if not isinstance(pixels, Failure)]))
            for path, pixels in zip(chunk, read, strict=True):
                if isinstance(pixels, Failure):
                    yield pixels
                else:
                    yield Prediction(image=path, top=_best(next(logits), model, path, top))


def _read(path: Path, preprocess: Preprocess) -> NDArray[np.uint8] | Failure:
    try:
        return read_image(path, preprocess)
    except UsageError as error:
        return Failure(what=str(path), reason=error.problem, fix=error.fix)


def _logits(session: Session, model: Candidate, images: list[NDArray[np.uint8]]) -> Iterable[NDArray[np.float32]]:
    """A row for each image. A batch that is too small is filled up, and its logits cut."""
    if not images:
        return ()
    pixels = np.stack(images)
    least, _ = model.input.batch_limits
    if len(pixels) < least:
        pixels = np.resize(pixels, (least, *pixels.shape[1:]))
    logits: NDArray[np.float32] = session.predict(feed(pixels, model.input, model.preprocess))
    return logits[: len(images)]


def read_image(path: StrPath, preprocess: Preprocess) -> NDArray[np.uint8]:
    """The image as the network sees it, uint8 (H, W, C): decoded, resized and cropped, not yet normalised.

    Raises UsageError for what is no image, cannot be read whole, or does not fit the network.
    """
    file = Path(path)
    images.check_plain(file)
    where, open_file = str(file), images.opener(file)
    with images.bombs_refused():
        images.read_header(open_file, where)
        image = images.decode(images.read(open_file, where), where, preprocess.input[0])
    _, height, width = preprocess.input
    try:
        plan = geometry(image.height, image.width, preprocess, where)
    except UsageError as error:
        raise UsageError(error.problem, f"Make it {width} pixels wide and {height} high first.") from error
    if Image.MAX_IMAGE_PIXELS and plan.height * plan.width > Image.MAX_IMAGE_PIXELS:
        raise UsageError(
            f"{where} is too narrow: {image.width}x{image.height} pixels would become {plan.width}x{plan.height}",
            "Cut it to the part that matters first.",
        )
    return images.to_array(fit(image, plan, preprocess))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logits (classes,) to probabilities, in float64."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    likely: NDArray[np.float64] = exponentials / exponentials.sum()
    return likely


def _first_available(format_name: str) -> Runtime:
    missing = []
    for runtime in runtimes().values():
        if format_name in runtime.formats:
            problem = runtime.unavailable(runtime.devices[0])
            if problem is None:
                return runtime
            missing.append(problem)
    if not missing:
        raise UsageError(f"no runtime runs the format {format_name!r}", "Export the checkpoint again.")
    raise unavailable_error(missing[0])


def _best(logits: NDArray[np.float32], model: Candidate, path: Path, top: int) -> tuple[Guess, ...]:
    if not np.isfinite(logits).all():
        raise ReszooError(
            f"{model.source_ref} as {model.format}, {model.precision} gave logits that are no numbers for {path}",
            "Export it again with --precision fp32; if that does not help, its weights are broken.",
        )
    likely = softmax(logits)
    order = np.argsort(-logits, kind="stable")[:top]
    return tuple(Guess(index=i, label=model.labels[i], probability=float(likely[i])) for i in order.tolist())
