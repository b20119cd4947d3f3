"""The proof that an artifact computes what its checkpoint does, on real images."""

from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ReszooError
from ..core.hosts import available_cores
from ..core.types import Candidate, Checkpoint, Parity, Precision, Preprocess, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from ..quantize.config import QuantizeConfig

IMAGES = 256
SEED = 0


def seed_for(config: "QuantizeConfig | None") -> int:
    """Another draw for a quantized model: not only images that its ranges fit are to judge it. Some may be in both."""
    return SEED if config is None else config.seed + 1


class Tolerance(NamedTuple):
    """`error` is the largest difference of a logit, relative to the largest logit; `agreement` the least top-1."""

    error: float
    agreement: float


# With 8 bits, clipping cuts the largest logits on purpose (up to a fifth was seen, on images that were all the more
# certain for it): the error only tells a broken graph, the agreement whether the answers have suffered.
TOLERANCES: dict[Precision, Tolerance] = {
    "fp32": Tolerance(1e-4, 0.999),
    "fp16": Tolerance(2e-2, 0.98),
    "int8": Tolerance(0.25, 0.95),
}
FIXES: dict[Precision, str] = {
    "fp32": "Try another --opset, and report it with the checkpoint's name.",
    "fp16": "Try another --opset or --precision fp32, and report it with the checkpoint's name.",
    "int8": "Try `reszoo quantize` with another --calibration, --bias-correction, or layers kept in --keep-float.",
}


def sample_images(dataset: str, preprocess: Preprocess, n: int, seed: int = SEED) -> "tuple[np.ndarray, str]":
    """`n` real images, uint8 (n, H, W, C) at the network's input size, and where they are from.

    They are training images of the network's own data set where that is on this machine (the test split is for
    measuring), else crops of the photographs that come with scikit-learn. A set of fewer than `n` is repeated.
    """
    import numpy as np

    from .. import datasets

    if datasets.is_installed(dataset):
        drawn = min(n, len(datasets.load(dataset, "train")))
        images, _ = next(datasets.calibration_sample(dataset, drawn, seed).batches(preprocess, drawn))
        return np.resize(images, (n, *images.shape[1:])), f"{dataset}/train"
    from ..datasets.photos import crops

    return crops(n, preprocess, seed), "photo crops"


def feed(images: "np.ndarray", spec: TensorSpec, preprocess: Preprocess) -> "np.ndarray":
    """uint8 (N, H, W, C) images as the artifact wants them: raw, or normalised float32 (N, C, H, W)."""
    from ..datasets.preprocess import normalise

    return images if spec.dtype == "uint8" else normalise(images, preprocess)


def prove(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int = SEED) -> Parity:
    """Run the artifact and its source on the same images. Outside the tolerance is an error."""
    parity, scale = _compare(candidate, checkpoint, runtime_name, seed)
    if found := _outside(parity, candidate.precision, scale):
        raise ReszooError(
            f"the exported model differs from its source: {found}; nothing was written", FIXES[candidate.precision]
        )
    return parity


def refusal(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int = SEED) -> str | None:
    """What `prove` would refuse the artifact for, or None."""
    parity, scale = _compare(candidate, checkpoint, runtime_name, seed)
    return _outside(parity, candidate.precision, scale)


def _compare(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int) -> tuple[Parity, float]:
    """Also the largest logit of the source."""
    import numpy as np

    from .contract import runtimes

    fixed = candidate.input.shape[0]
    n = max(IMAGES, fixed) if isinstance(fixed, int) else IMAGES
    images, origin = sample_images(checkpoint.dataset, checkpoint.preprocess, n, seed)
    expected = _reference(checkpoint, images)
    inputs = feed(images, candidate.input, candidate.preprocess)
    with runtimes()[runtime_name].load(candidate, device="cpu", threads=available_cores(), variant="") as session:
        found = np.concatenate([session.predict(part) for part in _split(inputs, candidate.input)])
    expected = expected[: len(found)]
    difference = np.abs(found.astype(np.float64) - expected)
    parity = Parity(
        reference=f"torch fp32, {checkpoint.ref}",
        images=f"{origin}, seed {seed}",
        n=len(found),
        max_abs_error=float(difference.max()),
        mean_abs_error=float(difference.mean()),
        top1_agreement=float((found.argmax(1) == expected.argmax(1)).mean()),
    )
    return parity, float(np.abs(expected).max())


def _reference(checkpoint: Checkpoint, images: "np.ndarray") -> "np.ndarray":
    import torch

    from ..datasets.preprocess import normalise
    from ..zoo import build

    model = build(checkpoint)
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(normalise(images, checkpoint.preprocess)), 64)
        return torch.cat([model(part) for part in parts]).numpy()


def _split(inputs: "np.ndarray", spec: TensorSpec) -> "list[np.ndarray]":
    """Batches of the fixed size (a remainder is left out), or of 1, 3, 64, 64, ... where the batch is dynamic."""
    import numpy as np

    if isinstance(fixed := spec.shape[0], int):
        return np.split(inputs[: len(inputs) // fixed * fixed], len(inputs) // fixed)
    return np.split(inputs, [1, 1 + 3, *range(1 + 3 + 64, len(inputs), 64)])


def _outside(parity: Parity, precision: Precision, scale: float) -> str | None:
    """How far it is outside the tolerance, if it is."""
    tolerance = TOLERANCES[precision]
    allowed = tolerance.error * scale
    if parity.max_abs_error <= allowed and parity.top1_agreement >= tolerance.agreement:
        return None  # NaN never comes here
    return (
        f"max error {parity.max_abs_error:.3g} (allowed {allowed:.3g}), "
        f"top-1 agreement {parity.top1_agreement:.4f} (at least {tolerance.agreement}) on {parity.n} images"
    )
