"""What every scheme refuses, in the same words."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError, UsageError


def already_quantized(sign: str) -> UsageError:
    """`sign` is what shows it."""
    return UsageError(f"the graph is quantized already: {sign}", "Quantize the float checkpoint that it was made from.")


def check_kinds(found: Collection[str], known: Collection[str]) -> None:
    """Refuse a graph with operators of which nobody knows whether they may be quantized."""
    if unknown := sorted(set(found) - set(known)):
        raise ReszooError(
            f"the graph has operators that this scheme does not know: {', '.join(unknown)}",
            "Choose another `scheme`, or report it with the checkpoint's name.",
        )


def check_weights(name: str, values: NDArray[np.generic]) -> None:
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        raise ReszooError(
            f"{bad} of the {values.size} weights of {name!r} are NaN or infinite",
            "Train the checkpoint again, or load an undamaged one.",
        )


def check_activations(name: str, *values: float) -> None:
    """`values` are of that tensor: its lowest and highest will do."""
    if not np.isfinite(values).all():
        raise ReszooError(
            f"the tensor {name!r} is NaN or infinite on the calibration images",
            "Check the checkpoint's accuracy: `bench(REF, accuracy=NAME)`.",
        )
