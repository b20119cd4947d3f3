"""A board that ssh reaches: ssh://user@host[:port][/python]. It needs python3, numpy and a runtime, and no reszoo."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ...core import hosts
from ...core.errors import ReszooError
from ...core.measured import Conditions, Host, Scenario
from ...core.types import Artifact, Unavailable
from ...export import artifacts
from ...export.contract.runtime import Device, Engine, Runtime, runtimes
from ...export.feeding import inputs_for
from .. import protocol
from ..client import Worker, how_it_ended, load_request, thread_settings
from ..ssh.address import Address
from ..ssh.line import Line, LostError
from ..target import Target, TargetKind, bound, load_before

MODULES = {
    "onnxruntime": "onnxruntime",
    "litert": "ai_edge_litert",
    "executorch": "executorch",
    "mnn": "MNN",
    "ncnn": "ncnn",
    "openvino": "openvino",
}
# Why the worker for devices does not run it, and what to do, where there is more to say than of others.
NOT_THERE = {
    "c": (
        "reszoo builds nothing on a device",
        "Copy the artifact's folder there: `make check` and its run.py build it and run it, without reszoo.",
    ),
}
WHEELS = ("x86_64", "aarch64")  # what PyPI has these runtimes for, on Linux
PUT_S = 3600.0
INPUTS = "inputs.npy"


@dataclass(frozen=True)
class DeviceEngine:
    """One of reszoo's runtimes, as far as the worker on a device has it."""

    name: str
    formats: tuple[str, ...]
    variants: tuple[str, ...]
    missing: Unavailable | None
    packages: tuple[str, ...]
    devices: tuple[Device, ...] = ("cpu",)
    slow_variants: tuple[str, ...] = ()
    untimed: str = ""

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return self.missing


class SshWorker(Worker):
    """A worker that the device's agent has started. Its line is a part of the device's."""

    def __init__(self, device: Line, number: int, artifact: Artifact, scenario: Scenario, patience_s: float) -> None:
        self.device, self.number = device, number
        self.artifact, self.scenario, self.patience_s = artifact, scenario, patience_s
        self.artifact_path = sent(device, artifact.sha256, artifact_files(artifact))
        self.inputs_path = sent_inputs(device, artifact, scenario)
        begun = device.ask("start", worker=number, environment=thread_settings(scenario))
        self.spawned_at, self.load_before = begun["spawned_at"], begun["load"]

    def load_request(self, flush_bytes: int) -> protocol.Load:
        return load_request(self, flush_bytes, self.artifact_path, self.spawned_at, self.inputs_path)

    def write(self, line: bytes) -> None:
        self.device.tell("tell", line, worker=self.number)

    def line(self, deadline: float) -> bytes | None:
        return self.device.worker_line(self.number, deadline)

    def ending(self) -> str:
        return f"the worker {how_it_ended(self.device.ended[self.number]['ended'])}"

    def output(self) -> str:
        said: str = self.device.ended.get(self.number, {}).get("said", "")
        return said

    def pause(self) -> None:
        self.device.ask("pause", worker=self.number)

    def resume(self) -> None:
        self.device.tell("resume", worker=self.number)

    def close(self) -> None:
        with suppress(LostError):  # then the agent has ended it
            self.device.ask("end", worker=self.number)


class SshWatch:
    """The agent looks whenever it passes a request on; without workers, when it is told to."""

    def __init__(self, device: Line, workers: Sequence[Worker]) -> None:
        self.device, self.is_of_workers = device, bool(workers)
        numbers = [worker.number for worker in workers if isinstance(worker, SshWorker)]
        device.ask("watch", workers=numbers, cores=bound(workers), load=load_before(workers))

    def look(self) -> None:
        if not self.is_of_workers:
            self.device.tell("look")

    def stop(self) -> Conditions:
        return msgspec.convert(self.device.ask("watched")["conditions"], Conditions)


class SshTarget(Target):
    """One connection for all that is done there. One that was lost is made again for the next worker."""

    def __init__(self, name: str) -> None:
        self.name, self.address = name, Address.parse(name)
        self.numbers = count()
        self.device: Line | None = None
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.connected()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.device:
            self.device.close()
            self.device = None

    def connected(self) -> Line:
        """Raises UnavailableError where the device cannot be used."""
        if self.device and not self.device.is_lost:
            return self.device
        if self.device:
            self.device.close()
            self.device = None
        device = Line(self.address, list(MODULES.values()))
        try:
            self.facts = device.begin()
        except BaseException:
            device.close()
            raise
        self.device = device
        return device

    def host(self) -> Host:
        here = hosts.describe()
        versions = {"reszoo": here.versions["reszoo"], **self.facts["host"]["versions"]}
        return msgspec.convert(self.facts["host"] | {"versions": versions, "commit": here.commit}, Host)

    def engines(self) -> Mapping[str, Engine]:
        return {name: self._engine(runtime) for name, runtime in runtimes().items()}

    def choose_cores(self, n: int) -> tuple[int, ...]:
        return tuple(self.connected().ask("cores", n=n)["cores"])

    def worker(self, artifact: Artifact, scenario: Scenario, *, patience_s: float) -> SshWorker:
        return SshWorker(self.connected(), next(self.numbers), artifact, scenario, patience_s)

    def watch(self, workers: Sequence[Worker]) -> SshWatch:
        return SshWatch(self.connected(), workers)

    def untimed(self) -> Unavailable | None:
        if not (emulator := self.facts["host"]["emulated_by"]):
            return None
        reason = f"{emulator} plays its processor, and the time that takes is no device's"
        fix = f"`evaluate(target={self.name})` tells whether its answers are right."
        return Unavailable(what=f"latency on {self.name}", reason=reason, fix=fix)

    def clean(self) -> int:
        """Remove the artifacts and inputs that are kept on the device. Returns their bytes."""
        removed: int = self.connected().ask("clean")["bytes"]
        return removed

    def _engine(self, runtime: Runtime) -> DeviceEngine:
        exact = tuple(variant for variant in runtime.variants if variant not in runtime.lossy_variants)
        return DeviceEngine(runtime.name, runtime.formats, exact, self._missing(runtime), runtime.packages)

    def _missing(self, runtime: Runtime) -> Unavailable | None:
        what, python = f"{runtime.name} on {self.name}", self.facts["executable"]
        if runtime.name not in MODULES:
            able = [name for name in MODULES if self.facts["modules"][MODULES[name]]] or [*MODULES]
            plain = "the worker for devices does not run it", f"Use `runtime={able[0]}`."
            reason, fix = NOT_THERE.get(runtime.name, plain)
            return Unavailable(what=what, reason=reason, fix=fix)
        if self.facts["modules"][MODULES[runtime.name]] and "numpy" in self.facts["host"]["versions"]:
            return None
        packages = " ".join(runtime.packages[:1] or (runtime.name,))
        machine = self.facts["host"]["machine"]
        built = "" if machine in WHEELS else f"; PyPI has it for {' and '.join(WHEELS)} only"
        lacking = MODULES[runtime.name] if not self.facts["modules"][MODULES[runtime.name]] else "numpy"
        reason = f"{python} there ({machine}, {self.facts['glibc']}) has no package {lacking}{built}"
        return Unavailable(what=what, reason=reason, fix=f"On the device: {python} -m pip install numpy {packages}")


Files = Mapping[str, bytes]


def artifact_files(artifact: Artifact) -> Files:
    """What a runtime needs of it: the manifest and the model."""
    names = [artifacts.MANIFEST, *(file.name for file in artifact.files)]
    try:
        return {name: (artifact.path / name).read_bytes() for name in names}
    except OSError as error:
        raise ReszooError(f"{error.filename} cannot be read: {error.strerror}", "Export it again.") from error


def sent_inputs(device: Line, artifact: Artifact, scenario: Scenario) -> Path:
    import numpy as np

    file = io.BytesIO()
    np.save(file, inputs_for(artifact, scenario))
    data = file.getvalue()
    return sent(device, hashlib.sha256(data).hexdigest(), {INPUTS: data}) / INPUTS


def sent(device: Line, key: str, files: Files) -> Path:
    """The folder on the device that has these files; they go there unless it has them."""
    found = device.ask("has", key=key)
    if not found["found"]:
        for name, data in files.items():
            sha256 = hashlib.sha256(data).hexdigest()
            device.ask("put", data, patience_s=PUT_S, key=key, name=name, sha256=sha256)
        device.ask("keep", key=key)
    return Path(found["path"])


TARGET = TargetKind("ssh", "ssh://USER@HOST[:PORT][/PYTHON]", SshTarget)
