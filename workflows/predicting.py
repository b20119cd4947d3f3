"""`predict`: the likeliest classes of images, however they are given; and `session`, which gives the logits."""

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.measured import Failure
from ..core.types import Artifact, Candidate, Checkpoint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..export.contract.runtime import Device, Session
    from ..export.predicting import Prediction
    from .pictures import Images

Model = Checkpoint | Artifact


def predict(
    model: Model,
    images: "Images",
    *,
    top: int = 5,
    runtime: str | None = None,
    resize: bool = True,
    strict: bool = False,
) -> "list[Prediction | Failure]":
    """Classify images.

    Args:
        model: A checkpoint, which runs in PyTorch unless `runtime` says otherwise, or an artifact.
        images: One image or several. A path names a file, or a folder whose images are all taken, however deep they
            lie. A PIL image and a uint8 array (H, W, C) or (N, H, W, C) are pictures of any size, and so is a uint8
            tensor (C, H, W) or (N, C, H, W). A float tensor of these shapes is the network's own input, as
            `transforms()` makes it.
        top: How many classes are given of each image.
        runtime: The engine; None is PyTorch for a checkpoint, and the first that runs an artifact here.
        resize: Bring pictures to the network's size where its own preprocessing resizes nothing, as that of a CIFAR
            network: the shorter side first, then the centre is cut out. Without it these are Failures.
        strict: Raise for the first image that cannot be read, instead of going on with the others.

    Returns:
        A prediction for each image, in their order; a Failure, which says why, for one that cannot be read.

    Raises:
        UsageError: There is no image, something is no image, or the runtime does not run the model; with `strict`, an
            image cannot be read.
        UnavailableError: The runtime is not on this machine.
        ReszooError: The model gave logits that are no numbers.
    """
    from ..export import predicting
    from .pictures import inputs, pictures

    if not isinstance(top, Integral) or top < 1:
        raise UsageError(f"the {top} likeliest classes are none", "Give `top=1` or more.")
    ready = inputs(images)
    found = pictures(images) if ready is None else []
    if ready is None and not found:
        raise UsageError("there is no image", "Give paths, PIL images, arrays or tensors.")
    with loaded_model(model, runtime) as (candidate, _, loaded):
        if ready is None:
            return list(predicting.predict(candidate, loaded, found, top, resize=resize, strict=strict))
        return _of_inputs(candidate, loaded, ready, top)


@contextmanager
def session(
    model: Model, *, runtime: str | None = None, device: "Device | None" = None, threads: int | None = None
) -> "Iterator[Session]":
    """Load the model once, to run it often: `with artifact.session() as session: session.predict(batch)`.

    Args:
        model: An artifact, or a checkpoint.
        runtime: The engine; None is PyTorch for a checkpoint, and the first that runs an artifact here.
        device: Where to run; None is the engine's first.
        threads: Of the engine; None is one for each core that this process may use.

    Yields:
        What runs it: `predict` takes a batch as the model's input is described, float32 (N, C, H, W) or
        uint8 (N, H, W, C), and gives float32 (N, classes) logits.

    Raises:
        UsageError: The runtime does not run the model.
        UnavailableError: The runtime is not on this machine.
    """
    with loaded_model(model, runtime, device, threads) as (_, _, loaded):
        yield loaded


@contextmanager
def loaded_model(
    model: Model, runtime: str | None, device: "Device | None" = None, threads: int | None = None
) -> "Iterator[tuple[Candidate, str, Session]]":
    """What is run, the name of the runtime with its variant, and the session."""
    from ..core.hosts import available_cores
    from ..core.limits import check_counts
    from ..export import predicting
    from ..export.contract.runtime import opened

    if threads is not None and threads < 1:
        raise UsageError(f"`threads={threads}` is not possible", "Give `threads=1` or more.")
    check_counts(threads=[threads or 1])
    candidate, engine, variant = predicting.resolve(model, runtime)
    name = f"{engine.name}:{variant}" if variant else engine.name
    where = device or engine.devices[0]
    with opened(engine, candidate, device=where, threads=threads or available_cores(), variant=variant) as loaded:
        yield candidate, name, loaded


def _of_inputs(
    candidate: Candidate, loaded: "Session", batch: "NDArray[np.float32]", top: int
) -> "list[Prediction | Failure]":
    """Of images that are normalised already. One at a time, so that any batch size will do."""
    import numpy as np

    from ..export.predicting import prediction

    if candidate.input.dtype == "uint8":
        raise UsageError(
            f"this artifact of {candidate.source_ref} takes raw pixels, not floats of {batch.shape[1:]}",
            "Give pictures, or uint8 tensors: it normalises them itself.",
        )
    if batch.shape[1:] != candidate.preprocess.input:
        raise UsageError(
            f"{candidate.source_ref} takes {candidate.preprocess.input} images, not floats of {batch.shape[1:]}",
            "Give pictures, or what `transforms()` of the checkpoint makes.",
        )
    if not np.isfinite(batch).all():
        raise UsageError("the images have NaN or infinite values", "Look at what has made them.")
    least, _ = candidate.input.batch_limits
    rows = [loaded.predict(np.repeat(image[None], least, axis=0))[0] for image in batch]
    return [prediction(row, candidate, f"image {number}", top) for number, row in enumerate(rows)]
