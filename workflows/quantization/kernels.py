"""Where the time of one run goes: an artifact's kernels, by its runtime's own profile."""

from collections.abc import Sequence
from typing import NamedTuple

from ...bench.evaluate import check_batch
from ...core.errors import ReszooError, UnavailableError, UsageError
from ...core.measured import Kernel
from ...core.missing import unavailable_error
from ...core.registry import choose
from ...core.types import Artifact, Unavailable
from ...export.contract.runtime import Device, Runtime, runtimes
from ...export.feeding import feed, sample_images
from ...quantize.contract import schemes

RUNS = 200
LIMIT_S = 3.0  # for networks that take long


class Group(NamedTuple):
    """All kernels of one operator and precision: how many, their time in one run, and its share of all kernels'."""

    operator: str
    precision: str
    kernels: int
    seconds: float
    share: float


def profile_kernels(
    artifact: Artifact, runtime: Runtime, *, threads: int, batch: int, device: Device = "cpu"
) -> tuple[Kernel, ...]:
    """The kernels of one run on `batch` real images, in their order.

    Raises UnavailableError for a runtime that tells nothing of its kernels, and ReszooError where all are too short.
    """
    images, _ = sample_images(artifact.dataset, artifact.preprocess, batch)
    inputs = feed(images, artifact.input, artifact.preprocess)
    kernels = runtime.profile(artifact, inputs, device=device, threads=threads, runs=RUNS, limit_s=LIMIT_S)
    if kernels is None:
        raise UnavailableError(
            f"{runtime.name} does not tell how long each of its kernels takes",
            f"Ask about {artifact.source_ref} in a format whose runtime does, as `to=onnx`.",
        )
    if total_s(kernels) == 0:
        raise ReszooError(
            f"{runtime.name} counts whole microseconds, and each kernel takes less", "Use a larger `batch`."
        )
    return kernels


def by_operator(kernels: Sequence[Kernel]) -> list[Group]:
    """The kernels in groups, the one that takes most of the time first."""
    members: dict[tuple[str, str], list[Kernel]] = {}
    for kernel in kernels:
        members.setdefault((kernel.operator, kernel.precision), []).append(kernel)
    total = total_s(kernels)
    groups = [Group(*key, len(some), total_s(some), total_s(some) / total) for key, some in members.items()]
    return sorted(groups, key=lambda group: -group.seconds)


def total_s(kernels: Sequence[Kernel]) -> float:
    return sum(kernel.seconds for kernel in kernels)


def runtime_for(artifact: Artifact, name: str | None = None, device: Device | None = "cpu") -> Runtime:
    """The named runtime; None is the first that is here and runs the artifact's format.

    One that its quantization scheme was made for comes before all others. No `device` is each runtime's own first.
    """
    scheme = next((step.config["scheme"] for step in artifact.made if step.name == "quantize"), None)
    preferred = schemes()[scheme].runtime if scheme and scheme in schemes() else None
    fitting = [runtime for runtime in runtimes().values() if artifact.format in runtime.formats]
    fitting.sort(key=lambda runtime: runtime.name != preferred)
    known = ", ".join(runtime.name for runtime in fitting)
    if name is not None:
        chosen = choose(runtimes(), name, "runtime")
        if chosen not in fitting:
            raise UsageError(
                f"{name} does not run the format {artifact.format}", f"Choose a `runtime` that does: {known}."
            )
        fitting = [chosen]
    missing = None
    for runtime in fitting:
        where = device or runtime.devices[0]
        if where not in runtime.devices:
            missing = Unavailable(
                what=f"{runtime.name} on {where}",
                reason=f"it runs on {', '.join(runtime.devices)} only",
                fix=f"Use `device={runtime.devices[0]}`.",
            )
        elif (missing := runtime.unavailable(where)) is None:
            return runtime
    if missing is None:
        raise UsageError(f"no runtime runs the format {artifact.format}", "Export it again, in a format of today.")
    raise unavailable_error(missing)


def batch_for(artifact: Artifact, batch: int | None = None) -> int:
    """The batch that was asked for, which the artifact has to take; None is the smallest that it does."""
    if batch is None:
        return artifact.input.batch_limits[0]
    check_batch(artifact, batch)
    return batch
