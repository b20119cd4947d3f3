"""Networks of floats."""

import numpy as np

from ...quantize.program import Addition, Fed, GlobalPool, Logits, Pick, Product
from .lowering import Call, filled_up
from .tiles import FLOATS
from .writing import Writer, identifier, rows


class FloatWriter(Writer):
    group, value = 1, 4
    start, prologue = "values", ("float *values = (float *)(void *)workspace;",)
    registers = FLOATS

    def fed(self, step: Fed) -> None:
        channels, height, width = step.output.shape
        sizes = f"{height}, {width}, {channels}, {self.place(step.output).row}"
        if step.scale is None or step.shift is None:
            self.run.append(f"feed_floats(image, {self.at(step.output)}, {sizes});")
            return
        scales = self.shared("pixel_scales", np.ascontiguousarray(step.scale))
        shifts = self.shared("pixel_shifts", np.ascontiguousarray(step.shift))
        self.run.append(f"feed_bytes(image, {self.at(step.output)}, {sizes}, {scales}, {shifts});")

    def layer(self, step: Product, weights: str, call: Call) -> list[str]:
        sum_ = f"{{{_least(call.addition.relu)}}}" if call.addition else "{0}"
        return [weights, self._biases(step), _least(step.layer.relu), sum_]

    def addition(self, step: Addition) -> None:
        channels, height, width = step.output.shape
        tensors = (*step.inputs, step.output)
        ends, lines = (", ".join(map(str, map(each, tensors))) for each in (self.at, lambda t: self.place(t).row))
        self.run.append(f"add({ends}, {height}, {width * channels}, {lines}, {_least(step.relu)});")

    def map(self, step: Product | Pick) -> None:
        (read,), (channels, height, width) = step.inputs, step.output.shape
        source, target = self.place(read), self.place(step.output)
        ends, sizes = f"{self.at(read)}, {self.at(step.output)}", f"{height}, {width}"
        if isinstance(step, Pick):
            taken = f"{read.shape[0]}, {step.before}, {channels}"
            steps = f"{step.strides[0] * source.row}, {step.strides[1] * read.shape[0]}, {target.row}"
            self.run.append(f"pick({ends}, {sizes}, {taken}, {steps});")
            return
        name = identifier(step.name)
        fields = [self.constant(f"{name}_factors", step.weights.ravel()), self._biases(step), _least(step.layer.relu)]
        made = self.structure("map", name, ", ".join(fields))
        self.run.append(f"convert({made}, {ends}, {sizes}, {channels}, {source.row}, {target.row});")

    def global_pool(self, step: GlobalPool) -> None:
        (read,) = step.inputs
        channels, height, width = read.shape
        sizes = f"{height}, {width}, {channels}, {self.place(read).row}"
        self.run.append(f"average({self.at(read)}, {self.at(step.output)}, {sizes});")

    def head_fields(self, step: Logits) -> list[str]:
        return [self._biases(step)]

    def _biases(self, step: Product | Logits) -> str:
        outputs, found = len(rows(step)), step.layer.bias_values
        biases = np.zeros(outputs, np.float32) if found is None else found
        return self.constant(f"{identifier(step.name)}_biases", filled_up(biases))


def _least(relu: object) -> str:
    return "0.0f" if relu else "LOWEST"
