"""What a format and a runtime are. Each is one file in `formats/` or `runtimes/`, found by listing the folder.

Vendor packages are imported inside methods only, so that every plug-in can be listed where none is installed.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import msgspec

from ..core.choices import Choices
from ..core.errors import UsageError
from ..core.foreign import ForeignPlugins
from ..core.hosts import versions
from ..core.measured import Kernel
from ..core.missing import not_installed as not_installed
from ..core.missing import unavailable_error as unavailable_error
from ..core.registry import choose, discover
from ..core.types import Candidate, Checkpoint, Precision, TensorSpec, Unavailable
from ..quantize.config import Activations, QuantizeConfig
from ..quantize.contract import GraphKind, Scheme

if TYPE_CHECKING:
    import numpy as np
    import onnx

Device = Literal["cpu", "cuda"]
# Before a profile: the first runs of a shape compile kernels and touch memory.
WARM_UP_RUNS = 20


class BatchRange(Choices, frozen=True, kw_only=True):
    """The batch sizes that an engine is built for, and `opt`, the one that it is fastest at (TensorRT's own terms)."""

    min: int
    opt: int
    max: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.min <= self.opt <= self.max:
            raise UsageError(
                f"{self} is no range of batch sizes",
                "Write the smallest, the usual and the largest, all above 0: `batch=1:8:64`.",
            )

    def __str__(self) -> str:
        return f"{self.min}:{self.opt}:{self.max}"


class ExportOptions(Choices, frozen=True, kw_only=True):
    """What the user chose about an export.

    Attributes:
        precision: Of the exported arithmetic.
        quantize: How, with int8 only; None there is the format's natural scheme with its defaults.
        batch: A fixed batch size; None is a dynamic batch, of any size or of those in `batches`.
        batches: The range of batch sizes that an engine is built for.
        input: What the deployed model is fed with: "float" is the normalised float32 NCHW tensor, "uint8" the raw
            pixels (NHWC), normalised inside the graph.
        opset: The ONNX operator set; None is the format's default.
        compute_capability: The GPUs to build for, as in ("8.6", "12.0"); empty is the format's own choice.
    """

    precision: Precision = "fp32"
    quantize: QuantizeConfig | None = None
    batch: Annotated[int, msgspec.Meta(ge=1)] | None = None
    batches: BatchRange | None = None
    input: Literal["float", "uint8"] = "float"
    opset: int | None = None
    compute_capability: tuple[str, ...] = ()


class Format(ABC):
    """A way to write a network to disk.

    `parity_runtime` is the runtime that runs the files for the parity record. An option that is not in
    `precisions` or `inputs`, or an opset where `has_opset` is false, is refused before anything is written.
    A dynamic batch ends at `largest_batch`; None is no end.
    The same checkpoint and options give the same bytes, where `is_reproducible`. `companions` are those of the files
    written that stand beside the model for people: a runtime needs none of them.
    """

    name: ClassVar[str]
    parity_runtime: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]]
    inputs: ClassVar[tuple[str, ...]] = ("float",)
    has_opset: ClassVar[bool] = False
    has_static_batch: ClassVar[bool] = False
    has_batch_range: ClassVar[bool] = False
    largest_batch: ClassVar[int | None] = None
    is_for_gpus: ClassVar[bool] = False
    is_reproducible: ClassVar[bool] = True
    companions: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]]

    @abstractmethod
    def unavailable(self) -> Unavailable | None:
        """Why this format cannot be written here, or None."""

    @abstractmethod
    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        """Write the model's files into the empty `folder`."""

    def check(self, options: ExportOptions) -> None:
        """Refuse options that this format does not have."""
        if options.precision not in self.precisions:
            raise UsageError(
                f"format {self.name} has no precision {options.precision}", f"It has {', '.join(self.precisions)}."
            )
        if options.quantize is not None and options.precision != "int8":
            raise UsageError(f"precision {options.precision} is not quantized", "Choose precision int8.")
        if options.input not in self.inputs:
            raise UsageError(f"format {self.name} has no {options.input} input", f"It has {', '.join(self.inputs)}.")
        if options.opset is not None and not self.has_opset:
            raise UsageError(f"format {self.name} has no opset", "Leave `opset` away.")
        if options.batch is not None and not self.has_static_batch:
            raise UsageError(f"format {self.name} always has a dynamic batch", "Leave `batch` away.")
        if options.batches is not None and not self.has_batch_range:
            raise UsageError(
                f"format {self.name} takes no range of batch sizes", "Leave `batch` away, or give one size: `batch=8`."
            )
        if options.compute_capability and not self.is_for_gpus:
            raise UsageError(f"format {self.name} is not built for a GPU", "Leave `compute_capability` away.")

    def complete(self, options: ExportOptions) -> ExportOptions:
        """The options with what they leave open and this format has to decide."""
        return options

    def versions(self) -> dict[str, str]:
        """What it is written with, for the provenance; packages that are not installed are left out."""
        return versions(self.packages)

    def stand_in(self, written: Candidate) -> "tuple[Candidate, Runtime] | None":
        """What proves the files where they can be written but not run, if anything does, and what runs that."""
        return None


class GraphFormat(Format):
    """A format that is converted from a graph, so that a quantization scheme can stand between the two.

    `graph_kind` says what the graph is, and with `activations`, those that it can be converted with, which schemes
    there are. `natural_int8` is what precision int8 means, in all that the user leaves open.
    """

    graph_kind: ClassVar[GraphKind]
    activations: ClassVar[tuple[Activations, ...]] = ("u8", "s8")
    natural_int8: ClassVar[QuantizeConfig]

    def fits(self, scheme: Scheme) -> bool:
        """Whether it can be converted from what the scheme makes."""
        return scheme.graph_kind == self.graph_kind and not set(scheme.activations).isdisjoint(self.activations)

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        asked = options.quantize.activations if options.quantize else None
        if asked not in (None, *self.activations):
            raise UsageError(
                f"format {self.name} takes no {asked} activations",
                f"Leave `activations` away, or choose {' or '.join(self.activations)}.",
            )

    @abstractmethod
    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> Any:
        """The network as this format is converted from it: what `graph_kind` stands for."""

    @abstractmethod
    def convert(self, graph: Any, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        """Write the files of the graph, which is quantized where `options.precision` is int8, into `folder`."""

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        self.convert(self.graph(checkpoint, options), checkpoint, options, folder)


class Clock:
    """How runs are timed: `mark` before the first, `finish` after the last, `mark` again, and later `seconds`.

    This one is the host's, which has to wait for the device before it looks.
    """

    name: Literal["host", "cuda_events"] = "host"

    def __init__(self, session: "Session") -> None:
        self.mark: Callable[[], Any] = time.perf_counter_ns
        self.finish: Callable[[], None] = session.synchronise

    def seconds(self, start: Any, stop: Any) -> float:
        return float(stop - start) / 1e9


class Session(ABC):
    """A loaded model, ready to run: a context manager that gives its resources back.

    A run has three parts, so that a harness can time the middle one alone:
    `place` moves a batch to where the device reads it, `run` computes (and may return before the device is done;
    `synchronise` waits), `read` brings the logits back. Handles between them are the runtime's own; what `run` gives
    may be overwritten by the next run.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def place(self, batch: "np.ndarray") -> Any:
        """A batch as the artifact's input spec describes it, where `run` can read it."""

    @abstractmethod
    def run(self, placed: Any) -> Any:
        """Compute the logits; returns a handle for `read`."""

    @abstractmethod
    def read(self, result: Any) -> "np.ndarray":
        """The logits on the host, (N, classes) float32."""

    def synchronise(self) -> None:  # noqa: B027 - a CPU runtime has nothing to add
        """Wait until the device has finished. CPU runtimes have, when `run` returns."""

    def clock(self) -> Clock:
        """What times this session's runs."""
        return Clock(self)

    def allocator_peak_bytes(self) -> int | None:
        """The most device memory that the runtime's own allocator held, where it has one and tells."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Release the model."""

    def predict(self, batch: "np.ndarray") -> "np.ndarray":
        """The whole way: place, run, read."""
        return self.read(self.run(self.place(batch)))

    def repeat(self, placed: Any, runs: int, limit_s: float) -> int:
        """Run `runs` times, or until `limit_s` seconds are over; gives how often that was, at least once."""
        done, end = 0, time.monotonic() + limit_s
        while done == 0 or (done < runs and time.monotonic() < end):
            self.run(placed)
            self.synchronise()
            done += 1
        return done


class Runtime(ABC):
    """An engine that runs artifacts of some formats. `variants` are its own ways to do so ("" is the default).

    The default loads a model as a program of its users' does that follows the engine's guide: what is done beyond
    that for speed is a variant with a name. `slow_variants` are those that take minutes to load a model: they are used
    only where they are named. `lossy_variants` are those that compute with fewer bits than the artifact has.
    `packages` are those that pip may have installed it from, where they are not called as it is.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    formats: ClassVar[tuple[str, ...]]
    devices: ClassVar[tuple[Device, ...]] = ("cpu",)
    variants: ClassVar[tuple[str, ...]] = ("",)
    slow_variants: ClassVar[tuple[str, ...]] = ()
    lossy_variants: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        """Why it (or this variant of it) cannot run on this device here, or None."""

    @abstractmethod
    def preload(self) -> None:
        """Import the engine, so that the import is not counted as loading the model."""

    @abstractmethod
    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> Session:
        """Open the model."""

    def profile(
        self, model: Candidate, batch: "np.ndarray", *, device: Device, threads: int, runs: int, limit_s: float
    ) -> tuple[Kernel, ...] | None:
        """The kernels of one run of `batch` on the device, in their order, by the runtime's own profiler.

        Their seconds are means over `runs` runs, or over fewer that take `limit_s`, after others to warm up.
        None, the default: this runtime tells nothing of its kernels.
        """
        return None

    @property
    def has_profile(self) -> bool:
        """Whether `profile` tells anything."""
        return type(self).profile is not Runtime.profile

    def run_graph(self, model: "onnx.ModelProto", batch: "np.ndarray") -> "dict[str, np.ndarray] | None":
        """All outputs of an ONNX graph with one input, by name, as this CPU computes them with all optimisations.

        None, the default: this runtime does not run ONNX.
        """
        return None


@cache
def formats() -> Mapping[str, Format]:
    from . import formats as package

    return discover(package, "FORMAT", ForeignPlugins("formats", Format, _unusable_format))


@cache
def runtimes() -> Mapping[str, Runtime]:
    from . import runtimes as package

    return discover(package, "RUNTIME", ForeignPlugins("runtimes", Runtime, _unusable_runtime))


def _unusable_format(missing: Unavailable) -> Format:
    class Unusable(Format):
        name = missing.what
        parity_runtime = ""
        precisions = ("fp32", "fp16", "int8")
        packages = (missing.what,)

        def unavailable(self) -> Unavailable:
            return missing

        def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
            raise unavailable_error(missing)

    return Unusable()


def _unusable_runtime(missing: Unavailable) -> Runtime:
    class Unusable(Runtime):
        name = missing.what
        formats = ()

        def unavailable(self, device: Device, variant: str = "") -> Unavailable:
            return missing

        def preload(self) -> None:
            raise unavailable_error(missing)

        def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> Session:
            raise unavailable_error(missing)

    return Unusable()


def format_named(name: str) -> Format:
    """The format plug-in; an unknown one is a usage error, one that cannot work here an UnavailableError."""
    chosen: Format = choose(formats(), name, "format")
    if missing := chosen.unavailable():
        raise unavailable_error(missing)
    return chosen


def parse_runtime(text: str) -> tuple[Runtime, str]:
    """ "torch:channels_last" -> the runtime and its variant."""
    name, _, variant = text.partition(":")
    runtime: Runtime = choose(runtimes(), name, "runtime")
    if variant not in runtime.variants:
        known = ", ".join(f"{name}:{v}" if v else name for v in runtime.variants)
        raise UsageError(f"runtime {name} has no variant {variant!r}", f"It has {known}.")
    return runtime, variant


def input_spec(checkpoint: Checkpoint, options: ExportOptions, largest_batch: int | None = None) -> TensorSpec:
    """The deployed model's input; `largest_batch` is the format's."""
    channels, height, width = checkpoint.spec.input
    batch = _batch(options, largest_batch)
    if options.input == "uint8":
        return TensorSpec(name="input", shape=(batch, height, width, channels), dtype="uint8", layout="NHWC")
    return TensorSpec(name="input", shape=(batch, channels, height, width), dtype="float32", layout="NCHW")


def output_spec(checkpoint: Checkpoint, options: ExportOptions, largest_batch: int | None = None) -> TensorSpec:
    shape = (_batch(options, largest_batch), checkpoint.spec.num_classes)
    return TensorSpec(name="logits", shape=shape, dtype="float32", layout="NC")


def _batch(options: ExportOptions, largest: int | None) -> int | str:
    """As `TensorSpec.batch_limits` reads it."""
    if options.batches:
        return f"{options.batches.min}..{options.batches.max}"
    return options.batch or (f"1..{largest}" if largest else "batch")
