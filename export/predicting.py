"""The likeliest classes of images, from any model in any runtime."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import ReszooError, UsageError
from ..core.measured import Failure
from ..core.missing import unavailable_error
from ..core.types import Artifact, Candidate, Checkpoint, Fraction, NotNegative, Positive, Preprocess, Record, StrPath
from ..datasets import images
from ..datasets.preprocess import covering, fit, geometry
from .candidates import in_place
from .contract.runtime import Runtime, Session, parse_runtime, runtimes
from .feeding import feed

TOGETHER = 32  # images at once, where the batch is dynamic
TOGETHER_ELEMENTS = 1 << 25  # of these images


class Guess(Record, frozen=True, kw_only=True):
    """One class, by its position among the labels, and how likely the network finds it."""

    index: NotNegative
    label: str
    probability: Fraction


class Prediction(Record, frozen=True, kw_only=True):
    """The classes of one image, the likeliest first.

    Attributes:
        image: Its path, or its place among those given.
        top: The classes.
        resized_from: Its (height, width) where it was brought to the network's size although the network's own
            preprocessing resizes nothing; else None.
    """

    image: str
    top: tuple[Guess, ...]
    resized_from: tuple[Positive, Positive] | None = None

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.top[0].label

    @property
    def probability(self) -> float:
        """Of the likeliest class, from 0 to 1."""
        return self.top[0].probability

    def __repr__(self) -> str:
        return f"Prediction({self.image}: {self.label}, {100 * self.probability:.2f} %)"


class Picture(NamedTuple):
    """An image to be classified. `open` decodes it to so many channels, or raises what makes it unreadable."""

    name: str
    open: Callable[[int], Image.Image]


class Seen(NamedTuple):
    """An image as the network sees it: uint8 (H, W, C) pixels; see `Prediction` for `resized_from`."""

    pixels: NDArray[np.uint8]
    resized_from: tuple[int, int] | None


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
        f"Leave `runtime` away, or name the checkpoint: {model.source_ref}.",
    )


def predict(
    model: Candidate,
    session: Session,
    pictures: Sequence[Picture],
    top: int,
    *,
    resize: bool = True,
    strict: bool = False,
) -> Iterator[Prediction | Failure]:
    """The `top` likeliest classes of each picture, in their order; a Failure for one that cannot be read.

    Without `resize`, of one too that is not of the size that the network's own preprocessing takes.
    Raises ReszooError for logits that are no numbers, and UsageError instead of a Failure if `strict`.
    """
    least, most = model.input.batch_limits
    fitting = max(TOGETHER_ELEMENTS // prod(model.preprocess.input), 1)
    size = max(least, min(TOGETHER, fitting, most or TOGETHER))
    for start in range(0, len(pictures), size):
        chunk = pictures[start : start + size]
        read = [_read(picture, model.preprocess, resize, strict) for picture in chunk]
        logits = iter(_logits(session, model, [seen.pixels for seen in read if isinstance(seen, Seen)]))
        for picture, seen in zip(chunk, read, strict=True):
            if isinstance(seen, Seen):
                yield prediction(next(logits), model, picture.name, top, seen.resized_from)
            else:
                yield seen


def _read(picture: Picture, preprocess: Preprocess, resize: bool, strict: bool) -> Seen | Failure:
    try:
        return seen_by(preprocess, picture.open(preprocess.input[0]), picture.name, resize=resize)
    except UsageError as error:
        if strict:
            raise
        return Failure(what=picture.name, reason=error.problem, fix=error.fix)


def _logits(session: Session, model: Candidate, images: list[NDArray[np.uint8]]) -> Iterable[NDArray[np.float32]]:
    """A row for each image. A batch that is too small is filled up, and its logits cut."""
    if not images:
        return ()
    pixels = np.stack(images)
    least, _ = model.input.batch_limits
    if len(pixels) < least:
        pixels = np.resize(pixels, (least, *pixels.shape[1:]))
    logits: NDArray[np.float32] = session.predict(feed(pixels, model.input, model.preprocess))
    if logits.shape != (len(pixels), len(model.labels)):
        raise ReszooError(
            f"{model.path} gave logits of shape {logits.shape}, expected {(len(pixels), len(model.labels))}",
            f"Its labels are not those of its files: export {model.source_ref} again.",
        )
    return logits[: len(images)]


def read_image(path: StrPath, channels: int) -> Image.Image:
    """The image in a file, decoded to grey or RGB. Raises UsageError for what is no image, or cannot be read whole."""
    file = Path(path)
    images.check_plain(file)
    where, open_file = str(file), images.opener(file)
    images.check_pixels(images.read_header(open_file, where), where)
    return images.decode(images.read(open_file, where), where, channels)


def seen_by(preprocess: Preprocess, image: Image.Image, where: str, *, resize: bool = True) -> Seen:
    """A decoded image, grey or RGB as the network is, resized and cropped.

    Raises UsageError where it does not fit: without `resize`, wherever `preprocess` has none and the size is another.
    """
    _, height, width = preprocess.input
    size = image.height, image.width
    try:
        plan = (covering if resize else geometry)(*size, preprocess, where)
    except UsageError as error:
        fix = f"Make it {width} pixels wide and {height} high first, or let it be resized."
        raise UsageError(error.problem, fix) from error
    if Image.MAX_IMAGE_PIXELS and plan.height * plan.width > Image.MAX_IMAGE_PIXELS:
        raise UsageError(
            f"{where} is too narrow: {image.width}x{image.height} pixels would become {plan.width}x{plan.height}",
            "Cut it to the part that matters first.",
        )
    is_other = preprocess.resize is None and not plan.is_identity(*size)
    return Seen(images.to_array(fit(image, plan, preprocess)), size if is_other else None)


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


def prediction(
    logits: NDArray[np.float32],
    model: Candidate,
    name: str,
    top: int,
    resized_from: tuple[int, int] | None = None,
) -> Prediction:
    """From the logits (classes,) of the image of that name."""
    if not np.isfinite(logits).all():
        raise ReszooError(
            f"{model.source_ref} as {model.format}, {model.precision} gave logits that are no numbers for {name}",
            "Export it again with `precision=fp32`; if that does not help, its weights are broken.",
        )
    likely = softmax(logits)
    order = np.argsort(-logits, kind="stable")[:top]
    best = tuple(Guess(index=i, label=model.labels[i], probability=float(likely[i])) for i in order.tolist())
    return Prediction(image=name, top=best, resized_from=resized_from)
