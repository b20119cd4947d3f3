"""A checkpoint on disk: a folder with `weights.safetensors` and `checkpoint.json`, and the module it stands for."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..core.documents import read_json, write_json
from ..core.errors import ReszooError
from ..core.files import cache_dir, check_replaceable, sha256_of, staged_folder
from ..core.types import Checkpoint, Metric, ModelSpec, Preprocess, Step, StrPath

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models.resnet import ResNet

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
    checkpoint = read_json(folder / DOCUMENT, Checkpoint, fix)
    if str(checkpoint.weights_path) != WEIGHTS:
        raise ReszooError(f"{folder / DOCUMENT}: weights_path is not {WEIGHTS!r}", fix)
    return msgspec.structs.replace(checkpoint, weights_path=folder / WEIGHTS)


def save(
    folder: StrPath,
    model_state: "Mapping[str, Tensor]",
    *,
    ref: str,
    spec: ModelSpec,
    preprocess: Preprocess,
    labels: tuple[str, ...],
    dataset: str,
    metrics: tuple[Metric, ...],
    licence: str,
    lineage: tuple[Step, ...],
    replace: bool = False,
) -> Checkpoint:
    """Write a checkpoint, whole or not at all. The weights must fit the spec.

    Raises UsageError where something is already; with `replace`, another checkpoint may be.
    """
    from safetensors.torch import save as to_bytes

    folder, may_go = Path(folder), is_ours if replace else None
    check_replaceable(folder, may_go)
    check_fits(model_state, empty_network(spec), ref)
    weights = to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in model_state.items()})
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
        lineage=lineage,
    )
    with staged_folder(folder, may_go) as staging:
        (staging / WEIGHTS).write_bytes(weights)
        write_json(staging / DOCUMENT, checkpoint)
    return msgspec.structs.replace(checkpoint, weights_path=folder.absolute() / WEIGHTS)


def build(checkpoint: Checkpoint) -> "nn.Module":
    """The network with its weights, in eval mode: (N, C, H, W) normalised float32 -> (N, classes) logits."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(checkpoint.weights_path)
    except (SafetensorError, OSError) as error:
        raise ReszooError(
            f"{checkpoint.weights_path} cannot be read: {error}", _get_it_again(checkpoint.weights_path.parent)
        ) from error
    model = empty_network(checkpoint.spec)
    check_fits(state, model, str(checkpoint.weights_path))
    model.load_state_dict(state, assign=True)
    return model.eval()


def empty_network(spec: ModelSpec) -> "ResNet":
    """A network without weights: shapes alone, on the meta device."""
    import torch

    from .. import models

    with torch.device("meta"):
        return models.build(spec)


def check_fits(state: "Mapping[str, Tensor]", network: "nn.Module", what: str) -> None:
    """Refuse weights of another architecture, naming the first parameter that does not fit."""
    expected = network.state_dict()
    fix = "These are the weights of another architecture: give the spec they were trained with."
    for key, tensor in expected.items():
        if key not in state:
            raise ReszooError(f"{what}: {key} is missing, expected shape {_shape(tensor)}", fix)
        if state[key].shape != tensor.shape:
            raise ReszooError(f"{what}: {key} has shape {_shape(state[key])}, expected {_shape(tensor)}", fix)
    if surplus := next((key for key in state if key not in expected), None):
        raise ReszooError(f"{what}: {surplus} of shape {_shape(state[surplus])} is not expected", fix)


def _shape(tensor: "Tensor") -> str:
    return "x".join(map(str, tensor.shape)) or "()"


def _get_it_again(folder: Path) -> str:
    if folder.absolute().parent == cache_dir() / "checkpoints":
        return f"Run `reszoo download {folder.name}`: it replaces a damaged checkpoint."
    return "Copy or make the checkpoint again."
