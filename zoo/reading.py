"""Foreign weights out of their files, as arrays under the names that they have there. Nothing in a file is ever run."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from ..core.errors import ReszooError
from ..core.missing import require
from .kinds import CUT, SAVE_AGAIN, head_of, is_pickle, is_safetensors, refuse_other_kinds

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS = ".safetensors"
# What training loops file a state dict under. Of several, averaged weights come first: they are what is evaluated.
WRAPPERS = ("model_ema", "state_dict_ema", "ema", "ema_state_dict", "state_dict", "model_state_dict", "model", "net")
# What wrappers of modules put before the names of the tensors, in any order and as often as they like.
PREFIX = re.compile(r"(?:(?:module|_orig_mod|model|backbone|net|network)\.)+")
COUNTERS = ("n_averaged",)  # of torch.optim.swa_utils.AveragedModel: no part of the network
NO_STATE = f"Write the weights alone where it was made: {SAVE_AGAIN}."

State = dict[str, NDArray[Any]]


class Found(NamedTuple):
    """The weights in a file, under the names that they have without prefixes.

    names     those names -> the ones in the file
    wrappers  the keys that led to the weights, outermost first
    """

    state: State
    names: dict[str, str]
    wrappers: tuple[str, ...]

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What was taken off the names."""
        return tuple(dict.fromkeys(full.removesuffix(name) for name, full in self.names.items() if full != name))


def check_readable(name: str) -> None:
    """Raises UnavailableError for a file that only PyTorch reads, where that is not installed."""
    if not name.endswith(SAFETENSORS):
        require("torch", f"to read {name}")


def read(path: Path) -> Found:
    """The weights in a safetensors file or a PyTorch file, told by its content. Code in it is refused, never run.

    Raises:
        ReszooError: It is damaged, holds code, or is something else, which is named.
        UnavailableError: It is a PyTorch file, and PyTorch is not installed.
    """
    refuse_other_kinds(path)
    head = head_of(path)
    if is_safetensors(head) or (path.suffix == SAFETENSORS and not is_pickle(head)):
        return unprefixed(_read_safetensors(path), (), str(path))
    require("torch", f"to read {path.name}")
    tensors, wrappers = _unwrapped(_unpickled(path), str(path))
    return unprefixed(arrays(tensors, str(path)), wrappers, str(path))


def read_state(path: Path) -> State:
    """The weights alone."""
    return read(path).state


def unprefixed(state: State, wrappers: tuple[str, ...], what: str) -> Found:
    """The same weights without what wrappers of modules put before their names."""
    names: dict[str, str] = {}
    for full in state:
        name = PREFIX.sub("", full, count=1) if PREFIX.match(full) else full
        if name in names:
            raise ReszooError(
                f"{what} holds two networks: both {names[name]} and {full} are tensors",
                f"Leave one of them out: `ignore={full.removesuffix(name)}*`.",
            )
        if name not in COUNTERS:
            names[name] = full
    return Found({name: state[full] for name, full in names.items()}, names, wrappers)


def arrays(tensors: "Mapping[str, Tensor]", what: str) -> State:
    """As NumPy has them. It has no bfloat16, so halves become single."""
    found: State = {}
    for name, tensor in tensors.items():
        if tensor.is_meta:
            raise ReszooError(f"{what}: {name} is on the meta device, where there are no values", "Load its weights.")
        if tensor.is_quantized or tensor.is_complex() or tensor.is_sparse:
            raise ReszooError(f"{what}: {name} is of {tensor.dtype}, {tensor.layout}", "Expected plain floats.")
        plain = tensor.detach().cpu()
        found[name] = (plain.float() if plain.is_floating_point() else plain).numpy()
    return found


def _read_safetensors(path: Path) -> State:
    import ml_dtypes  # noqa: F401 - NumPy knows bfloat16 from then on
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ReszooError(f"{path} is damaged, or is no safetensors file: {error}", CUT) from error


def _unwrapped(document: object, what: str) -> "tuple[Mapping[str, Tensor], tuple[str, ...]]":
    """The state dict in what was saved, and the keys that led there."""
    import torch

    wrappers: list[str] = []
    while isinstance(document, Mapping):
        inner = _wrapper(document)
        if inner is None:
            break
        wrappers.append(inner)
        document = document[inner]
    if not isinstance(document, Mapping) or not document:
        content = "nothing" if isinstance(document, Mapping) else f"an object of type {type(document).__name__}"
        raise ReszooError(f"{what} holds {content}, expected a state dict", NO_STATE)
    for key, value in document.items():
        if not isinstance(value, torch.Tensor):
            raise ReszooError(f"{what}: {key} is of type {type(value).__name__}, expected a tensor", NO_STATE)
    return {str(key): value for key, value in document.items()}, tuple(wrappers)


def _wrapper(document: Mapping[Any, Any]) -> Any:
    """The key that leads on to the weights: a known one, or the only one of a state dict; None at the state dict."""
    if known := next((key for key in WRAPPERS if isinstance(document.get(key), Mapping)), None):
        return known
    inner = [key for key, value in document.items() if isinstance(value, Mapping) and _holds_tensors(value)]
    return inner[0] if len(inner) == 1 else None


def _holds_tensors(value: Mapping[Any, Any]) -> bool:
    import torch

    return any(isinstance(key, str) and isinstance(each, torch.Tensor) for key, each in value.items())


def _unpickled(path: Path) -> object:
    import torch

    try:
        with warnings.catch_warnings(), path.open("rb") as file:  # of a path, it would go by the suffix
            warnings.simplefilter("ignore")  # about unusual pickles, which are refused right afterwards
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in any way it likes
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            raise ReszooError(
                f"{path} contains code ({found[1]}) and was refused; none of it was run",
                f"It is a whole module, or holds other objects beside its weights. {NO_STATE} Where you trust it, "
                "torch.load(FILE, weights_only=False) reads it, with the code that it was made with.",
            ) from error
        raise ReszooError(
            f"{path} is damaged, or holds more than a plain state dict: it was refused", f"{CUT} {NO_STATE}"
        ) from error
