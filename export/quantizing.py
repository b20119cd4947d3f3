"""Between a format and a quantization scheme: the float file that the scheme acts on, and the images it looks at."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..core.documents import to_builtins
from ..core.errors import UnavailableError, UsageError
from ..core.files import explained
from ..core.hosts import versions
from ..core.registry import unknown
from ..core.types import Candidate, Checkpoint, Step
from ..quantize.config import QuantizeConfig
from ..quantize.contract import Feeds, Scheme, Variants, natural_scheme, scheme_named
from .candidates import candidate
from .contract import ExportOptions, Format, input_spec
from .parity import feed, refusal, seed_for

if TYPE_CHECKING:
    import numpy as np

    from ..datasets import Dataset

BATCH = 16  # images at once: every tensor of the network is kept for them

Watch = Callable[[int, int], None]  # images looked at so far, and in all


def completed(options: ExportOptions, format_name: str) -> ExportOptions:
    """The options with what they leave open about quantization: the format's natural scheme, its own calibration."""
    if options.precision != "int8":
        return options
    config = options.quantize or QuantizeConfig(scheme=natural_scheme(format_name).name)
    return msgspec.structs.replace(options, quantize=scheme_of(config, format_name).complete(config))


def scheme_of(config: QuantizeConfig, format_name: str) -> Scheme:
    """The scheme, if it can work here and on files of this format."""
    scheme = scheme_named(config.scheme)
    if format_name not in scheme.formats:
        raise UsageError(
            f"scheme {scheme.name} does not quantize the format {format_name}", f"It takes {', '.join(scheme.formats)}."
        )
    return scheme


@dataclass(frozen=True)
class Calibrated:
    """A checkpoint's float file, `floats`, and what a scheme makes of it for any layers that are to stay in float."""

    checkpoint: Checkpoint
    plugin: Format
    options: ExportOptions
    config: QuantizeConfig
    images: "Dataset"
    floats: Candidate
    variants: Variants

    def write(self, keep_float: Sequence[str], folder: Path) -> Candidate:
        """Write the quantized file in which these nodes stay in float, into an empty folder."""
        config = msgspec.structs.replace(self.config, keep_float=tuple(keep_float))
        options = msgspec.structs.replace(self.options, quantize=config)
        (source,) = self.floats.files
        certificate = self.variants.write(keep_float, folder / source.name)
        done = _step(config, self.images, source.sha256)
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
    checkpoint: Checkpoint, plugin: Format, options: ExportOptions, config: QuantizeConfig, watch: Watch
) -> Iterator[Calibrated]:
    """The checkpoint, calibrated as `config` says; its float file is there until the end.

    Raises UnavailableError where the network's training images are not on this machine, and UsageError for a node in
    `config.keep_float` that is never quantized.
    """
    scheme = scheme_of(config, plugin.name)
    images = calibration_images(checkpoint, config)
    floats = msgspec.structs.replace(options, precision="fp32", quantize=None)
    feeds = _feeds(checkpoint, floats, images, watch, scheme.passes(config))
    with _temporary_folder() as folder:
        with explained(folder):
            plugin.write(checkpoint, floats, folder)
            source = candidate(checkpoint, plugin, floats, folder)
            (model,) = folder.iterdir()
            variants = scheme.variants(model, feeds, config)
        _check_layers(config, variants)
        yield Calibrated(checkpoint, plugin, options, config, images, source, variants)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with explained(Path(tempfile.gettempdir())):
        folder = tempfile.TemporaryDirectory(prefix="reszoo-")
    with folder as name:
        yield Path(name)


def _check_layers(config: QuantizeConfig, variants: Variants) -> None:
    """Only a layer can be kept in float: a ReLU goes with what it follows, and some nodes are in float anyway."""
    layers = [layer.name for layer in variants.layers]
    for name in config.keep_float:
        if name not in layers:
            raise unknown(name, layers, "layer to keep in float:")


def calibration_images(checkpoint: Checkpoint, config: QuantizeConfig) -> "Dataset":
    """The training images of the network's own data set that its ranges are read from. Nothing else will do."""
    from .. import datasets

    name = checkpoint.dataset
    if not datasets.is_installed(name):
        raise UnavailableError(
            f"quantizing {checkpoint.ref} needs training images of {name}, which is not on this machine",
            f"Bring them in with `reszoo data add {name} PATH...`, cifar10 and cifar100 with `reszoo data get {name}`.",
        )
    return datasets.calibration_sample(name, config.images, config.seed)


def step(checkpoint: Checkpoint, config: QuantizeConfig, input_sha256: str) -> Step:
    """What was done to the float file with that hash. `indices_sha256` is of the images' positions, int64."""
    return _step(config, calibration_images(checkpoint, config), input_sha256)


def _step(config: QuantizeConfig, images: "Dataset", input_sha256: str) -> Step:
    indices = images.indices.astype("<i8").tobytes()
    chosen = {
        key: ",".join(value) if isinstance(value, tuple) else str(value) for key, value in to_builtins(config).items()
    }
    drawn = {"dataset": f"{images.name}/{images.split}", "indices_sha256": hashlib.sha256(indices).hexdigest()}
    return Step(
        name="quantize",
        config=chosen | drawn,
        versions=versions(("reszoo", *scheme_named(config.scheme).packages)),
        input_sha256=input_sha256,
    )


def _feeds(checkpoint: Checkpoint, options: ExportOptions, images: "Dataset", watch: Watch, passes: int) -> Feeds:
    """Batches as the float file takes them: of its fixed size, if it has one (a remainder is left out)."""
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
            watch(done, passes * len(images))

    return feeds
