"""From the steps of a network to calls of kernels: additions go into the convolution in front of them."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ...quantize.integer import Array
from ...quantize.program import Addition, Product, Program, Step, Tensor

BLOCK = 16  # outputs whose weights lie together, as in kernels.h


@dataclass(frozen=True)
class Call:
    """One call of a kernel: a step, and for a convolution the addition that it does as well."""

    step: Step
    addition: Addition | None = None

    @property
    def output(self) -> Tensor | None:
        return self.addition.output if self.addition else self.step.output

    @property
    def residual(self) -> Tensor | None:
        """What is added to the convolution's own result."""
        if self.addition is None:
            return None
        first, second = self.addition.inputs
        return second if self.step.output is first else first

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return (*self.step.inputs, *([self.residual] if self.residual else []))


def is_convolution(step: Step) -> bool:
    return isinstance(step, Product) and not step.is_map


def calls(program: Program) -> list[Call]:
    """The program's steps in its order, without the additions that convolutions do."""
    readers = Counter(tensor.name for step in program for tensor in step.inputs)
    place = {step.output.name: i for i, step in enumerate(program) if step.output}
    fused: dict[str, Addition] = {}  # by the name of the convolution's own result
    for step in program:
        if not isinstance(step, Addition):
            continue
        last = max(step.inputs, key=lambda tensor: place[tensor.name])
        if is_convolution(program[place[last.name]]) and readers[last.name] == 1:
            fused[last.name] = step
    done = {addition.name for addition in fused.values()}
    return [
        Call(step, fused.get(step.output.name) if step.output else None) for step in program if step.name not in done
    ]


def packed(weights: Array, group: int) -> Array:
    """(O, I, kH, kW) as the kernels read it: (blocks, kH, groups, BLOCK, group), filled up with zeros.

    A row of the kernel reads its pixels' values as one run, channels last; `group` of them are multiplied at once.
    """
    outputs, _, height, _ = weights.shape
    rows = weights.transpose(0, 2, 3, 1).reshape(outputs, height, -1)
    blocks, groups = -(-outputs // BLOCK), -(-rows.shape[2] // group)
    filled = np.zeros((blocks * BLOCK, height, groups * group), weights.dtype)
    filled[:outputs, :, : rows.shape[2]] = rows
    return filled.reshape(blocks, BLOCK, height, groups, group).transpose(0, 2, 3, 1, 4)


def even_then_odd(values: Array) -> Array:
    """(channels,) with the even ones of each block in front, filled up to whole blocks."""
    return filled_up(values).reshape(-1, BLOCK // 2, 2).transpose(0, 2, 1).ravel()


def filled_up(values: Array) -> Array:
    return np.pad(values, (0, -len(values) % BLOCK))
