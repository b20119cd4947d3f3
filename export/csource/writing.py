"""The text of the generated files: constants, the network as calls of kernels, and what its users include."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...quantize.integer import Array
from ...quantize.program import Addition, Fed, GlobalPool, Logits, MaxPool, Pick, Product, Program, Tensor
from . import memory
from .arrays import array
from .lowering import BLOCK, Call, calls, packed
from .memory import Memory, Place
from .tiles import Registers, tiles_for

FILES = Path(__file__).with_name("files")
INCLUDED = '#include "kernels.h"\n#include "layers.h"\n'


@dataclass
class Source:
    """The generated files by name, and what they need: bytes of workspace and of constants."""

    texts: dict[str, str]
    workspace: int
    constants: int


@dataclass
class Writer(ABC):
    """What is the same for all networks. A kind of arithmetic, with its `arithmetic.h`, is a class of its own.

    group      values that kernels multiply at once
    value      bytes of one in the workspace, whose first is at `start`; `prologue` is C that says where that is
    registers  of each set of kernels with vectors, in the order in which TILE counts them
    """

    group: ClassVar[int]
    value: ClassVar[int]
    start: ClassVar[str] = "workspace"
    prologue: ClassVar[tuple[str, ...]] = ()
    registers: ClassVar[tuple[Registers, ...]]

    memory: Memory
    constants: list[str] = field(default_factory=list)  # of weights.c
    declared: list[str] = field(default_factory=list)  # of layers.h
    shapes: dict[str, str] = field(default_factory=dict)  # what a convolution's shape looks like -> its function
    functions: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    size: int = 0

    def constant(self, name: str, values: Array) -> str:
        self.constants.append(array(name, values))
        self.size += values.nbytes
        return name

    def shared(self, name: str, values: Array) -> str:
        """A constant that the network itself reads."""
        text = array(name, values)
        self.constants.append(text.replace("static const", "const"))
        self.declared.append(f"extern const {text.split()[3]} {name}[{values.size}];")
        self.size += values.nbytes
        return name

    def structure(self, kind: str, name: str, fields: str) -> str:
        self.constants.append(f"const struct {kind} {name} = {{{fields}}};\n")
        self.declared.append(f"extern const struct {kind} {name};")
        return f"&{name}"

    def place(self, tensor: Tensor) -> Place:
        return self.memory.places[tensor.name]

    def at(self, tensor: Tensor, pad: tuple[int, int] = (0, 0)) -> str:
        """The first pixel of a tensor, or one of its border: so many rows above it and columns before it."""
        place = self.place(tensor)
        return f"{self.start} + {place.first - pad[0] * place.row - pad[1] * place.shape[0]}"

    def call(self, number: int, call: Call) -> None:
        self.run.append(f"MARK({number});")
        if (value := self.memory.filled.get(number)) is not None and call.output is not None:
            place = self.place(call.output)
            channels, height, _ = place.shape
            self.run.append(
                f"fill_border({self.at(call.output)}, {height}, {place.row}, {place.border}, {channels}, {value});"
            )
        self.run.append(f"/* {_described(call)} */")
        match call.step:
            case Fed() as step:
                self.fed(step)
            case Logits() as step:
                self.head(step)
            case Addition() as step:
                self.addition(step)
            case MaxPool() as step:
                self.max_pool(step)
            case GlobalPool() as step:
                self.global_pool(step)
            case Product() as step if not step.is_map:
                self._convolution(step, call.addition.output if call.addition else step.output, call)
            case step:
                self.map(step)

    @abstractmethod
    def fed(self, step: Fed) -> None: ...

    @abstractmethod
    def layer(self, step: Product, weights: str, call: Call) -> list[str]:
        """The fields of a convolution's `struct layer`; `weights` are the name of its packed ones."""

    @abstractmethod
    def addition(self, step: Addition) -> None: ...

    @abstractmethod
    def map(self, step: Product | Pick) -> None: ...

    @abstractmethod
    def global_pool(self, step: GlobalPool) -> None: ...

    @abstractmethod
    def head_fields(self, step: Logits) -> list[str]:
        """Those of `struct head` behind the weights."""

    def head(self, step: Logits) -> None:
        (read,) = step.inputs
        name, weights = identifier(step.name), packed(rows(step)[:, :, None, None], self.group)
        fields = [self.constant(f"{name}_weights", weights), *self.head_fields(step)]
        made = self.structure("head", name, ", ".join(fields))
        sums = f"(accumulator *)(void *)({self.start} + {self.memory.size})"
        sizes = f"{weights.shape[2]}, {len(rows(step))}"
        self.run.append(f"classify({made}, {self.at(read)}, {sums}, logits, {sizes});")

    def _convolution(self, step: Product, output: Tensor, call: Call) -> None:
        (read,) = step.inputs
        name, weights = identifier(step.name), packed(step.weights, self.group)
        fields = self.layer(step, self.constant(f"{name}_weights", weights), call)
        layer = self.structure("layer", name, ", ".join(fields))
        residual = self.at(call.residual or output)
        fed = self.at(read, step.pads[:2])
        function = self._function(step, output, call.residual, (weights.shape[1], weights.shape[2]))
        self.run.append(f"{function}({layer}, {fed}, {self.at(output)}, {residual});")

    def _function(self, step: Product, output: Tensor, residual: Tensor | None, walk: tuple[int, int]) -> str:
        """The function for a convolution of this shape: one for all that have it. `walk`: kernel rows, groups."""
        (read,), (kernel, groups) = step.inputs, walk
        source, target = self.place(read), self.place(output)
        channels, height, width = output.shape
        shape = {
            "kernel": kernel,
            "groups": groups,
            "in_row": source.row,
            "in_down": step.strides[0] * source.row,
            "in_right": step.strides[1] * source.shape[0],
            "height": height,
            "width": width,
            "channels": channels,
            "out_row": target.row,
            "residual_row": self.place(residual).row if residual else 0,
            "adds": int(residual is not None),
        }
        text = ", ".join(f".{key} = {value}" for key, value in shape.items())
        if text not in self.shapes:
            name = self.shapes[text] = f"convolve_{len(self.shapes)}"
            tiles = [tiles_for(each, height, width, channels)[0] for each in self.registers]
            chosen = ", ".join(f"{{{tile.rows}, {tile.columns}, {tile.vectors}}}" for tile in tiles)
            self.functions.append(
                f"/* {kernel}x{kernel}, {read.shape[0]} to {channels} channels, {height}x{width} outputs */\n"
                f"static KERNEL NEVER_INLINE void {name}(const struct layer *layer, const activation *in,\n"
                f"                                        activation *out, const activation *residual)\n{{\n"
                f"    static const struct tile tiles[] = {{{chosen}}};\n"
                f"    const struct shape shape = {{{text}}};\n"
                f"    convolve(layer, in, out, residual, shape, tiles[TILE]);\n}}\n"
            )
        return self.shapes[text]

    def max_pool(self, step: MaxPool) -> None:
        (read,) = step.inputs
        channels, height, width = step.output.shape
        sizes = f"{read.shape[1]}, {read.shape[2]}, {height}, {width}, {channels}"
        window = f"{step.kernel[0]}, {step.strides[0]}, {step.pads[0]}"
        rows = f"{self.place(read).row}, {self.place(step.output).row}"
        self.run.append(f"max_pool({self.at(read)}, {self.at(step.output)}, {sizes}, {window}, {rows});")


def source(program: Program, kind: type[Writer]) -> Source:
    """The generated files of a network."""
    listed = calls(program)
    writer = kind(memory.plan(listed))
    for number, call in enumerate(listed):
        writer.call(number, call)
    last = program[-1]
    if not isinstance(last, Logits):
        raise TypeError(type(last))
    writer.run.append(f"MARK({len(listed)});")
    classes = len(rows(last))
    size = kind.value * writer.memory.size + 4 * BLOCK * -(-classes // BLOCK)
    is_float = any(isinstance(step, Fed) and step.scale is None for step in program)
    pixel = "float" if is_float else "uint8_t"
    lines = "".join(f"    {line}\n" for line in (*kind.prologue, *writer.run))
    network = (
        "/* The network: each set of kernels includes it, and gets its own RUN. */\n\n"
        + "\n".join(writer.functions)
        + f"\nKERNEL void RUN(const {pixel} *image, float *logits, uint8_t *workspace);\n"
        + f"\nKERNEL void RUN(const {pixel} *image, float *logits, uint8_t *workspace)\n{{\n{lines}}}\n"
    )
    declared = "\n".join(writer.declared)
    aligned = "#ifdef __GNUC__\n#define ALIGNED __attribute__((aligned(64)))\n#else\n#define ALIGNED\n#endif\n"
    layers = f"/* The constants of each layer. */\n#ifndef LAYERS_H\n#define LAYERS_H\n\n{declared}\n\n#endif\n"
    weights = f"/* The constants of each layer. */\n#define KERNEL\n{INCLUDED}\n{aligned}\n" + "\n".join(
        writer.constants
    )
    texts = {"network.h": network, "layers.h": layers, "weights.c": weights}
    return Source(texts, size, writer.size)


def rows(step: Product | Logits) -> Array:
    """The weights, outputs first."""
    return np.moveaxis(step.layer.weight_values, step.layer.channel_axis, 0)


def identifier(name: str) -> str:
    """A layer's name in C: `stages.0.0.convs.1` is `stages_0_0_convs_1`."""
    return "layer_" + re.sub(r"\W", "_", name)


def _described(call: Call) -> str:
    name, step = call.step.name, call.step
    read = f"{_size(step.inputs[0])} to " if step.inputs else ""
    then = f", then {call.addition.name}" if call.addition else ""
    return f"{name}: {read}{_size(step.output) if step.output else 'logits'}{then}"


def _size(tensor: Tensor) -> str:
    channels, height, width = tensor.shape
    return f"{height}x{width}x{channels}"
