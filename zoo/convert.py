"""Foreign weights into ours: read without running anything, then renamed. PyTorch reads pickles alone."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError
from ..core.missing import require
from .converters import CONVERTERS, rename

SAFETENSORS = ".safetensors"
AGAIN = "Run the same command again; if it stays so, the file at its address is not a state dict."

State = dict[str, NDArray[Any]]


def check_readable(name: str) -> None:
    """Raises UnavailableError for a file that only PyTorch reads, where that is not installed."""
    if not name.endswith(SAFETENSORS):
        require("torch", f"to read {name}")


def convert(path: Path, converter: str) -> State:
    """The weights in a foreign file, under our names and in float32."""
    return renamed(read_state(path), converter, str(path))


def renamed(foreign: Mapping[str, NDArray[Any]], converter: str, what: str) -> State:
    """`converter` names one of the tables in `converters`, `what` the weights in an error."""
    state: State = {}
    for their_key, array in foreign.items():
        key = rename(their_key, CONVERTERS[converter])
        if key is None:
            raise ReszooError(
                f"{what}: {their_key} of shape {array.shape} is no parameter of a {converter} network",
                "The file is of another architecture: give the converter and the spec that it was made with.",
            )
        state[key] = array if array.dtype.kind in "biu" else array.astype(np.float32)  # bfloat16 is of no kind
        if key.endswith(".running_mean"):  # PyTorch counts batches since 0.4.1; older files lack the number
            state.setdefault(key.replace("running_mean", "num_batches_tracked"), np.array(0))
    if "head.weight" in state and state["head.weight"].ndim == 4:  # timm's classifier is a 1x1 convolution
        state["head.weight"] = state["head.weight"].reshape(len(state["head.weight"]), -1)
    return state


def read_state(path: Path) -> State:
    """A state dict from a .safetensors file or a PyTorch pickle. Code in a pickle is refused, never run."""
    found = _read_safetensors(path) if path.suffix == SAFETENSORS else _read_pickle(path)
    return {key.removeprefix("module."): array for key, array in found.items()}


def _read_safetensors(path: Path) -> State:
    import ml_dtypes  # noqa: F401 - NumPy knows bfloat16 from then on
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ReszooError(f"{path} is damaged, or is no safetensors file: {error}", AGAIN) from error


def _read_pickle(path: Path) -> State:
    check_readable(path.name)
    import torch

    document = _unpickled(path)
    if isinstance(document, Mapping) and "state_dict" in document:
        document = document["state_dict"]
    if not isinstance(document, Mapping):
        raise ReszooError(f"{path} holds an object of type {type(document).__name__}, expected a state dict", AGAIN)
    for key, value in document.items():
        if not isinstance(value, torch.Tensor):
            raise ReszooError(f"{path}: {key} is of type {type(value).__name__}, expected a tensor", AGAIN)
    single = {key: value.float() if value.is_floating_point() else value for key, value in document.items()}
    return {str(key): tensor.detach().numpy() for key, tensor in single.items()}


def _unpickled(path: Path) -> object:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual pickles, which are refused right afterwards
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in any way it likes
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            raise ReszooError(
                f"{path} contains code ({found[1]}) and was refused; none of it was run",
                "Ask for a file that holds a plain state dict, or convert it to safetensors where you trust it.",
            ) from error
        raise ReszooError(f"{path} is damaged, or holds more than a plain state dict: it was refused", AGAIN) from error
