"""Whether weights can be those of a trained network: finite numbers, and variances above zero."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError

SHOWN = 3
NOT_FINITE = "Training diverged, or half precision overflowed: take an earlier checkpoint, or one in float32."
NOT_POSITIVE = (
    "A variance below zero is damage. One of zero is that of a channel that never changed: where you trust the file, "
    "give it a small one, as in state['NAME'].clamp_(min=1e-12), and save it again."
)
NOT_FLOAT = "These weights are quantized or packed: import the network as it was before that."


def check_sound(state: Mapping[str, NDArray[Any]], what: str) -> None:
    """Raises ReszooError for weights that no training gives, each named by its tensor; `what` names the file."""
    problems: dict[str, list[str]] = {NOT_FLOAT: [], NOT_FINITE: [], NOT_POSITIVE: []}
    for name, array in state.items():
        if array.dtype.kind in "biuc":
            if not name.endswith("num_batches_tracked"):
                problems[NOT_FLOAT].append(f"{name} is of {array.dtype}")
            continue
        values = array.astype(np.float32, copy=False)
        if bad := int(np.count_nonzero(~np.isfinite(values))):
            problems[NOT_FINITE].append(f"{name} has {bad} of {values.size} values that are NaN or infinite")
        elif name.endswith("running_var") and (bad := int(np.count_nonzero(values <= 0))):
            problems[NOT_POSITIVE].append(
                f"{name} has {bad} of {values.size} variances that are not above 0 (the least is {values.min():.3g})"
            )
    for fix, found in problems.items():
        if found:
            more = f"; and {len(found) - SHOWN} more tensors" if len(found) > SHOWN else ""
            raise ReszooError(f"{what}: {'; '.join(found[:SHOWN])}{more}", fix)
