"""A checkpoint on disk: a folder with `weights.safetensors` and `checkpoint.json`, and the module it stands for."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from .. import models
from ..core.documents import read_json, write_json
from ..core.errors import ReszooError, UsageError
from ..core.files import cache_dir, check_replaceable, sha256_of, staged_folder
from ..core.missing import require
from ..core.types import Checkpoint, Metric, ModelSpec, Preprocess, ProvenanceStep, StrPath
from ..models.network import state_shapes

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    State = Mapping[str, Tensor] | Mapping[str, np.ndarray]

WEIGHTS = "weights.safetensors"
DOCUMENT = "checkpoint.json"


def is_ours(folder: Path) -> bool:
    """Whether it holds a checkpoint, damaged or not, and nothing else."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= {WEIGHTS, DOCUMENT}


def read(folder: StrPath) -> Checkpoint:
    """The checkpoint in `folder`. Its weights are as they were saved, byte for byte, or it is an error."""
    folder = Path(folder)
    checkpoint = describe(folder)
    path, fix = checkpoint.weights_path, _get_it_again(folder)
    if not path.is_file():
        raise ReszooError(f"{path} does not exist", fix)
    if (digest := sha256_of(path)) != checkpoint.sha256:
        raise ReszooError(f"{path} is damaged: expected sha256 {checkpoint.sha256}, found {digest}", fix)
    return checkpoint


def describe(folder: Path) -> Checkpoint:
    """The document alone, without a look at the weights. A name in it becomes a path, which is absolute."""
    folder, fix = folder.absolute(), _get_it_again(folder)
    if folder.is_dir() and not (folder / DOCUMENT).is_file():
        raise UsageError(f"{folder} holds no checkpoint: it has no {DOCUMENT}", _other_kind(folder) or fix)
    checkpoint = read_json(folder / DOCUMENT, Checkpoint, fix)
    if str(checkpoint.weights_path) != WEIGHTS:
        raise ReszooError(f"{folder / DOCUMENT}: weights_path is not {WEIGHTS!r}", fix)
    return msgspec.structs.replace(checkpoint, weights_path=folder / WEIGHTS)


def _other_kind(folder: Path) -> str:
    """What to do with a folder of something else."""
    if (folder / "artifact.json").is_file():
        return "It is an artifact: name the checkpoint that it was made of, or use a command for artifacts."
    return "" if any(folder.glob("*.safetensors")) else "Name the folder of a checkpoint, or one of `reszoo list`."


def save(
    folder: StrPath,
    model_state: "State",
    *,
    ref: str,
    spec: ModelSpec,
    preprocess: Preprocess,
    labels: tuple[str, ...],
    dataset: str,
    metrics: tuple[Metric, ...],
    licence: str,
    provenance: tuple[ProvenanceStep, ...],
    replace: bool = False,
) -> Checkpoint:
    """Write a checkpoint, whole or not at all. The weights must fit the spec.

    Raises UsageError where something is already; with `replace`, another checkpoint may be.
    """
    folder, may_go = Path(folder), is_ours if replace else None
    check_replaceable(folder, may_go)
    check_fits(model_state, state_shapes(spec), ref)
    weights = _to_bytes(model_state)
    checkpoint = Checkpoint(
        ref=ref,
        spec=spec,
        weights_path=Path(WEIGHTS),
        sha256=sha256(weights).hexdigest(),
        size_bytes=len(weights),
        preprocess=preprocess,
        labels=labels,
        dataset=dataset,
        metrics=metrics,
        licence=licence,
        provenance=provenance,
    )
    with staged_folder(folder, may_go) as staging:
        (staging / WEIGHTS).write_bytes(weights)
        write_json(staging / DOCUMENT, checkpoint)
    return msgspec.structs.replace(checkpoint, weights_path=folder.absolute() / WEIGHTS)


def _to_bytes(state: "State") -> bytes:
    """As a safetensors file. NumPy's arrays give the same bytes as PyTorch's tensors, and need no PyTorch."""
    import numpy as np

    if all(isinstance(value, np.ndarray) for value in state.values()):
        from safetensors.numpy import save as from_arrays

        return from_arrays({name: np.asarray(value, order="C") for name, value in state.items()})
    from safetensors.torch import save as from_tensors

    return from_tensors({name: cast("Tensor", value).detach().cpu().contiguous() for name, value in state.items()})


def build(checkpoint: Checkpoint) -> "nn.Module":
    """The network with its weights, in eval mode: (N, C, H, W) normalised float32 -> (N, classes) logits."""
    network = empty_network(checkpoint.spec)  # says so where PyTorch is not here
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(checkpoint.weights_path)
    except (SafetensorError, OSError) as error:
        raise ReszooError(
            f"{checkpoint.weights_path} cannot be read: {error}", _get_it_again(checkpoint.weights_path.parent)
        ) from error
    check_fits(state, state_shapes(checkpoint.spec), str(checkpoint.weights_path))
    _check_floats(state, checkpoint.weights_path)
    network.load_state_dict(state, assign=True)
    return network.eval()


def _check_floats(state: "Mapping[str, Tensor]", path: Path) -> None:
    for name, tensor in state.items():
        if not (tensor.is_floating_point() or name.endswith("num_batches_tracked")):
            raise ReszooError(f"{path}: {name} is of {tensor.dtype}, expected floats", _get_it_again(path.parent))


def empty_network(spec: ModelSpec) -> "nn.Module":
    """A network without weights: shapes alone, on the meta device."""
    require("torch", "to build a network")
    import torch

    with torch.device("meta"):
        return models.build(spec)


def check_fits(state: "State", expected: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Refuse weights of another architecture than that of the `expected` shapes, naming the first that does not fit."""
    if found := first_mismatch({key: tuple(value.shape) for key, value in state.items()}, expected):
        raise ReszooError(
            f"{what}: {found}", "These are the weights of another architecture: give the spec they were trained with."
        )


def first_mismatch(
    shapes: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    theirs: Callable[[str], str] = lambda key: key,
) -> str | None:
    """In words, the first tensor that is missing, has another shape, or is not expected; `theirs` names it."""
    for key, shape in expected.items():
        if key not in shapes:
            return f"{theirs(key)} is missing, expected shape {shape_text(shape)}"
        if shapes[key] != shape:
            return f"{theirs(key)} has shape {shape_text(shapes[key])}, expected {shape_text(shape)}"
    if surplus := next((key for key in shapes if key not in expected), None):
        return f"{theirs(surplus)} of shape {shape_text(shapes[surplus])} is not expected"
    return None


def shape_text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "()"


def _get_it_again(folder: Path) -> str:
    if folder.absolute().parent == cache_dir() / "checkpoints":
        return f"Run `reszoo download {folder.name}`: it replaces a damaged checkpoint."
    return "Copy or make the checkpoint again."
