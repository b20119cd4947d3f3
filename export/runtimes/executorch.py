"""ExecuTorch on the CPU, with its XNNPACK kernels."""

from typing import TYPE_CHECKING, Any, ClassVar

from ...core.errors import ReszooError
from ...core.missing import not_installed
from ...core.silence import quietly
from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session
from ..files import EXECUTORCH

if TYPE_CHECKING:
    import numpy as np
    import torch


def bindings() -> Any:
    """What `executorch.runtime` calls, without the exporter: importing that takes ten seconds."""
    import torch  # noqa: F401  it loads what these are linked to

    with quietly():  # the Python interface is experimental, and says so
        try:
            from executorch.extension.pybindings import _C
        except ModuleNotFoundError:  # of a release that names it otherwise
            from executorch.extension.pybindings import portable_lib as _C
    return _C


class ExecuTorchRuntime(Runtime):
    name = "executorch"
    formats = ("executorch",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return not_installed("executorch", "executorch")

    def preload(self) -> None:
        bindings()

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "ExecuTorchSession":
        self.preload()
        return ExecuTorchSession(model, threads)


class ExecuTorchSession(Session):
    """All sessions of a process share one thread pool, which must not change under an open one."""

    open_sessions: ClassVar[int] = 0

    def __init__(self, model: Candidate, threads: int) -> None:
        self.bindings = bindings()
        self._size_pool(threads)
        path = model.path / EXECUTORCH
        try:
            with quietly():
                self.program = self.bindings._load_program(str(path))
                self.method = self.program.load_method("forward")
        except RuntimeError as error:
            raise ReszooError(f"ExecuTorch cannot load {path}: {error}", "Export it again.") from error
        ExecuTorchSession.open_sessions += 1

    def _size_pool(self, threads: int) -> None:
        with quietly():  # the pool tells of the files in which it looks for ARM cores
            size = self.bindings._threadpool_get_thread_count()
        if size == threads:
            return
        if self.open_sessions:
            raise ReszooError(
                f"ExecuTorch has one thread pool, and an open session uses it with {size} threads",
                f"Close that session first, or use {size} threads.",
            )
        with quietly():
            self.bindings._unsafe_reset_threadpool(threads)

    def place(self, batch: "np.ndarray") -> "torch.Tensor":
        import torch

        return torch.from_numpy(batch).contiguous()

    def run(self, placed: "torch.Tensor") -> "torch.Tensor":
        (logits,) = self.method([placed])
        return logits  # type: ignore[no-any-return]

    def read(self, result: "torch.Tensor") -> "np.ndarray":
        return result.numpy()

    def close(self) -> None:
        del self.method, self.program
        ExecuTorchSession.open_sessions -= 1


RUNTIME = ExecuTorchRuntime()
