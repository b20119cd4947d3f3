"""Post-training quantization: float graphs become integer ones, and say what that cost. Imported lazily."""

from .config import QuantizeConfig as QuantizeConfig
from .contract import Scheme as Scheme
from .contract import scheme_named as scheme_named

__all__ = ["QuantizeConfig", "Scheme", "scheme_named"]
