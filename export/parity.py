"""The proof that an artifact computes what its checkpoint does, on real images."""

from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ReszooError
from ..core.hosts import available_cores
from ..core.types import Candidate, Checkpoint, Parity, Precision, Preprocess, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from ..quantize.config import QuantizeConfig
    from .contract import Runtime

IMAGES = 256
SEED = 0
# at once: a large batch, and otherwise few, whose activations stay in the processor's caches
MANY, FEW = 32, 4


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
        verdict = "; ".join([found, *_where(candidate, checkpoint, seed), "nothing was written"])
        raise ReszooError(f"the exported model differs from its source: {verdict}", _fix(candidate))
    return parity


def _where(candidate: Candidate, checkpoint: Checkpoint, seed: int) -> list[str]:
    """The first layer that differs, if one can be looked for. Whatever goes wrong here, the verdict stands."""
    try:
        return _first_divergence(candidate, checkpoint, seed)
    except Exception as error:  # of any of the libraries that are asked
        said = (str(error).splitlines() or [""])[0]
        return [f"the layer could not be found ({type(error).__name__}: {said})"]


def _first_divergence(candidate: Candidate, checkpoint: Checkpoint, seed: int) -> list[str]:
    """In words, of what is an ONNX graph or was made from one that is there."""
    from .divergence import IMAGES as ENOUGH
    from .divergence import LEAST_DB, first_divergence
    from .formats.onnx import MODEL_FILE

    graph = candidate.path / MODEL_FILE
    if not graph.is_file() or candidate.precision not in LEAST_DB:
        return []
    least, most = candidate.input.batch_limits
    images, _ = sample_images(checkpoint.dataset, checkpoint.preprocess, max(least, min(ENOUGH, most or ENOUGH)), seed)
    return [first_divergence(graph, candidate, checkpoint, feed(images, candidate.input, candidate.preprocess))]


def _fix(candidate: Candidate) -> str:
    from .contract import formats

    if candidate.precision == "int8":
        return _int8_fix(candidate)
    ways = ["another --opset"] if formats()[candidate.format].has_opset else []
    ways += ["--precision fp32"] if candidate.precision != "fp32" else []
    report = "eport it with the checkpoint's name."
    return f"Try {' or '.join(ways)}, and r{report}" if ways else f"R{report}"


def _int8_fix(candidate: Candidate) -> str:
    """What its scheme has and was not asked for. Only ONNX graphs can be explained."""
    from ..quantize.contract import schemes

    config = next(step.config for step in reversed(candidate.lineage) if step.name == "quantize")
    scheme = schemes()[config["scheme"]]
    ways = ["another --calibration"] if len(scheme.calibrations) > 1 else []
    if True in scheme.bias_correction and config["bias_correction"] != str(True):
        ways.append("--bias-correction")
    ways.append("--max-drop, which keeps layers in float")
    command = f"reszoo quantize {candidate.source_ref} --scheme {scheme.name}"
    fix = f"Try `{command} --to {candidate.format}` with {' or '.join(ways)}."
    return f"{fix} `{command} --explain` looks for the first bad layer." if scheme.graph_kind == "onnx" else fix


def refusal(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int = SEED) -> str | None:
    """What `prove` would refuse the artifact for, or None."""
    parity, scale = _compare(candidate, checkpoint, runtime_name, seed)
    return _outside(parity, candidate.precision, scale)


def _compare(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int) -> tuple[Parity, float]:
    """Also the largest logit of the source."""
    import numpy as np

    model, runtime = runnable(candidate, runtime_name)
    n = IMAGES + candidate.input.batch_limits[0] - 1  # what does not fill a batch is left out
    images, origin = sample_images(checkpoint.dataset, checkpoint.preprocess, n, seed)
    expected = _reference(checkpoint, images)
    inputs = feed(images, candidate.input, candidate.preprocess)
    with runtime.load(model, device=runtime.devices[0], threads=available_cores(), variant="") as session:
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
        through=None if model is candidate else model.format,
    )
    return parity, float(np.abs(expected).max())


def _reference(checkpoint: Checkpoint, images: "np.ndarray") -> "np.ndarray":
    import torch

    from ..datasets.preprocess import normalise
    from ..zoo import build

    model = build(checkpoint)
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(normalise(images, checkpoint.preprocess)), FEW)
        return torch.cat([model(part) for part in parts]).numpy()


def runnable(candidate: Candidate, runtime_name: str) -> "tuple[Candidate, Runtime]":
    """The artifact and its runtime. Where that cannot run here: what stands in for the artifact, and what runs that."""
    from .contract import formats, runtimes

    runtime: Runtime = runtimes()[runtime_name]
    if runtime.unavailable(runtime.devices[0]) and (other := formats()[candidate.format].stand_in(candidate)):
        return other
    return candidate, runtime


def _split(inputs: "np.ndarray", spec: TensorSpec) -> "list[np.ndarray]":
    """Batches of the fixed size, or of 1, 3, 32, 4, 4, ..., within its limits. A remainder below them is left out."""
    import numpy as np

    least, most = spec.batch_limits
    odd, many, few = (max(least, min(size, most or size)) for size in (least + 2, MANY, FEW))
    begin = least + odd + many
    parts = np.split(inputs, [least, least + odd, *range(begin, len(inputs), few)])
    return [part for part in parts if len(part) >= least]


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
