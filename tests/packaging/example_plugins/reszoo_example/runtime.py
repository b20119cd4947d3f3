"""A runtime: ONNX Runtime under another name, for a format of our own."""

from typing import Any

from reszoo.core.types import Candidate, Unavailable
from reszoo.export.contract.runtime import Device, Runtime, Session


class ExampleRuntime(Runtime):
    name = "example"
    packages = ("reszoo-example",)
    formats = ("example",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return None

    def preload(self) -> None:
        import onnxruntime  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "ExampleSession":
        return ExampleSession(model)


class ExampleSession(Session):
    def __init__(self, model: Candidate) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(model.path / "model.example"))
        self.input = model.input.name

    def place(self, batch: Any) -> Any:
        return batch

    def run(self, placed: Any) -> Any:
        return self.session.run(None, {self.input: placed})[0]

    def read(self, result: Any) -> Any:
        return result

    def close(self) -> None:
        del self.session


RUNTIME = ExampleRuntime()
