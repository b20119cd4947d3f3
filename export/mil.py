"""Core ML's programs (MIL), computed operator by operator in PyTorch: their proof where Core ML is not.

What the operators mean is in coremltools' documentation of `mil.ops.defs.iOS15`. Only those are here that our networks
are made of: any other is an error, not a guess.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.errors import ReszooError
from ..core.types import Candidate, Unavailable
from .contract.runtime import Device, Runtime, Session
from .coreml_package import MODEL_FOLDER, PROGRAM, WEIGHTS, coremltools

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Pair = list[int]  # of height and width


class MilRuntime(Runtime):
    """No engine that anybody ships with, so it is in no list of runtimes."""

    name = "mil"
    formats = ("coreml",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return None

    def preload(self) -> None:
        coremltools()

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "MilSession":
        return MilSession(model)


class MilSession(Session):
    def __init__(self, model: Candidate) -> None:
        ct = coremltools()
        from coremltools.converters.mil.frontend.milproto import load

        data = model.path / MODEL_FOLDER / "Data"
        spec = ct.utils.load_spec(str(data / PROGRAM))
        weights = str((data / WEIGHTS).parent)
        program = load.load(spec, specification_version=spec.specificationVersion, file_weights_dir=weights)
        self.function = program.functions["main"]
        self.operations = [each for each in self.function.operations if each.op_type != "const"]
        self.read_last = _read_last(self.operations)

    def place(self, batch: "np.ndarray") -> "Tensor":
        import torch

        return torch.from_numpy(batch)

    def run(self, placed: "Tensor") -> "Tensor":
        import torch

        (fed,) = self.function.inputs
        values = {fed: placed}
        with torch.inference_mode():
            for operation in self.operations:
                _compute(operation, values)
                for name in self.read_last[operation]:
                    del values[name]
        (given,) = self.function.outputs
        return values[given.name]

    def read(self, result: "Tensor") -> "np.ndarray":
        return result.numpy()

    def close(self) -> None:
        del self.function, self.operations, self.read_last


def _read_last(operations: list[Any]) -> dict[Any, list[str]]:
    """The values that nobody reads after each operation."""
    last = {
        variable.name: operation
        for operation in operations
        for variable in operation.inputs.values()
        if variable is not None and variable.val is None
    }
    return {operation: [name for name, reader in last.items() if reader is operation] for operation in operations}


def _compute(operation: Any, values: "dict[str, Tensor]") -> None:
    """Put an operator's result beside those before it: computed in float32, and rounded to the type it has."""
    import numpy as np
    import torch

    name = operation.op_type
    if name not in OPERATORS:
        raise ReszooError(f"Core ML's operator {name} is not known to the proof", "Export it on a Mac.")
    given: dict[str, Any] = {}
    for key, variable in operation.inputs.items():
        if variable is None:
            continue
        value = variable.val
        if value is None:
            given[key] = values[variable.name].float()
        elif isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
            given[key] = torch.from_numpy(value.astype(np.float32))
        else:
            given[key] = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    (out,) = operation.outputs
    is_half = out.dtype.__name__ == "fp16"
    values[out.name] = OPERATORS[name](**given).to(torch.float16 if is_half else torch.float32)


def _conv(x: "Tensor", weight: "Tensor", strides: Pair, dilations: Pair, groups: int, **rest: Any) -> "Tensor":
    from torch.nn import functional as F

    return F.conv2d(_framed(x, 0, **rest), weight, rest.get("bias"), strides, 0, dilations, groups)


def _max_pool(x: "Tensor", kernel_sizes: Pair, strides: Pair, **rest: Any) -> "Tensor":
    from torch.nn import functional as F

    return F.max_pool2d(_framed(x, -math.inf, **rest), kernel_sizes, strides)


def _avg_pool(x: "Tensor", kernel_sizes: Pair, strides: Pair, **rest: Any) -> "Tensor":
    from torch.nn import functional as F

    return F.avg_pool2d(_framed(x, 0, **rest), kernel_sizes, strides)


def _framed(x: "Tensor", value: float, pad_type: str, pad: list[int], **rest: Any) -> "Tensor":
    """With its border. `pad` is top, bottom, left, right."""
    if pad_type == "valid":
        return x
    if pad_type != "custom" or rest.get("ceil_mode") or (rest.get("exclude_padding_from_average") and any(pad)):
        raise ReszooError(f"Core ML's padding {pad_type} is not known to the proof", "Export it on a Mac.")
    return _pad(x, [0, 0, 0, 0, *pad], "constant", value)


def _pad(x: "Tensor", pad: list[int], mode: str, constant_val: float) -> "Tensor":
    """`pad` begins with the first dimension; PyTorch's begins with the last."""
    from torch.nn import functional as F

    pairs = [pad[i : i + 2] for i in range(0, len(pad), 2)]
    return F.pad(x, [size for pair in reversed(pairs) for size in pair], mode, constant_val)


def _batch_norm(
    x: "Tensor", mean: "Tensor", variance: "Tensor", gamma: "Tensor", beta: "Tensor", epsilon: float
) -> "Tensor":
    from torch.nn import functional as F

    return F.batch_norm(x, mean, variance, gamma, beta, eps=epsilon)


def _linear(x: "Tensor", weight: "Tensor", bias: "Tensor") -> "Tensor":
    from torch.nn import functional as F

    return F.linear(x, weight, bias)


OPERATORS: "dict[str, Callable[..., Tensor]]" = {
    "add": lambda x, y: x + y,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "cast": lambda x, dtype: x,  # to the type that its result has
    "conv": _conv,
    "linear": _linear,
    "max_pool": _max_pool,
    "mul": lambda x, y: x * y,
    "pad": _pad,
    "reduce_mean": lambda x, axes, keep_dims: x.mean(axes, keepdim=keep_dims),
    "relu": lambda x: x.relu(),
    "reshape": lambda x, shape: x.reshape(shape),
}
