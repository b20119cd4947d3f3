"""Foreign weights out of their files, as arrays under the names that they have there. Nothing in a file is ever run."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ReszooError, UsageError
from ..core.missing import require
from .kinds import COPY_AGAIN, SAVE_AGAIN, head_of, is_pickle, is_safetensors, refuse_other_kinds

SAFETENSORS = ".safetensors"
# What training loops file a state dict under. Of several, averaged weights come first: they are what is evaluated.
WRAPPERS = ("model_ema", "state_dict_ema", "ema", "ema_state_dict", "state_dict", "model_state_dict", "model", "net")
RANKS: Mapping[object, int] = {key: rank for rank, key in enumerate(WRAPPERS)}
DEPTH = 8  # of mappings within each other; an optimizer's state lies as deep as any that people save
# What wrappers of modules put before the names of the tensors, in any order and as often as they like.
PREFIX = re.compile(r"^(?:(?:module|_orig_mod|model|base_model|backbone|encoder|resnet|net|network)\.)+")
COUNTERS = ("n_averaged",)  # of torch.optim.swa_utils.AveragedModel: no part of the network
MOST_REPEATED = 4  # times that the bytes of a file may stand for several tensors: tied ones do
NO_STATE = f"Write the weights alone where it was made: {SAVE_AGAIN}."

State = dict[str, NDArray[Any]]
Keys = tuple[object, ...]


class Found(NamedTuple):
    """The weights in a file, under the names that they have without prefixes.

    names     those names -> the ones in the file
    wrappers  the keys that led to the weights, outermost first
    left_out  the names in the file of what was ignored
    """

    state: State
    names: dict[str, str]
    wrappers: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What was taken off the names."""
        return tuple(dict.fromkeys(full.removesuffix(name) for name, full in self.names.items() if full != name))


def check_readable(name: str) -> None:
    """Raises UnavailableError for a file that only PyTorch reads, where that is not installed."""
    if not name.endswith(SAFETENSORS):
        require("torch", f"to read {name}")


def read(path: Path, ignore: Sequence[str] = ()) -> Found:
    """The weights in a safetensors file or a PyTorch file, told by its content. Code in it is refused, never run.

    Args:
        path: The file.
        ignore: Patterns of what is left out, by its name in the file, or without what wrappers put before it.

    Raises:
        ReszooError: It is damaged, holds code or two networks, or is something else, which is named.
        UsageError: A pattern leaves out nothing.
        UnavailableError: It is a PyTorch file, and PyTorch is not installed.
    """
    refuse_other_kinds(path)
    head, what = head_of(path), str(path)
    if is_safetensors(head) or (path.suffix == SAFETENSORS and not is_pickle(head)):
        return weights_of(_read_safetensors(path), what, ignore)
    require("torch", f"to read {path.name}")
    wrappers, values = _unwrapped(_unpickled(path), what)
    return weights_of(values, what, ignore, wrappers, path.stat().st_size)


def read_state(path: Path) -> State:
    """The weights alone."""
    return read(path).state


def weights_of(
    values: Mapping[str, object],
    what: str,
    ignore: Sequence[str] = (),
    wrappers: tuple[str, ...] = (),
    size_bytes: int | None = None,
) -> Found:
    """The weights as arrays, without what wrappers of modules put before their names.

    Args:
        values: What has the names of tensors: tensors of PyTorch or NumPy's arrays, or it is an error.
        what: Names them in errors.
        ignore: Patterns of what is left out before anything is asked of it.
        wrappers: The keys that led to the values.
        size_bytes: Of the file that they are from; None where they are from none.
    """
    left_out = _left_out(values, what, ignore)
    kept = {full: value for full, value in values.items() if full not in left_out and _bare(full) not in COUNTERS}
    if size_bytes is not None:
        _check_size(kept, size_bytes, what)
    names: dict[str, str] = {}
    state: State = {}
    for full, value in kept.items():
        name, array = _bare(full), _array(value, f"{what}: {full}")
        if name in names and not np.array_equal(state[name], array):  # the same twice is one that has two names
            raise _two_networks(names[name], full, name, what)
        state.setdefault(name, array)
        names.setdefault(name, full)
    return Found(state, names, wrappers, tuple(left_out))


def _bare(full: str) -> str:
    return PREFIX.sub("", full)


def _left_out(names: Iterable[str], what: str, ignore: Sequence[str]) -> dict[str, None]:
    """The names that the patterns fit; a pattern that fits none in the file counts for those without prefixes."""
    found: dict[str, None] = {}
    for pattern in ignore:
        fits = [full for full in names if fnmatchcase(full, pattern)]
        fits = fits or [full for full in names if fnmatchcase(_bare(full), pattern)]
        if not fits:
            raise UsageError(f"{what} has no tensor that {ignored(pattern)} leaves out", "Leave out that pattern.")
        found |= dict.fromkeys(fits)
    return found


def ignored(pattern: str) -> str:
    """The option that leaves it out, in quotes: shells would take it for files."""
    return f"`ignore='{pattern}'`"


def _two_networks(one: str, other: str, name: str, what: str) -> ReszooError:
    prefix = max(one.removesuffix(name), other.removesuffix(name), key=len)  # no name of the other begins so
    return ReszooError(
        f"{what} holds two networks: {one} and {other} differ",
        f"Leave one of them out, as with {ignored(f'{prefix}*')}.",
    )


def _check_size(values: Mapping[str, object], size_bytes: int, what: str) -> None:
    """A view of few bytes can have any shape, and would take all memory as an array."""
    import torch

    tensors = [value for value in values.values() if isinstance(value, torch.Tensor)]
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if total > MOST_REPEATED * size_bytes:
        raise ReszooError(
            f"{what} has {size_bytes} bytes and its tensors {total}: they repeat some values",
            f"{COPY_AGAIN} {NO_STATE}",
        )


def _array(value: object, what: str) -> NDArray[Any]:
    """As NumPy has it, which has no bfloat16: halves become single."""
    if isinstance(value, np.ndarray):
        return value
    import torch

    if not isinstance(value, torch.Tensor):
        raise ReszooError(f"{what} is of type {type(value).__name__}, expected a tensor", NO_STATE)
    if value.is_meta:
        raise ReszooError(f"{what} is on the meta device, where there are no values", "Load its weights.")
    if value.is_quantized or value.is_complex() or value.layout is not torch.strided:
        raise ReszooError(f"{what} is of {value.dtype}, {value.layout}", "Expected plain floats.")
    plain = value.detach().cpu()
    array: NDArray[Any] = (plain.float() if plain.is_floating_point() else plain).numpy()
    return array


def _read_safetensors(path: Path) -> State:
    import ml_dtypes  # noqa: F401 - NumPy knows bfloat16 from then on
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ReszooError(f"{path} is damaged, or is no safetensors file: {error}", COPY_AGAIN) from error


def _unwrapped(document: object, what: str) -> tuple[tuple[str, ...], dict[str, object]]:
    """The keys that lead to the state dict in what was saved, and what it holds."""
    if not isinstance(document, Mapping) or not document:
        content = "nothing" if isinstance(document, Mapping) else f"an object of type {type(document).__name__}"
        raise ReszooError(f"{what} holds {content}, expected a state dict", NO_STATE)
    mappings = _mappings(document)
    path = _way_to_weights({path: _weights_in(each) for path, each in mappings.items()}, what)
    return tuple(map(str, path)), {str(key): value for key, value in mappings[path].items()}


def _mappings(document: Mapping[Any, Any]) -> dict[Keys, Mapping[Any, Any]]:
    """Every mapping in it by the keys that lead there, each once; those of optimizers are left out."""
    found: dict[Keys, Mapping[Any, Any]] = {(): document}
    seen, waiting = {id(document)}, list(found)
    for path in waiting:
        for key, value in found[path].items():
            if isinstance(value, Mapping) and id(value) not in seen and "param_groups" not in value:
                seen.add(id(value))
                found[(*path, key)] = value
                if len(path) + 1 < DEPTH:
                    waiting.append((*path, key))
    return found


def _weights_in(mapping: Mapping[Any, Any]) -> int:
    """How many matrices and convolutions lie in it under names."""
    import torch

    return sum(
        isinstance(key, str) and isinstance(value, torch.Tensor) and value.ndim > 1 for key, value in mapping.items()
    )


def _way_to_weights(counts: Mapping[Keys, int], what: str) -> Keys:
    """The way to the mapping of weights: by a known key, else by the shortest; () where there are none.

    A mapping beside or above weights may hold a few tensors too, such as the best accuracy: of two on one way, that
    with the most counts.
    """
    found = {path: count for path, count in counts.items() if count}
    outdone = {
        path[:n] for path, count in found.items() for n in range(len(path)) if found.get(path[:n], count) <= count
    }

    def rank(path: Keys) -> tuple[int, int]:
        return min((RANKS.get(key, len(RANKS)) for key in path), default=len(RANKS)), len(path)

    ways = sorted((path for path in found if path not in outdone), key=rank)
    equal = [path for path in ways if rank(path) == rank(ways[0])]
    if len(equal) > 1:
        listed = ", ".join(".".join(map(str, path)) for path in equal)
        first = "".join(f"[{key!r}]" for key in equal[0])
        raise ReszooError(
            f"{what} holds several state dicts: {listed}",
            f"Write one of them alone: torch.save(checkpoint{first}, 'weights.pth').",
        )
    return ways[0] if ways else ()


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
            f"{path} is damaged, or holds more than a plain state dict: it was refused", f"{COPY_AGAIN} {NO_STATE}"
        ) from error
