"""What the user chooses about quantization: data only."""

from typing import Literal

from msgspec.structs import force_setattr

from ..core.choices import Choices
from ..core.types import NotNegative, Positive

Calibration = Literal["minmax", "percentile", "entropy", "mse"]
Activations = Literal["u8", "s8"]
Saturation = Literal["certify", "ignore"]


IMAGES = 512  # that are calibrated on, where nobody says how many


class QuantizeConfig(Choices, frozen=True, kw_only=True):
    """How a float model becomes an integer one.

    None is the scheme's own choice, everywhere but of `images`.

    Attributes:
        scheme: A plug-in's name.
        calibration: How an activation's range is chosen from what it held on the calibration images.
        images: How many training images those are; None is 512, or all where there are fewer.
        seed: Chooses them.
        activations: u8 has any zero point, for CPUs; s8 is symmetric, as TensorRT wants it.
        equalise: Cross-layer equalisation before (Nagel et al. 2019, section 4.1).
        bias_correction: Correction of the outputs' means after (Nagel et al. 2019, section 4.2).
        saturation: certify reduces weights until no kernel can saturate 16-bit sums; ignore leaves them.
        keep_float: Names of graph nodes that stay in float, each once.
    """

    scheme: str = "int8"
    calibration: Calibration | None = None
    images: Positive | None = None
    seed: NotNegative = 0
    activations: Activations | None = None
    equalise: bool | None = None
    bias_correction: bool | None = None
    saturation: Saturation | None = None
    keep_float: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        force_setattr(self, "keep_float", tuple(dict.fromkeys(self.keep_float)))
