"""What a runtime is: an engine that runs artifacts, in sessions that can be timed."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from ...core.errors import ReszooError, UsageError
from ...core.foreign import ForeignPlugins, unusable
from ...core.measured import Kernel
from ...core.patience import limited
from ...core.registry import choose, discover
from ...core.types import Candidate, Unavailable

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    import onnx

Device = Literal["cpu", "cuda"]
# Before a profile: the first runs of a shape compile kernels and touch memory.
WARM_UP_RUNS = 20
LONGEST_REASON = 600  # characters of what an engine says


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

    def __enter__(self) -> "Self":
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
        """The whole way: place, run, read. Raises ReszooError where the engine fails, as on a graph of other inputs."""
        with engine_errors(lambda: f"cannot run the model on {batch.dtype} of {batch.shape}"):
            return self.read(self.run(self.place(batch)))

    def repeat(self, placed: Any, runs: int, limit_s: float) -> int:
        """Run `runs` times, or until `limit_s` seconds are over; gives how often that was, at least once."""
        done, end = 0, time.monotonic() + limit_s
        while done == 0 or (done < runs and time.monotonic() < end):
            self.run(placed)
            self.synchronise()
            done += 1
        return done


class Engine(Protocol):
    """What is known of what runs artifacts, wherever it is; of every `Runtime`."""

    @property
    def name(self) -> str: ...
    @property
    def packages(self) -> tuple[str, ...]: ...
    @property
    def formats(self) -> tuple[str, ...]: ...
    @property
    def devices(self) -> tuple[Device, ...]: ...
    @property
    def variants(self) -> tuple[str, ...]: ...
    @property
    def slow_variants(self) -> tuple[str, ...]: ...
    @property
    def untimed(self) -> str: ...
    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None: ...


E = TypeVar("E")  # an Engine, or a Runtime


class Runtime(ABC):
    """An engine that runs artifacts of some formats. `variants` are its own ways to do so ("" is the default).

    The default loads a model as a program of its users' does that follows the engine's guide: what is done beyond
    that for speed is a variant with a name. `slow_variants` are those that take minutes to load a model: they are used
    only where they are named. `lossy_variants` are those that compute with fewer bits than the artifact has.
    `untimed` says why no latency is measured here, where none would tell anything.
    `packages` are those that pip may have installed it from, where they are not called as it is. One that is
    `is_in_browser` computes in a page, so that no clock but the page's says how long that takes.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    formats: ClassVar[tuple[str, ...]]
    devices: ClassVar[tuple[Device, ...]] = ("cpu",)
    variants: ClassVar[tuple[str, ...]] = ("",)
    slow_variants: ClassVar[tuple[str, ...]] = ()
    lossy_variants: ClassVar[tuple[str, ...]] = ()
    is_in_browser: ClassVar[bool] = False
    untimed: ClassVar[str] = ""

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


@contextmanager
def engine_errors(what: Callable[[], str]) -> Iterator[None]:
    """Name what an engine raises, of whatever class: ReszooError in one line, with the fix.

    `what` is called for an error alone: to write down an array's type takes as long as a layer of a small network.
    """
    try:
        with limited():
            yield
    except (ReszooError, ImportError):  # these say what to do, or whose defect it is
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:LONGEST_REASON]
        raise ReszooError(
            f"the engine {what()}: {type(error).__name__}: {said}", "Export it again: its files are not as described."
        ) from error


@contextmanager
def opened(
    runtime: Runtime, model: Candidate, *, device: Device, threads: int, variant: str = ""
) -> "Iterator[Session]":
    """The loaded model. Raises ReszooError where the engine cannot load it."""
    with engine_errors(lambda: f"{runtime.name} cannot load {model.path}"):
        session = runtime.load(model, device=device, threads=threads, variant=variant)
    with session:
        yield session


@cache
def runtimes() -> Mapping[str, Runtime]:
    from .. import runtimes as package

    stand_in = partial(unusable, Runtime, formats=())
    return discover(package, "RUNTIME", ForeignPlugins("runtimes", Runtime, stand_in))


def parse_runtime(text: str) -> tuple[Runtime, str]:
    """ "torch:channels_last" -> the runtime and its variant."""
    return parse_engine(text, runtimes())


def parse_engine(text: str, known: Mapping[str, E]) -> tuple[E, str]:
    """The same of those that are `known` in some place."""
    name, _, variant = text.partition(":")
    runtime: Any = choose(known, name, "runtime")
    if variant not in runtime.variants:
        its = ", ".join(f"{name}:{v}" if v else name for v in runtime.variants)
        raise UsageError(f"runtime {name} has no variant {variant!r}", f"It has {its}.")
    return runtime, variant
