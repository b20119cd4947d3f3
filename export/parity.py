"""The proof that an artifact computes what its checkpoint does, on real images."""

import math
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ReszooError
from ..core.threads import torch_threads
from ..core.types import Candidate, Checkpoint, Parity, Precision, Preprocess, ProvenWay, TensorSpec
from .feeding import SEED, feed, sample_images
from .ways import Way, plain_way, runnable, ways

if TYPE_CHECKING:
    import numpy as np

    from ..quantize.config import QuantizeConfig

IMAGES = 256
# The sizes that a user meets: one image, an odd number, many. A sixteenth of the images' number are runs of each small.
BATCHES, SMALL_BATCHES = (1, 3, 32), 16
# Above so many pixels an image costs a large network a tenth of a second, in each way.
SMALL, FEWER_IMAGES = 64 * 64, 32
STANDARD_ERRORS = 3
FEW = 4  # at once in PyTorch, so that their activations stay in the processor's caches
REPORT = "Report it with the checkpoint's name."


def seed_for(config: "QuantizeConfig | None") -> int:
    """Another draw for a quantized model: not only images that its ranges fit are to judge it. Some may be in both."""
    return SEED if config is None else config.seed + 1


class ParityError(ReszooError):
    """An export gives other answers than its source: nothing was written."""


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


# Two classes of one image whose logits are nearer, relative to the largest logit, are a tie: sums of fp32 in another
# order decide it. Such sums differed by 1e-6 where nothing was wrong.
TIE = 1e-5


def prove(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int = SEED) -> Parity:
    """Run the artifact in all its ways, and its source, on the same images. Outside the tolerance is an error.

    `runtime_name` is the runtime that its run.py is for, which lies beside the model if there is to be one.
    """
    run = _run(ways(candidate, runtime_name), candidate, checkpoint, seed)
    if found := run.refusal():
        problem = "; ".join([found, *_where(candidate, checkpoint, seed), "nothing was written"])
        raise ParityError(f"the exported model differs from its source: {problem}", _fix(candidate))
    running, _ = runnable(candidate, runtime_name)
    return run.record(checkpoint.ref, None if running is candidate else running.format)


def _where(candidate: Candidate, checkpoint: Checkpoint, seed: int) -> list[str]:
    """The first layer that differs, if one can be looked for. Whatever goes wrong here, the refusal stands."""
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
    from .contract.format import formats

    if candidate.precision == "int8":
        return _int8_fix(candidate)
    tries = ["another `opset`"] if formats()[candidate.format].has_opset else []
    tries += ["`precision=fp32`"] if candidate.precision != "fp32" else []
    return f"Try {' or '.join(tries)}, and r{REPORT[1:]}" if tries else REPORT


def _int8_fix(candidate: Candidate) -> str:
    """What its scheme has and was not asked for. Only ONNX graphs can be explained."""
    from ..quantize.contract import schemes

    config = next(step.config for step in reversed(candidate.provenance) if step.name == "quantize")
    scheme = schemes()[config["scheme"]]
    tries = ["another `calibration`"] if len(scheme.calibrations) > 1 else []
    if True in scheme.bias_correction and config["bias_correction"] != str(True):
        tries.append("`bias_correction=True`")
    tries.append("`max_drop`, which keeps layers in float")
    call = f"quantize({candidate.source_ref}, scheme={scheme.name}"
    fix = f"Try `{call}, to={candidate.format})` with {' or '.join(tries)}."
    return f"{fix} `{call}, explain=True)` looks for the first bad layer." if scheme.graph_kind == "onnx" else fix


def refusal(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int = SEED) -> str | None:
    """What its runtime alone shows to be wrong, or None. It is quicker than `prove`, which has the last word."""
    return _run([plain_way(candidate, runtime_name)], candidate, checkpoint, seed).refusal()


def measured(candidate: Candidate, checkpoint: Checkpoint, runtime_name: str, seed: int = SEED) -> Parity:
    """The record of its runtime alone, whatever it shows: nothing is refused."""
    return _run([plain_way(candidate, runtime_name)], candidate, checkpoint, seed).record(checkpoint.ref, None)


class Result(NamedTuple):
    """What one way gave, at one batch size, and what the source gives for the same images."""

    way: str
    batch: int
    found: "np.ndarray"
    expected: "np.ndarray"


class ParityRun(NamedTuple):
    """The results of all ways, on images from `origin`; `scale` is the largest logit of the source."""

    precision: Precision
    origin: str
    scale: float
    results: "tuple[Result, ...]"

    def refusal(self) -> str | None:
        """The first way that is outside the tolerance, at one batch size or in all: which, and how far."""
        for result in self.results:
            if found := _outside([result], self.precision, self.scale):
                return f"{result.way} in batches of {result.batch}: {found}"
        for way, results in self.by_way().items():
            if found := _outside(results, self.precision, self.scale):
                return f"{way}: {found}"
        return None

    def by_way(self) -> dict[str, list[Result]]:
        groups: dict[str, list[Result]] = {}
        for result in self.results:
            groups.setdefault(result.way, []).append(result)
        return groups

    def record(self, ref: str, through: str | None) -> Parity:
        """The figures of the first way, and of each."""
        proven = {way: _measured(results, self.scale) for way, results in self.by_way().items()}
        first = next(iter(proven.values()))
        return Parity(
            reference=f"torch fp32, {ref}",
            images=self.origin,
            n=first.n,
            max_abs_error=first.max_error,
            mean_abs_error=first.mean_error,
            top1_agreement=first.agreement,
            through=through,
            ways=tuple(
                ProvenWay(
                    name=way,
                    batches=tuple(result.batch for result in results),
                    n=proven[way].n,
                    max_abs_error=proven[way].max_error,
                    top1_agreement=proven[way].agreement,
                )
                for way, results in self.by_way().items()
            ),
        )


class Figures(NamedTuple):
    n: int
    max_error: float
    mean_error: float
    agreement: float


def _run(to_go: list[Way], candidate: Candidate, checkpoint: Checkpoint, seed: int) -> ParityRun:
    """The first way is gone on `IMAGES` images, the others on fewer where the images are large."""
    import numpy as np

    first = batches(candidate.input, IMAGES)
    others = first if is_small(candidate.preprocess) else batches(candidate.input, FEWER_IMAGES)
    n = sum(first.values())
    images, origin = sample_images(checkpoint.dataset, checkpoint.preprocess, n, seed)
    expected = reference(checkpoint, images)
    results = []
    for way, sizes in zip(to_go, [first, *[others] * (len(to_go) - 1)], strict=True):
        ends = list(accumulate(sizes.values()))
        slices = [slice(end - count, end) for end, count in zip(ends, sizes.values(), strict=True)]
        logits = way.run([(images[part], batch) for part, batch in zip(slices, sizes, strict=True)])
        for part, batch, found in zip(slices, sizes, logits, strict=True):
            if found.shape != expected[part].shape:
                shapes = f"{found.shape}, not {expected[part].shape}"
                raise ReszooError(f"{way.name} gives logits of the shape {shapes}", REPORT)
            results.append(Result(way.name, batch, found, expected[part]))
    return ParityRun(candidate.precision, f"{origin}, seed {seed}", float(np.abs(expected).max()), tuple(results))


def is_small(preprocess: Preprocess) -> bool:
    """Whether its images cost next to nothing."""
    _, height, width = preprocess.input
    return height * width <= SMALL


def batches(spec: TensorSpec, n: int) -> dict[int, int]:
    """The images to run at each batch size: at least `n`, in whole batches of 1, 3 and mostly 32, within its limits."""
    least, most = spec.batch_limits
    *small, large = sorted({max(least, min(size, most or size)) for size in BATCHES})
    counts = {size: size * (n // SMALL_BATCHES) for size in small}
    return counts | {large: large * math.ceil(max(n - sum(counts.values()), 1) / large)}


def reference(checkpoint: Checkpoint, images: "np.ndarray") -> "np.ndarray":
    """The logits of the source, in PyTorch; `images` are uint8 (N, H, W, C)."""
    import torch

    from ..datasets.preprocess import normalise
    from ..zoo import build

    model = build(checkpoint)
    with torch_threads(), torch.inference_mode():
        parts = torch.split(torch.from_numpy(normalise(images, checkpoint.preprocess)), FEW)
        logits = torch.cat([model(part) for part in parts]).numpy()
    _check_source(logits, checkpoint)
    return logits


def _check_source(logits: "np.ndarray", checkpoint: Checkpoint) -> None:
    """Raises ReszooError where no export could be right: the source itself gives no numbers."""
    import numpy as np

    if bad := int(np.count_nonzero(~np.isfinite(logits).all(axis=1))):
        raise ReszooError(
            f"the source itself is broken: {checkpoint.ref} gives NaN or infinite logits in PyTorch for {bad} of "
            f"{len(logits)} real images; nothing was written",
            "No export mends that. Its weights are not finite, or too large for float32 sums: train or get it again.",
        )


def _measured(results: list[Result], scale: float) -> Figures:
    """An image agrees if its class is the source's first, or one that ties with it."""
    import numpy as np

    found, expected = (np.concatenate(each) for each in zip(*((r.found, r.expected) for r in results), strict=True))
    difference = np.abs(found.astype(np.float64) - expected)
    answered = np.take_along_axis(expected, found.argmax(1)[:, None], axis=1)[:, 0]
    agreement = float((answered >= expected.max(1) - TIE * scale).mean())
    return Figures(len(found), float(difference.max()), float(difference.mean()), agreement)


def _outside(results: list[Result], precision: Precision, scale: float) -> str | None:
    """How far they are outside the tolerance, if they are. Of few images, some more may fall by chance."""
    tolerance, figures = TOLERANCES[precision], _measured(results, scale)
    allowed, least = tolerance.error * scale, tolerance.agreement
    if figures.n < IMAGES:
        least -= STANDARD_ERRORS * math.sqrt(least * (1 - least) / figures.n)
    if figures.max_error <= allowed and figures.agreement >= least:
        return None  # NaN never comes here
    return (
        f"max error {figures.max_error:.3g} (allowed {allowed:.3g}), "
        f"top-1 agreement {figures.agreement:.4f} (at least {least:.3g}) on {figures.n} images"
    )
