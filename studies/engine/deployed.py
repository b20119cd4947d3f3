"""Networks as they are deployed: exported, and measured on this machine.

Floats are exported with the proof of parity. In int8 a network of a few epochs may fail it, and to leave out those that
lose most would make int8 better than it is: so their parity is recorded, and refuses nothing.

A latency is a ratio to that of a bundled network in float on the same runtime, measured in turn: one thread, one image.
Its interval is that of the seeds, whose runs have processes of their own. One of many that a search tries is only
timed, and so it is written without the proof.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ...core.errors import ReszooError
from ...core.estimates import median
from ...core.measured import Failure, Scenario
from ...core.progress import uncounted
from ...core.types import Artifact, Candidate, Checkpoint, Precision
from .records import Scale, Settings

REFERENCES = {"digits": "resnet8_v2.reszoo_digits", "cifar10": "resnet20_v2.reszoo_cifar10"}
RUNTIMES = {"onnxruntime": "onnx", "openvino": "openvino", "litert": "litert"}  # and the format for each
FIRST = "onnxruntime"  # that is on every machine
VISITS: dict[Scale, int] = {"smoke": 2, "cpu": 8, "gpu": 8}  # of each network, to and fro
WARM_UP_S = 0.5
BATCH = 100  # images at once, where nothing is timed
MEGA = 1e6


class Latency(NamedTuple):
    """The median's milliseconds, and the ratio to the bundled network's."""

    ms: float
    ratio: float


def runtimes_here() -> list[str]:
    """Those of `RUNTIMES` that can be had on this machine, with their formats."""
    from ...export.contract.format import formats
    from ...export.contract.runtime import runtimes

    return [
        name
        for name, written in RUNTIMES.items()
        if not (runtimes()[name].unavailable("cpu") or formats()[written].unavailable())
    ]


def exported(checkpoint: Checkpoint, runtime: str, precision: Precision, out: Path) -> Artifact:
    """In the runtime's format. Raises ParityError where its answers are not the checkpoint's."""
    from ...export.contract.options import ExportOptions
    from ...export.exporting import export

    return export(checkpoint, RUNTIMES[runtime], out=out, options=ExportOptions(precision=precision))


def quantized(checkpoint: Checkpoint, runtime: str, out: Path) -> Artifact:
    """In int8, as the runtime's format has it, whatever it answers."""
    from ...export.contract.options import ExportOptions
    from ...export.exporting import unproven

    return unproven(checkpoint, RUNTIMES[runtime], out=out, options=ExportOptions(precision="int8"))


def latencies(models: Sequence[Candidate], runtime: str, settings: Settings, seed: int) -> list[Latency]:
    """Of all in turn with the bundled network. Raises ReszooError where the measuring process fails."""
    from ...bench.timer import visits

    numbers = range(1 + len(models))
    order = (*numbers, *reversed(numbers)) * VISITS[settings.scale]
    unproven = [_unproven(model) for model in (reference(settings.data, runtime), *models)]
    seconds = visits(unproven, order, replace(_scenario(runtime), seed=seed)).seconds
    bundled, *others = ([each for each, at in zip(seconds, order, strict=True) if at == number] for number in numbers)
    return [Latency(1000 * median(own), median([a / b for a, b in zip(own, bundled, strict=True)])) for own in others]


def timed(checkpoint: Checkpoint, settings: Settings, seed: int, folder: Path) -> float:
    """Its latency over the bundled network's on the first runtime, in float; the files go to the new folder."""
    from ...export.candidates import candidate
    from ...export.contract.format import format_named
    from ...export.contract.options import ExportOptions
    from ...export.exporting import checked

    plugin = format_named(RUNTIMES[FIRST])
    options = checked(ExportOptions(), plugin)
    folder.mkdir()
    plugin.write(checkpoint, options, folder)
    (found,) = latencies([candidate(checkpoint, plugin, options, folder)], FIRST, settings, seed)
    return found.ratio


def reference(data: str, runtime: str) -> Artifact:
    """The bundled network in float, from the cache."""
    from ... import zoo
    from ...export import exporting

    return exporting.exported(zoo.load(REFERENCES[data]), RUNTIMES[runtime])


def memory_mb(artifact: Artifact, runtime: str) -> float:
    """What the runtime and the model take at the peak, in a process of their own."""
    from ...bench.harness import measure

    found = measure(artifact, _scenario(runtime))
    if isinstance(found, Failure):
        raise _failed(found)
    return found.memory.taken_bytes / MEGA


def accuracy(artifact: Artifact, runtime: str, data: str) -> float:
    """On test, %: every image through the artifact."""
    from ...bench.evaluate import evaluate
    from ...export.contract.runtime import runtimes

    with runtimes()[runtime].load(artifact, device="cpu", threads=1, variant="") as session:
        found = evaluate(session, artifact, data, "test", BATCH, uncounted)
    return 100 * found.correct / found.n


def _unproven(model: Candidate) -> Candidate:
    """An artifact without its proof, which whoever times it does not read."""
    return msgspec.convert(model, Candidate, from_attributes=True)


def _scenario(runtime: str) -> Scenario:
    from ...bench.affinity import choose_cores

    return Scenario(
        runtime=runtime,
        variant="",
        device="cpu",
        batch=1,
        threads=1,
        cores=choose_cores(1),
        warmup_limit_s=WARM_UP_S,
        sampling_limit_s=WARM_UP_S,
    )


def _failed(failure: Failure) -> ReszooError:
    return ReszooError(f"{failure.what}: {failure.reason}\n{failure.output}".rstrip(), failure.fix)
