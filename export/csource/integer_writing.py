"""Networks of bytes: all that their integers are computed with."""

import numpy as np

from ...quantize import fixed_point
from ...quantize.integer import Array, _scale
from ...quantize.layers import along
from ...quantize.program import Addition, Fed, GlobalPool, Logits, Pick, Product, Tensor
from .lowering import Call, even_then_odd, filled_up
from .tiles import INTEGERS
from .writing import Writer, identifier, rows


class IntegerWriter(Writer):
    group, value = 4, 1
    registers = INTEGERS

    def fed(self, step: Fed) -> None:
        channels, height, width = step.output.shape
        sizes = f"{height}, {width}, {channels}, {self.place(step.output).row}"
        if step.scale is None:
            form = f"{step.output.scale!r}, {step.output.zero}.0"
            self.run.append(f"feed_floats(image, {self.at(step.output)}, {sizes}, {form});")
            return
        table = self.shared("pixel_values", step.table())
        self.run.append(f"feed_bytes(image, {self.at(step.output)}, {sizes}, {table});")

    def layer(self, step: Product, weights: str, call: Call) -> list[str]:
        name, found = identifier(step.name), fixed_point.of_product(step)
        return [
            weights,
            self.constant(f"{name}_totals", filled_up(_totals(step))),
            self.constant(f"{name}_multipliers", filled_up(found.multiplier).astype(np.int32)),
            self.constant(f"{name}_constants", even_then_odd(found.constant)),
            self.constant(f"{name}_shifts", filled_up(found.shift - fixed_point.WORD).astype(np.int32)),
            str(found.least),
            self._sum(call.addition, call.residual) if call.addition else "{0}",
        ]

    def _sum(self, addition: Addition, residual: Tensor | None) -> str:
        """For a convolution's result and its residual; without one, for the addition's inputs in their order."""
        found = fixed_point.of_addition(addition)
        factors = [found.first, found.second]
        if residual is not None and residual is addition.inputs[0]:
            factors.reverse()
        half = fixed_point.HALF
        parts = [part for each in (*factors, found.constant) for part in (each >> half, each & ((1 << half) - 1))]
        return f"{{{', '.join(map(str, (*parts, found.shift - half, found.least)))}}}"

    def addition(self, step: Addition) -> None:
        name = self.structure("sum", identifier(step.name), self._sum(step, None)[1:-1])
        channels, height, width = step.output.shape
        first, second = step.inputs
        rows = ", ".join(str(self.place(each).row) for each in (first, second, step.output))
        ends = ", ".join(self.at(each) for each in (first, second, step.output))
        self.run.append(f"add({name}, {ends}, {height}, {width * channels}, {rows});")

    def map(self, step: Product | Pick) -> None:
        name = identifier(step.name)
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

    def global_pool(self, step: GlobalPool) -> None:
        (read,) = step.inputs
        channels, height, width = read.shape
        found = fixed_point.of_pool(step)
        numbers = f"{found.multiplier[0]}, {found.constant[0]}LL, {found.shift[0] - fixed_point.WORD}"
        sizes = f"{height}, {width}, {channels}, {self.place(read).row}"
        self.run.append(f"average({self.at(read)}, {self.at(step.output)}, {sizes}, {numbers});")

    def head_fields(self, step: Logits) -> list[str]:
        layer, (read,), totals = step.layer, step.inputs, _totals(step)
        name, classes = identifier(step.name), len(totals)
        scales = np.broadcast_to(read.scale * along(_scale(layer.weights), 0, 1), classes)
        biases = np.zeros(classes) if layer.bias_values is None else layer.bias_values.astype(np.float64)
        biases = biases * (_scale(layer.bias) if layer.bias else 1.0)
        return [
            self.constant(f"{name}_totals", filled_up(totals)),
            self.constant(f"{name}_offsets", -read.zero * totals),
            self.constant(f"{name}_scales", np.ascontiguousarray(scales, np.float64)),
            self.constant(f"{name}_biases", biases),
        ]


def _totals(step: Product | Logits) -> Array:
    weights = rows(step)
    totals: Array = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int32)
    return totals
