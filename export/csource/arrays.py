"""Constants as C: arrays of numbers, in lines of at most a hundred and twenty characters."""

import numpy as np

from ...quantize.integer import Array

TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t"}
TYPES |= {"float32": "float", "float64": "double"}
WIDTH = 120
ALIGNED = "ALIGNED "  # a macro of the file that they stand in
# Values from which an array is a string: a compiler reads that thirty times as fast, a person does not read it at all.
LONG = 1 << 18
OCTAL = np.array([list(f"\\{value:03o}".encode()) for value in range(256)], np.uint8)  # (256, 4)


def array(name: str, values: Array) -> str:
    """The definition of a constant array of these values, in their order in memory."""
    head = f"static const {ALIGNED}{TYPES[str(values.dtype)]} {name}"
    if values.size > LONG:
        return _long(name, head, values)
    return f"{head}[{values.size}] = {{\n{_lines(_numbers(values))}\n}};\n"


def _long(name: str, head: str, values: Array) -> str:
    """As a string, behind whose bytes there is room for its end; what is no byte is read through a union."""
    if values.itemsize == 1:
        return f"{head}[{values.size} + 1] =\n{_string(values)};\n"
    kind = TYPES[str(values.dtype)]
    union = f"union {{\n    char bytes[{values.nbytes} + 1];\n    {kind} values[{values.size}];\n}}"
    bytes_ = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).view(np.uint8)
    defined = f"static const {ALIGNED}{union} {name}_bytes = {{\n{_string(bytes_)}}};"
    return f"{defined}\n#define {name} {name}_bytes.values\n"


def _string(values: Array) -> str:
    """Bytes as octal escapes, which nothing behind them can prolong."""
    each, text = (WIDTH - 6) // 4, OCTAL[values.ravel().view(np.uint8)]
    lines = (text[start : start + each].tobytes().decode() for start in range(0, len(text), each))
    return "\n".join(f'    "{line}"' for line in lines)


def _numbers(values: Array) -> list[str]:
    if values.dtype.kind == "f":
        suffix = "f" if values.dtype.itemsize == 4 else ""
        return [f"{_float(value)}{suffix}" for value in values.ravel()]
    suffix = "LL" if values.dtype.itemsize == 8 else ""
    return [f"{value}{suffix}" for value in values.ravel().tolist()]


def _float(value: object) -> str:
    """The shortest decimal that reads back as the same number of its type."""
    text = str(value)
    return text if {".", "e", "n"} & set(text) else f"{text}.0"


def _lines(numbers: list[str]) -> str:
    each = (WIDTH - 4) // (max(map(len, numbers)) + 2)
    lines = (numbers[start : start + each] for start in range(0, len(numbers), each))
    return ",\n".join(f"    {', '.join(line)}" for line in lines)
