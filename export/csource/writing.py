"""The text of the generated files: constants, the network as calls of kernels, and what its users include."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...quantize import fixed_point
from ...quantize.integer import Array, _scale
from ...quantize.layers import along
from ...quantize.program import Addition, Fed, GlobalPool, Logits, MaxPool, Pick, Product, Program, Tensor
from . import memory
from .arrays import array
from .lowering import BLOCK, Call, calls, even_then_odd, filled_up, packed
from .memory import Memory, Place
from .tiles import SETS, tile_for

FILES = Path(__file__).with_name("files")
INCLUDED = '#include "kernels.h"\n#include "layers.h"\n'


@dataclass
class Source:
    """The generated files by name, and what they need: bytes of workspace and of constants."""

    texts: dict[str, str]
    workspace: int
    constants: int


@dataclass
class _Writer:
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

    def structure(self, kind: str, name: str, fields: str) -> str:
        self.constants.append(f"const struct {kind} {name} = {{{fields}}};\n")
        self.declared.append(f"extern const struct {kind} {name};")
        return f"&{name}"

    def place(self, tensor: Tensor) -> Place:
        return self.memory.places[tensor.name]

    def at(self, tensor: Tensor, pad: tuple[int, int] = (0, 0)) -> str:
        """The first pixel of a tensor, or one of its border: so many rows above it and columns before it."""
        place = self.place(tensor)
        return f"workspace + {place.first - pad[0] * place.row - pad[1] * place.shape[0]}"

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
                self._fed(step)
            case Logits() as step:
                self._head(step)
            case Addition() as step:
                self._addition(step)
            case MaxPool() as step:
                self._max_pool(step)
            case GlobalPool() as step:
                self._global_pool(step)
            case Product() as step if not step.is_map:
                self._convolution(step, call.addition.output if call.addition else step.output, call)
            case step:
                self._map(step)

    def _fed(self, step: Fed) -> None:
        channels, height, width = step.output.shape
        sizes = f"{height}, {width}, {channels}, {self.place(step.output).row}"
        if step.scale is None:
            form = f"{step.output.scale!r}, {step.output.zero}.0"
            self.run.append(f"feed_floats(image, {self.at(step.output)}, {sizes}, {form});")
            return
        name = "pixel_values"
        self.constants.append(array(name, step.table()).replace("static const", "const"))
        self.declared.append(f"extern const uint8_t {name}[{256 * channels}];")
        self.size += 256 * channels
        self.run.append(f"feed_bytes(image, {self.at(step.output)}, {sizes}, {name});")

    def _convolution(self, step: Product, output: Tensor, call: Call) -> None:
        (read,) = step.inputs
        name, found = _identifier(step.name), fixed_point.of_product(step)
        weights = packed(step.layer.weight_values)
        fields = [
            self.constant(f"{name}_weights", weights),
            self.constant(f"{name}_totals", filled_up(_totals(step))),
            self.constant(f"{name}_multipliers", filled_up(found.multiplier).astype(np.int32)),
            self.constant(f"{name}_constants", even_then_odd(found.constant)),
            self.constant(f"{name}_shifts", filled_up(found.shift - fixed_point.WORD).astype(np.int32)),
            str(found.least),
            self._sum(call.addition, call.residual) if call.addition else "{0}",
        ]
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
            tiles = [tile_for(each, height, width, channels) for each in SETS]
            chosen = ", ".join(f"{{{tile.rows}, {tile.columns}, {tile.vectors}}}" for tile in tiles)
            self.functions.append(
                f"/* {kernel}x{kernel}, {read.shape[0]} to {channels} channels, {height}x{width} outputs */\n"
                f"static KERNEL NEVER_INLINE void {name}(const struct layer *layer, const uint8_t *in, uint8_t *out,\n"
                f"                                        const uint8_t *residual)\n{{\n"
                f"    static const struct tile tiles[] = {{{chosen}}};\n"
                f"    const struct shape shape = {{{text}}};\n"
                f"    convolve(layer, in, out, residual, shape, tiles[TILE]);\n}}\n"
            )
        return self.shapes[text]

    def _sum(self, addition: Addition, residual: Tensor | None) -> str:
        """For a convolution's result and its residual; without one, for the addition's inputs in their order."""
        found = fixed_point.of_addition(addition)
        factors = [found.first, found.second]
        if residual is not None and residual is addition.inputs[0]:
            factors.reverse()
        half = fixed_point.HALF
        parts = [part for each in (*factors, found.constant) for part in (each >> half, each & ((1 << half) - 1))]
        return f"{{{', '.join(map(str, (*parts, found.shift - half, found.least)))}}}"

    def _addition(self, step: Addition) -> None:
        name = self.structure("sum", _identifier(step.name), self._sum(step, None)[1:-1])
        channels, height, width = step.output.shape
        first, second = step.inputs
        rows = ", ".join(str(self.place(each).row) for each in (first, second, step.output))
        ends = ", ".join(self.at(each) for each in (first, second, step.output))
        self.run.append(f"add({name}, {ends}, {height}, {width * channels}, {rows});")

    def _map(self, step: Product | Pick) -> None:
        name = _identifier(step.name)
        found = fixed_point.of_map(step) if isinstance(step, Product) else fixed_point.of_pick(step)
        numbers = {"multipliers": found.multiplier, "constants": found.constant, "shifts": found.shift}
        fields = [self.constant(f"{name}_{key}", filled_up(values).astype(np.int32)) for key, values in numbers.items()]
        made = self.structure("map", name, ", ".join([*fields, str(found.least)]))
        (read,) = step.inputs
        channels, height, width = step.output.shape
        source, target = self.place(read), self.place(step.output)
        steps = f"{step.strides[0] * source.row}, {step.strides[1] * channels}, {target.row}"
        self.run.append(
            f"convert({made}, {self.at(read)}, {self.at(step.output)}, {height}, {width}, {channels}, {steps});"
        )

    def _max_pool(self, step: MaxPool) -> None:
        (read,) = step.inputs
        channels, height, width = step.output.shape
        sizes = f"{read.shape[1]}, {read.shape[2]}, {height}, {width}, {channels}"
        window = f"{step.kernel[0]}, {step.strides[0]}, {step.pads[0]}"
        rows = f"{self.place(read).row}, {self.place(step.output).row}"
        self.run.append(f"max_pool({self.at(read)}, {self.at(step.output)}, {sizes}, {window}, {rows});")

    def _global_pool(self, step: GlobalPool) -> None:
        (read,) = step.inputs
        channels, height, width = read.shape
        found = fixed_point.of_pool(step)
        numbers = f"{found.multiplier[0]}, {found.constant[0]}LL, {found.shift[0] - fixed_point.WORD}"
        sizes = f"{height}, {width}, {channels}, {self.place(read).row}"
        self.run.append(f"average({self.at(read)}, {self.at(step.output)}, {sizes}, {numbers});")

    def _head(self, step: Logits) -> None:
        layer, (read,) = step.layer, step.inputs
        weights = _rows(step)
        name, classes = _identifier(step.name), len(weights)
        scales = np.broadcast_to(read.scale * along(_scale(layer.weights), 0, 1), classes)
        biases = np.zeros(classes) if layer.bias_values is None else layer.bias_values.astype(np.float64)
        biases = biases * (_scale(layer.bias) if layer.bias else 1.0)
        blocks = packed(weights[:, :, None, None])
        fields = [
            self.constant(f"{name}_weights", blocks),
            self.constant(f"{name}_totals", filled_up(_totals(step))),
            self.constant(f"{name}_offsets", -read.zero * _totals(step)),
            self.constant(f"{name}_scales", np.ascontiguousarray(scales, np.float64)),
            self.constant(f"{name}_biases", biases),
        ]
        made = self.structure("head", name, ", ".join(fields))
        sums = f"(int32_t *)(void *)(workspace + {self.memory.size})"
        self.run.append(f"classify({made}, {self.at(read)}, {sums}, logits, {blocks.shape[2]}, {classes});")


def source(program: Program) -> Source:
    """The generated files of a network."""
    listed = calls(program)
    writer = _Writer(memory.plan(listed))
    for number, call in enumerate(listed):
        writer.call(number, call)
    last = program[-1]
    if not isinstance(last, Logits):
        raise TypeError(type(last))
    writer.run.append(f"MARK({len(listed)});")
    classes = len(_rows(last))
    size = writer.memory.size + 4 * BLOCK * -(-classes // BLOCK)
    is_float = any(isinstance(step, Fed) and step.scale is None for step in program)
    pixel = "float" if is_float else "uint8_t"
    lines = "".join(f"    {line}\n" for line in writer.run)
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


def _rows(step: Product | Logits) -> Array:
    """The weights, outputs first."""
    return np.moveaxis(step.layer.weight_values, step.layer.channel_axis, 0)


def _totals(step: Product | Logits) -> Array:
    rows = _rows(step)
    totals: Array = rows.reshape(len(rows), -1).sum(axis=1, dtype=np.int32)
    return totals


def _identifier(name: str) -> str:
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
