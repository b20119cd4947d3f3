"""Between a format and a quantization scheme: the graph that the scheme acts on, and the images it looks at."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.documents import to_builtins
from ..core.errors import UnavailableError, UsageError
from ..core.files import explained
from ..core.hosts import versions
from ..core.patience import limited
from ..core.progress import Progress, silent
from ..core.types import Candidate, Checkpoint, ProvenanceStep
from ..datasets.info import info
from ..quantize.config import IMAGES, QuantizeConfig
from ..quantize.contract import Feeds, Scheme, Variants, check_names, scheme_named, schemes
from .candidates import candidate
from .contract.format import Format, GraphFormat, formats
from .contract.options import ExportOptions, input_spec
from .feeding import feed
from .formats.onnx import OnnxFormat
from .parity import refusal, seed_for

if TYPE_CHECKING:
    import numpy as np

    from ..datasets import Dataset

BATCH = 16  # images at once: every tensor of the network is kept for them


def completed(options: ExportOptions, plugin: Format) -> ExportOptions:
    """The options with what they leave open about quantization: the format's natural scheme, the scheme's choices."""
    if options.precision != "int8":
        return options
    config = options.quantize or config_for(plugin)
    scheme, natural = scheme_of(config, plugin), config_for(plugin, config.scheme)
    left_open = [name for name, value in msgspec.structs.asdict(config).items() if value is None]
    config = msgspec.structs.replace(config, **{name: getattr(natural, name) for name in left_open})
    return msgspec.structs.replace(options, quantize=scheme.complete(config))


def config_for(plugin: Format, scheme: str | None = None) -> QuantizeConfig:
    """What the format is quantized with where the user names no more than a scheme, if that."""
    natural = _quantizable(plugin).natural_int8
    return natural if scheme in (None, natural.scheme) else QuantizeConfig(scheme=scheme)


def format_for(scheme: str | None) -> str:
    """The format that a scheme is natural for, else the first that it can quantize; ONNX where none is named."""
    if scheme is None:
        return OnnxFormat.name
    chosen = scheme_named(scheme)
    fitting = [other for other in formats().values() if isinstance(other, GraphFormat) and other.fits(chosen)]

    def distance(plugin: GraphFormat) -> tuple[bool, bool, bool]:
        has_floats = "fp32" in plugin.precisions  # a counterpart to compare with
        return plugin.natural_int8.scheme != scheme, not has_floats, plugin.name != plugin.graph_kind

    return min(fitting, key=distance).name


def scheme_of(config: QuantizeConfig, plugin: Format) -> Scheme:
    """The scheme, if it can work here and on what this format is converted from."""
    source = _quantizable(plugin)
    fitting = [scheme.name for scheme in schemes().values() if source.fits(scheme)]
    if config.scheme in schemes() and config.scheme not in fitting:
        raise UsageError(
            f"scheme {config.scheme} does not quantize the format {plugin.name}", f"Choose {' or '.join(fitting)}."
        )
    return scheme_named(config.scheme)


def _quantizable(plugin: Format) -> GraphFormat:
    if not isinstance(plugin, GraphFormat):
        fitting = ", ".join(name for name, other in formats().items() if isinstance(other, GraphFormat))
        raise UsageError(f"no scheme quantizes the format {plugin.name}", f"Choose one of {fitting}.")
    return plugin


@dataclass(frozen=True)
class Calibrated:
    """A checkpoint's float graph, and what a scheme makes of it for any layers that are to stay in float.

    `graph_sha256` is of the graph's bytes, or of the checkpoint's weights where it has none. `folder` is for `floats`.
    """

    checkpoint: Checkpoint
    plugin: GraphFormat
    options: ExportOptions
    config: QuantizeConfig
    images: "Dataset"
    graph: Any
    graph_sha256: str
    variants: Variants
    folder: Path

    @cached_property
    def floats(self) -> Candidate:
        """The float graph's files, written when they are first asked for."""
        options = _floats(self.options)
        with explained(self.folder), limited():
            self.plugin.convert(self.graph, self.checkpoint, options, self.folder)
        return candidate(self.checkpoint, self.plugin, options, self.folder)

    def write(self, keep_float: Sequence[str], folder: Path) -> Candidate:
        """Write the quantized files in which these nodes stay in float, into an empty folder."""
        config = msgspec.structs.replace(self.config, keep_float=tuple(keep_float))
        options = msgspec.structs.replace(self.options, quantize=config)
        graph, certificate = self.variants.quantized(keep_float)
        with limited():
            self.plugin.convert(graph, self.checkpoint, options, folder)
        done = _step(config, self.images, self.graph_sha256)
        return candidate(self.checkpoint, self.plugin, options, folder, done, certificate=certificate)

    @contextmanager
    def keeping(self, keep_float: Sequence[str]) -> Iterator[Candidate]:
        """The same in a temporary folder, for a runtime to load."""
        with _temporary_folder() as folder:
            with explained(folder):
                written = self.write(keep_float, folder)
            yield written

    def refusal(self, written: Candidate) -> str | None:
        """What `export` would refuse the quantized file for, or None. It is proven on the same images there."""
        return refusal(written, self.checkpoint, self.plugin.parity_runtime, seed_for(self.config))


@contextmanager
def calibrated(
    checkpoint: Checkpoint, plugin: Format, options: ExportOptions, config: QuantizeConfig, progress: Progress = silent
) -> Iterator[Calibrated]:
    """The checkpoint, calibrated as `config` says; its float files are there until the end.

    Raises UnavailableError where the network's training images are not on this machine, and UsageError for a node in
    `config.keep_float` that is never quantized.
    """
    scheme, source = scheme_of(config, plugin), _quantizable(plugin)
    images, floats = calibration_images(checkpoint, config), _floats(options)
    graph = source.graph(checkpoint, floats)
    digest = hashlib.sha256(graph).hexdigest() if isinstance(graph, bytes) else checkpoint.sha256
    variants = scheme.variants(graph, _feeds(checkpoint, floats, images, progress, scheme.passes(config)), config)
    _check_layers(config, variants)
    with _temporary_folder() as folder:
        yield Calibrated(checkpoint, source, options, config, images, graph, digest, variants, folder)


def write_untrained(checkpoint: Checkpoint, plugin: Format, options: ExportOptions, folder: Path) -> Candidate:
    """Write an int8 network with random weights into an empty folder, for timing alone: its ranges are those of noise.

    `options` are complete.
    """
    import numpy as np

    config = options.quantize or config_for(plugin)
    noise = np.random.default_rng(0).standard_normal((BATCH, *checkpoint.spec.input), np.float32)
    source = _quantizable(plugin)
    graph = source.graph(checkpoint, _floats(options))
    quantized = scheme_of(config, plugin).variants(graph, lambda: iter([noise]), config).quantized(())
    with limited():
        source.convert(quantized.graph, checkpoint, options, folder)
    return candidate(checkpoint, plugin, options, folder)


def _floats(options: ExportOptions) -> ExportOptions:
    return msgspec.structs.replace(options, precision="fp32", quantize=None)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with explained(Path(tempfile.gettempdir())):
        folder = tempfile.TemporaryDirectory(prefix="reszoo-")
    with folder as name:
        yield Path(name)


def _check_layers(config: QuantizeConfig, variants: Variants) -> None:
    """Only a layer can be kept in float: a ReLU goes with what it follows, and some nodes are in float anyway."""
    check_names([layer.name for layer in variants.layers], config.keep_float, "layer to keep in float:")


def calibration_images(checkpoint: Checkpoint, config: QuantizeConfig) -> "Dataset":
    """The training images of the network's own data set that its ranges are read from. Nothing else will do."""
    from .. import datasets
    from ..datasets.loading import check_split

    name = checkpoint.dataset
    if not name:
        check_split(name, "train")  # says so
    if not datasets.is_installed(name):
        raise UnavailableError(
            f"quantizing {checkpoint.ref} needs training images of {name}, which is not on this machine",
            f"Bring them in with `reszoo data add {name} PATH...`, cifar10 and cifar100 with `reszoo data get {name}`.",
        )
    try:
        check_split(name, "train")
    except UsageError as error:
        raise UnavailableError(f"quantizing {checkpoint.ref} needs them: {error.problem}", error.fix) from error
    n = config.images or IMAGES
    return datasets.calibration_sample(name, n, config.seed, or_all=config.images is None)


def step(checkpoint: Checkpoint, config: QuantizeConfig, input_sha256: str) -> ProvenanceStep:
    """What was done to the float graph with that hash.

    `indices_sha256` is of the images' positions, int64, `dataset_sha256` of the data set that they are of.
    """
    return _step(config, calibration_images(checkpoint, config), input_sha256)


def _step(config: QuantizeConfig, images: "Dataset", input_sha256: str) -> ProvenanceStep:
    indices = images.indices.astype("<i8").tobytes()
    chosen = {
        key: ",".join(value) if isinstance(value, tuple) else str(value) for key, value in to_builtins(config).items()
    }
    drawn = {
        "images": str(len(images)),
        "dataset": f"{images.name}/{images.split}",
        "indices_sha256": hashlib.sha256(indices).hexdigest(),
    }
    if digest := info(images.name).sha256:
        drawn["dataset_sha256"] = digest
    return ProvenanceStep(
        name="quantize",
        config=chosen | drawn,
        versions=versions(("reszoo", *scheme_named(config.scheme).packages)),
        input_sha256=input_sha256,
    )


def _feeds(checkpoint: Checkpoint, options: ExportOptions, images: "Dataset", progress: Progress, passes: int) -> Feeds:
    """Batches as the float graph takes them: of its fixed size, if it has one (a remainder is left out)."""
    spec, size = input_spec(checkpoint, options), options.batch or BATCH
    if options.batch and len(images) < options.batch:
        raise UsageError(
            f"{len(images)} calibration images do not fill one batch of {options.batch}",
            f"Choose at least {options.batch} images.",
        )
    done = 0

    def feeds() -> "Iterator[np.ndarray]":
        nonlocal done
        for raw, _ in images.batches(checkpoint.preprocess, size):
            if options.batch is None or len(raw) == size:
                yield feed(raw, spec, checkpoint.preprocess)
            done += len(raw)
            progress("calibrating", done, passes * len(images))

    return feeds
