"""The two public classes: what is trained, and what is deployed. Each method is a workflow, its docstring included."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, overload

import msgspec

from .core import types as records
from .core.errors import UsageError
from .core.progress import Progress, silent
from .core.refs import is_on_hub
from .workflows.benchmarking import benchmark
from .workflows.evaluating import evaluate
from .workflows.exporting import export, export_weights
from .workflows.importing import import_checkpoint as run_import
from .workflows.optimization.optimize import Optimized
from .workflows.optimization.optimize import optimize as run_optimize
from .workflows.predicting import predict, session
from .workflows.pruning.prune import prune
from .workflows.pruning.steps import Pruned
from .workflows.pulling import pull
from .workflows.pushing import push
from .workflows.quantization.quantize import Quantized, quantize
from .workflows.references import checkpoint as find
from .workflows.serving import serve
from .workflows.training import train as run_training
from .workflows.trusting import check_signature, sign, write_sbom

if TYPE_CHECKING:
    from torch import nn

    from .datasets.transforms import Transforms

P = ParamSpec("P")


@overload
def public(record: records.Checkpoint | Pruned) -> "Checkpoint": ...
@overload
def public(record: records.Artifact | Quantized) -> "Artifact": ...
def public(record: object) -> object:
    """The record as the class that has the methods."""
    match record:
        case Checkpoint() | Artifact():
            return record
        case records.Checkpoint():
            return Checkpoint(**msgspec.structs.asdict(record))
        case records.Artifact():
            return Artifact(**msgspec.structs.asdict(record))
        case Pruned():
            return public(record.result)
        case Quantized():
            return public(record.artifact)
        case _:
            raise TypeError(f"{type(record).__name__} has no public class")


@overload
def stage(workflow: Callable[P, records.Checkpoint | Pruned]) -> Callable[P, "Checkpoint"]: ...
@overload
def stage(workflow: Callable[P, records.Artifact | Quantized]) -> Callable[P, "Artifact"]: ...
def stage(workflow: Callable[P, Any]) -> Callable[P, Any]:
    """The workflow, whose result has methods, too."""

    @wraps(workflow)
    def call(*args: P.args, **options: P.kwargs) -> Any:
        return public(workflow(*args, **options))

    return call


def _chosen(workflow: Callable[P, Optimized]) -> Callable[P, Optimized]:
    """The search, whose artifact has methods, too."""

    @wraps(workflow)
    def call(*args: P.args, **options: P.kwargs) -> Optimized:
        found = workflow(*args, **options)
        return found._replace(artifact=public(found.artifact)) if found.artifact else found

    return call


class Checkpoint(records.Checkpoint, frozen=True, kw_only=True):
    """A trained network: its spec, its weights, and all that is needed to feed it and to read its answer.

    Attributes:
        ref: Its name.
        spec: The architecture, as data.
        weights_path: The file of its weights.
        preprocess: How a picture becomes the network's input.
        labels: The classes' names, in the order of the logits.
        dataset: What it was trained on.
        metrics: Its accuracies, and who measured them.
        licence: Of the weights.
        provenance: Everything that was done to make it.
    """

    predict = predict
    serve = serve
    evaluate = evaluate
    benchmark = benchmark
    export = stage(export)
    export_weights = export_weights
    prune = stage(prune)
    push = push
    quantize = stage(quantize)

    def __repr__(self) -> str:
        accuracies = [f"{100 * m.value:.2f} % on {m.dataset}/{m.split}" for m in self.metrics]
        purpose = ", ".join(accuracies) or f"for {self.dataset or 'unnamed images'}"
        return f"Checkpoint({self.ref}: {purpose}, {self.size_bytes / 1e6:.3g} MB)"

    def module(self) -> "nn.Module":
        """The network in eval mode: (N, C, H, W) normalised float32 -> (N, classes) logits."""
        from .zoo import build

        return build(self)

    def transforms(self) -> "Transforms":
        """From a picture to the network's input: resize, crop, scale to [0, 1], normalise."""
        from .datasets.transforms import Transforms

        return Transforms(self.preprocess)


class Artifact(records.Artifact, frozen=True, kw_only=True):
    """A proven model in one deployable format: a folder with its files and its manifest.

    Attributes:
        path: The folder.
        format: What its files are: onnx, openvino, litert, ...
        precision: Of its arithmetic.
        input: Name, shape, type and layout of the input.
        output: The same of the logits.
        labels: The classes' names, in the order of the logits.
        files: Each file's name, hash and length.
        source_ref: The checkpoint that it was exported from.
        provenance: Everything that was done to make it.
        parity: How far its logits are from its source's, on real images.
    """

    predict = predict
    serve = serve
    evaluate = evaluate
    benchmark = benchmark
    session = session
    push = push
    write_sbom = write_sbom
    sign = sign
    check_signature = check_signature

    def __repr__(self) -> str:
        agreement = f"top-1 agreement {self.parity.top1_agreement:.4f}"
        size = f"{self.size_bytes / 1e6:.3g} MB"
        return f"Artifact({self.source_ref}: {self.format} {self.precision}, {size}, {agreement}, in {self.path})"


def load(ref: records.StrPath, *, progress: Progress = silent) -> Checkpoint:
    """Load a checkpoint: one of the catalogue or of the hub, which is downloaded if need be, or a folder.

    Args:
        ref: A name of `list_models`, the path of a checkpoint's folder, or `hf://OWNER/NAME[@REVISION][/FILE]`.
        progress: Counts the bytes of a download.

    Returns:
        The checkpoint. Its weights are read when they are needed.

    Raises:
        UsageError: Nothing has that name, or several have, or the folder is an artifact's.
        UnavailableError: It has to be downloaded, and nothing may be asked of the network.
        ReszooError: The download failed, or the folder is damaged.
    """
    return public(find(ref, progress))


def load_artifact(path: records.StrPath, *, progress: Progress = silent) -> Artifact:
    """Load an artifact from its folder, or from the hub.

    Args:
        path: The folder that `export` or `quantize` has written, wherever it was moved, or `hf://OWNER/NAME[@REVISION]`.
        progress: Counts the bytes of a download.

    Returns:
        The artifact; its files are as they were written.

    Raises:
        UsageError: The repository holds a checkpoint.
        UnavailableError: It has to be downloaded, and nothing may be asked of the network.
        ReszooError: There is no artifact, or one of its files is missing or was changed.
    """
    from .export import artifacts

    if not (isinstance(path, str) and is_on_hub(path)):
        return public(artifacts.read(path))
    found = pull(path, progress)
    if isinstance(found, records.Checkpoint):
        raise UsageError(f"{path} is a checkpoint", "Use `reszoo.load`.")
    return public(found)


optimize = _chosen(run_optimize)
train = stage(run_training)
import_checkpoint = stage(run_import)
