"""Runtimes whose cost is known exactly, so that the harness can be measured itself."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...core.errors import ReszooError
from ...core.types import Candidate, Unavailable
from ...export.contract.runtime import Device, Runtime, Session, runtimes

if TYPE_CHECKING:
    import numpy as np


class KnownRuntime(Runtime):
    """Runs any artifact by ignoring it. What it costs stands in the variant."""

    formats = ("onnx",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return None

    def preload(self) -> None:
        """There is nothing to import."""


class KnownSession(Session):
    def place(self, batch: "np.ndarray") -> "np.ndarray":
        return batch

    def run(self, placed: "np.ndarray") -> Any:
        return placed

    def read(self, result: Any) -> "np.ndarray":
        raise ReszooError("a runtime of known cost computes no logits", "Measure its latency or memory only.")

    def close(self) -> None:
        """There is nothing to close."""


class Nothing(KnownRuntime):
    """Does nothing: what is measured is the harness."""

    name = "nothing"

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> KnownSession:
        return KnownSession()


class Wait(KnownRuntime):
    """Each run takes as many microseconds as the variant says, by the clock."""

    name = "wait"

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "WaitSession":
        return WaitSession(int(variant) / 1e6)


class WaitSession(KnownSession):
    """Sleeps, and spins the last part: a sleep alone ends late by the kernel's timer slack."""

    SPIN_S = 300e-6

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def run(self, placed: "np.ndarray") -> Any:
        end = time.perf_counter() + self.seconds
        if self.seconds > self.SPIN_S:
            time.sleep(self.seconds - self.SPIN_S)
        while time.perf_counter() < end:
            continue


class Hold(KnownRuntime):
    """Allocates as many MB as the variant says, and touches every page."""

    name = "hold"

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "HoldSession":
        return HoldSession(int(variant))


class HoldSession(KnownSession):
    def __init__(self, megabytes: int) -> None:
        import numpy as np

        self.held = np.ones(megabytes * 1_000_000, np.uint8)


class Repeat(Runtime):
    """ONNX Runtime, as many times over for each run as the variant says: 34 is 34/33 of 33."""

    name = "repeat"
    formats = ("onnx",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return runtimes()["onnxruntime"].unavailable(device)

    def preload(self) -> None:
        runtimes()["onnxruntime"].preload()

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "RepeatSession":
        inner = runtimes()["onnxruntime"].load(model, device=device, threads=threads, variant="")
        return RepeatSession(inner, int(variant))


class RepeatSession(Session):
    def __init__(self, inner: Session, times: int) -> None:
        self.inner, self.times = inner, times

    def place(self, batch: "np.ndarray") -> Any:
        return self.inner.place(batch)

    def run(self, placed: Any) -> Any:
        for _ in range(self.times - 1):
            self.inner.run(placed)
        return self.inner.run(placed)

    def read(self, result: Any) -> "np.ndarray":
        return self.inner.read(result)

    def close(self) -> None:
        self.inner.close()


def known_runtimes() -> Mapping[str, Runtime]:
    """All that users have, and these."""
    return {**runtimes(), **{runtime.name: runtime for runtime in (Nothing(), Wait(), Hold(), Repeat())}}
