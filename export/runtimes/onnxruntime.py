"""ONNX Runtime, on the CPU or through its CUDA provider."""

import json
import re
import tempfile
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from ...core.errors import ReszooError
from ...core.measured import Kernel
from ...core.types import Candidate, Unavailable
from ..contract.runtime import WARM_UP_RUNS, Device, Runtime, Session, engine_errors
from ..files import ONNX, ORT, path_of

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from onnxruntime import OrtValue

FILES = {"onnx": ONNX, "ort": ORT, "triton": ONNX}
PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
KERNEL_TIME = "_kernel_time"  # ends the name of a profile's event for one kernel of one run
ADDED = re.compile(r"_token_\d+$|_nchwc$")  # to the name of a node that an optimisation rewrote
PRECISIONS = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16"}


class OnnxRuntime(Runtime):
    name = "onnxruntime"
    packages = ("onnxruntime", "onnxruntime-gpu")
    formats = ("onnx", "ort", "triton")
    devices = ("cpu", "cuda")

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        import onnxruntime

        if PROVIDERS[device] in onnxruntime.get_available_providers():
            return None
        return Unavailable(
            what=f"onnxruntime on {device}",
            reason=f"this build of ONNX Runtime has no {PROVIDERS[device]}",
            fix="pip uninstall onnxruntime && pip install --force-reinstall --no-deps onnxruntime-gpu",
        )

    def preload(self) -> None:
        import onnxruntime  # noqa: F401

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "OnnxRuntimeSession":
        return OnnxRuntimeSession(model, device, threads)

    def profile(
        self, model: Candidate, batch: "np.ndarray", *, device: Device, threads: int, runs: int, limit_s: float
    ) -> tuple[Kernel, ...]:
        with (
            tempfile.TemporaryDirectory(prefix="reszoo-") as folder,
            OnnxRuntimeSession(model, device, threads, profile=Path(folder) / "profile") as session,
        ):
            placed = session.place(batch)
            warm_up = session.repeat(placed, WARM_UP_RUNS, limit_s)
            session.repeat(placed, runs, limit_s)
            events = json.loads(Path(session.session.end_profiling()).read_bytes())
        by_kernel: dict[str, list[dict[str, Any]]] = {}
        for event in events:
            if event["name"].endswith(KERNEL_TIME):
                by_kernel.setdefault(event["name"], []).append(event)
        return tuple(_kernel(of_runs[warm_up:], PROVIDERS[device]) for of_runs in by_kernel.values())

    def run_graph(self, model: "onnx.ModelProto", batch: "np.ndarray") -> "dict[str, np.ndarray]":
        from ...quantize.integer import run_onnxruntime

        return run_onnxruntime(model, batch)


class OnnxRuntimeSession(Session):
    """Inputs and outputs are bound OrtValues, so that a run on CUDA moves nothing between host and device.

    With `profile`, the beginning of a file's path, ONNX Runtime notes every kernel of every run.
    """

    def __init__(self, model: Candidate, device: Device, threads: int, profile: Path | None = None) -> None:
        import onnxruntime

        if device == "cuda":
            onnxruntime.preload_dlls()  # CUDA and cuDNN from pip's packages lie where the loader does not look
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        path = path_of(model, FILES[model.format])
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=[PROVIDERS[device]])
        except Exception as error:  # ONNX Runtime's own error classes share no base but Exception
            raise ReszooError(f"ONNX Runtime cannot load {path}: {error}", "Export it again.") from error
        if self.session.get_providers()[0] != PROVIDERS[device]:
            raise ReszooError(
                f"ONNX Runtime fell back from {PROVIDERS[device]} to {self.session.get_providers()[0]}",
                "Check that its CUDA and cuDNN libraries can be found, or use `device=cpu`.",
            )
        self.device = device
        self.binding = self.session.io_binding()
        self.output = model.output.name
        self.input = model.input.name

    def place(self, batch: "np.ndarray") -> "OrtValue":
        from onnxruntime import OrtValue

        return OrtValue.ortvalue_from_numpy(batch, self.device, 0)

    def run(self, placed: "OrtValue") -> "OrtValue":
        self.binding.bind_ortvalue_input(self.input, placed)
        self.binding.bind_output(self.output, self.device)
        self.session.run_with_iobinding(self.binding)
        return self.binding.get_outputs()[0]

    def read(self, result: "OrtValue") -> "np.ndarray":
        logits: np.ndarray = result.numpy()
        return logits

    def predict(self, batch: "np.ndarray") -> "np.ndarray":
        if self.device != "cpu":
            return super().predict(batch)
        with engine_errors(lambda: f"cannot run the model on {batch.dtype} of {batch.shape}"):
            logits: Any = self.session.run([self.output], {self.input: batch})[0]  # what is bound takes longer
            return cast("np.ndarray", logits)

    def synchronise(self) -> None:
        self.binding.synchronize_outputs()

    def close(self) -> None:
        del self.binding, self.session


def _kernel(of_runs: list[dict[str, Any]], asked: str) -> Kernel:
    """From a kernel's events. The mean of their middle half: they hold whole microseconds, too coarse for a median."""
    ordered, quarter = sorted(event["dur"] for event in of_runs), len(of_runs) // 4
    arguments = of_runs[0]["args"]
    types = [name for operand in arguments["input_type_shape"][:2] for name in operand]
    first = next(iter(types), "")
    return Kernel(
        name=ADDED.sub("", of_runs[0]["name"].removesuffix(KERNEL_TIME)),
        operator=arguments["op_name"],
        precision="int8" if {"int8", "uint8"} & set(types) else PRECISIONS.get(first, first),
        seconds=fmean(ordered[quarter : len(ordered) - quarter]) / 1e6,
        fell_back_to=None if arguments["provider"] == asked else arguments["provider"],
    )


RUNTIME = OnnxRuntime()
