"""The two editions of the library, what their engines run on, and how their words are heard."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...core.missing import not_installed
from ...core.types import Unavailable

MODEL_FILE = "model.engine"
OLDEST = "8.0"  # the compute capability from which on an engine runs that names none
LAYERS = "Layers:\n"  # begins what a builder says of the layers it has made


@dataclass(frozen=True)
class Edition:
    """`name` is that of the format, the runtime and the extra; `targets` the GPUs that it can build for unseen."""

    name: str
    title: str
    module: str
    package: str
    targets: tuple[str, ...] = ()

    def unavailable(self) -> Unavailable | None:
        return not_installed(self.name, self.module)

    def load(self) -> Any:
        return import_module(self.module)

    def runs_on(self, capability: str, built_for: str) -> bool:
        """Whether a GPU of that compute capability runs an engine for "8.6,12.0", or "" for all from OLDEST on."""
        return capability in built_for.split(",") if built_for else _number(capability) >= _number(OLDEST)


def _number(capability: str) -> tuple[int, ...]:
    return tuple(map(int, capability.split(".")))


TENSORRT = Edition(name="tensorrt", title="TensorRT", module="tensorrt", package="tensorrt")
TENSORRT_RTX = Edition(
    name="tensorrt-rtx",
    title="TensorRT for RTX",
    module="tensorrt_rtx",
    package="tensorrt-rtx-cu13",
    targets=("7.5", "8.0", "8.6", "8.9", "12.0", "12.1"),
)


def listener(trt: Any) -> Any:
    """A logger that prints nothing: it keeps `errors`, the first of which is `said`, and a text about the `layers`."""

    class Listener(trt.ILogger):  # type: ignore[misc] # the base is only known when it is imported
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.layers = ""

        @property
        def said(self) -> str:
            return self.errors[0] if self.errors else "it does not say why"

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(" ".join(message.split()))
            elif message.startswith(LAYERS):
                self.layers = message

    return Listener()
