"""Foreign weights into ours: checked, then renamed."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError
from .converters import CONVERTERS, rename, restore
from .reading import State, read_state
from .soundness import check_sound

IN_A_ROW = re.compile(r"^head\.\d+\.(weight|bias)$")  # of a classifier that lies in a row with a dropout


def convert(path: Path, converter: str) -> State:
    """The weights in a foreign file, under our names and in float32."""
    state = read_state(path)
    check_sound(state, str(path))
    return renamed(state, converter, str(path))


def renamed(foreign: Mapping[str, NDArray[Any]], converter: str, what: str) -> State:
    """`converter` names one of the tables in `converters`, `what` the weights in an error."""
    state: State = {}
    origins: dict[str, str] = {}
    for their_key, array in foreign.items():
        key = rename(their_key, CONVERTERS[converter])
        if key is None:
            raise ReszooError(
                f"{what}: {their_key} of shape {array.shape} is no parameter of a {converter} network",
                "The file is of another architecture: give the converter and the spec that it was made with.",
            )
        key = IN_A_ROW.sub(r"head.\1", key)
        if (other := origins.setdefault(key, their_key)) != their_key:
            raise ReszooError(
                f"{what} holds two networks: both {other} and {their_key} are {key}",
                "Leave one of them out with `ignore`.",
            )
        is_counter = key.endswith(".num_batches_tracked")  # which is halved with the rest by who halves everything
        state[key] = array.astype(np.int64 if is_counter else np.float32)
        if key.endswith(".running_mean"):  # PyTorch counts batches since 0.4.1; older files lack the number
            state.setdefault(key.replace("running_mean", "num_batches_tracked"), np.array(0))
    if "head.weight" in state and state["head.weight"].ndim == 4:  # timm's classifier is a 1x1 convolution
        state["head.weight"] = state["head.weight"].reshape(len(state["head.weight"]), -1)
    return state


def named_as(key: str, converter: str) -> str:
    """Our parameter's name in a network that the converter is for: `renamed` the other way round."""
    if (theirs := restore(key, CONVERTERS[converter])) is None:
        raise ReszooError(f"{key} has no name in a {converter} network", "Report it: the table of names lacks it.")
    return theirs
