"""What the bisect of a quantized network says: stages, layers, and what is bad first."""

from collections.abc import Sequence
from typing import Literal

from ..core.types import Positive, Record
from ..quantize.causes import Reason
from ..quantize.config import Calibration, QuantizeConfig
from ..quantize.diagnosis import Diagnosis
from ..quantize.layerwise import LayerError

StageName = Literal["preprocessing", "torch", "onnx", "quantized", "runtime"]
AnyReason = Reason | Literal["preprocessing", "arithmetic", "conversion", "saturation", "kernel", "accumulation"]

ADVICE: dict[AnyReason, str] = {
    "preprocessing": "Check mean and std in checkpoint.json.",
    "arithmetic": "Check the weights: sums cancel almost completely in float32.",
    "conversion": "Report it with the checkpoint's name.",
    "outliers": "Keep it in float: `keep_float={name}`.",
    "clipping": "Try more `images`, or keep it in float: `keep_float={name}`.",
    "dead channel": "Keep it in float: `keep_float={name}`.",
    "weights": "Keep it in float: `keep_float={name}`.",
    "rounding": "Keep it in float (`keep_float={name}`), or let `max_drop` choose what to keep.",
    "saturation": "Quantize with `saturation=certify`.",
    "kernel": "Use another version of the runtime, or keep it in float: `keep_float={name}`.",
    "accumulation": "Let `max_drop` choose what to keep in float.",
}
EQUALISED: set[AnyReason] = {"outliers", "dead channel", "weights"}  # by cross-layer equalisation
CALIBRATED: dict[AnyReason, set[Calibration]] = {  # by a range that is read otherwise
    "outliers": {"percentile", "entropy", "mse"},
    "clipping": {"minmax"},
}


class Stage(Record, frozen=True, kw_only=True):
    """One stage against the one before: SQNR in dB and cosine of the tensor that it ends with.

    `lowest` is the one with the lowest SQNR of the `tensors` that were compared.
    """

    name: StageName
    against: str
    sqnr_db: float
    cosine: float
    tensors: Positive
    lowest: str
    lowest_db: float


class FirstBad(Record, frozen=True, kw_only=True):
    """What is bad first, a layer or a tensor, in which stage, and the likely reason.

    "accumulation" has no layer: the logits are bad, though no layer alone is.
    """

    stage: StageName
    name: str
    reason: AnyReason
    what: str
    advice: str


class Explanation(Record, frozen=True, kw_only=True):
    """What was found on `n` images of `images`.

    layers     every quantized layer, in the graph's order
    bad        None if nothing is
    diagnosis  of the first layer whose own error is too large, else of the one whose own error is the largest
    """

    ref: str
    images: str
    n: Positive
    stages: tuple[Stage, ...]
    layers: tuple[LayerError, ...]
    bad: FirstBad | None
    diagnosis: Diagnosis


def advice(reason: AnyReason, name: str, config: QuantizeConfig, calibrations: Sequence[Calibration]) -> str:
    """What may help: first the options that `config` has not tried yet, of the `calibrations` that its scheme has."""
    options = ["`equalise=True`"] if reason in EQUALISED and not config.equalise else []
    helpful = CALIBRATED.get(reason, set()) - {config.calibration}
    options += [f"`calibration={method}`" for method in calibrations if method in helpful]
    tried = [f"Try {' or '.join(options)}."] if options else []
    return " ".join([*tried, ADVICE[reason].format(name=name)])
