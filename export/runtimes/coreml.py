"""Core ML on a Mac, on its CPU: there fp32 is computed in fp32."""

import sys
from typing import TYPE_CHECKING, Any

from ...core.missing import not_installed
from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session
from ..coreml_package import MODEL_FOLDER, coremltools

if TYPE_CHECKING:
    import numpy as np


class CoreMlRuntime(Runtime):
    """Core ML chooses the number of threads itself."""

    name = "coreml"
    packages = ("coremltools",)
    formats = ("coreml",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        if sys.platform != "darwin":
            reason = f"Core ML is a part of Apple's systems, and this one is {sys.platform}"
            return Unavailable(what=self.name, reason=reason, fix="Copy the artifact's folder to a Mac.")
        return not_installed("coreml", "coremltools")

    def preload(self) -> None:
        coremltools()

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "CoreMlSession":
        return CoreMlSession(model)


class CoreMlSession(Session):
    def __init__(self, model: Candidate) -> None:
        ct = coremltools()
        package = str(model.path / MODEL_FOLDER)
        self.model = ct.models.MLModel(package, compute_units=ct.ComputeUnit.CPU_ONLY)
        self.input, self.output = model.input.name, model.output.name

    def place(self, batch: "np.ndarray") -> "dict[str, np.ndarray]":
        return {self.input: batch}

    def run(self, placed: "dict[str, np.ndarray]") -> Any:
        return self.model.predict(placed)

    def read(self, result: Any) -> "np.ndarray":
        logits: np.ndarray = result[self.output]
        return logits

    def close(self) -> None:
        del self.model


RUNTIME = CoreMlRuntime()
