"""Real images at a network's input size, and what an artifact is fed with of them."""

from typing import TYPE_CHECKING

from ..core.types import Artifact, Preprocess, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from ..core.measured import Scenario

SEED = 0
POOL = 8  # different batches of a measurement, used in turn, so that no single input stays in the cache


def sample_images(dataset: str, preprocess: Preprocess, n: int, seed: int = SEED) -> "tuple[np.ndarray, str]":
    """`n` real images, uint8 (n, H, W, C) at the network's input size, and where they are from.

    They are training images of the network's own data set where these are on this machine (the other splits are for
    measuring), else crops of the photographs that come with reszoo. A set of fewer than `n` is repeated, which is said.
    """
    import numpy as np

    from .. import datasets
    from ..datasets.info import info

    if datasets.is_installed(dataset) and "train" in info(dataset).counts:
        drawn = min(n, len(datasets.load(dataset, "train")))
        images, _ = next(datasets.calibration_sample(dataset, drawn, seed).batches(preprocess, drawn))
        said = f"{dataset}/train" if drawn == n else f"{dataset}/train ({drawn} images, repeated)"
        return np.resize(images, (n, *images.shape[1:])), said
    from ..datasets.photos import crops

    return crops(n, preprocess, seed), "photo crops"


def feed(images: "np.ndarray", spec: TensorSpec, preprocess: Preprocess) -> "np.ndarray":
    """uint8 (N, H, W, C) images as the artifact wants them.

    Raw, or normalised float32 (N, C, H, W), or normalised and quantized int8 (N, H, W, C).
    """
    import numpy as np

    from ..datasets.preprocess import normalise

    if spec.dtype == "uint8":
        return images
    floats = normalise(images, preprocess)
    if spec.dtype != "int8":
        return floats
    quantized = np.rint(floats / np.float32(spec.scale)) + spec.zero_point
    return np.ascontiguousarray(quantized.clip(-128, 127).astype(np.int8).transpose(0, 2, 3, 1))


def floats_of(values: "np.ndarray", spec: TensorSpec) -> "np.ndarray":
    """What the values of a tensor stand for, as float32."""
    import numpy as np

    if spec.scale is None:
        return values
    return (values.astype(np.float32) - np.float32(spec.zero_point)) * np.float32(spec.scale)


def inputs_for(artifact: Artifact, scenario: "Scenario") -> "np.ndarray":
    """What a measurement runs, in turn: (POOL, batch, ...) as the artifact wants it."""
    images, _ = sample_images(artifact.dataset, artifact.preprocess, POOL * scenario.batch, scenario.seed)
    return feed(images, artifact.input, artifact.preprocess).reshape(POOL, scenario.batch, *artifact.input.shape[1:])
