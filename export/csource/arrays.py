"""Constants as C: arrays of numbers, in lines of a hundred and twenty characters."""

import textwrap

from ...quantize.integer import Array

TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t"}
TYPES |= {"float32": "float", "float64": "double"}
WIDTH = 120
ALIGNED = "ALIGNED "  # a macro of layers.h


def array(name: str, values: Array) -> str:
    """The definition of a constant array of these values, in their order in memory."""
    numbers = _numbers(values)
    return f"static const {ALIGNED}{TYPES[str(values.dtype)]} {name}[{len(numbers)}] = {{\n{_lines(numbers)}\n}};\n"


def _numbers(values: Array) -> list[str]:
    flat = values.ravel().tolist()
    if values.dtype.kind == "f":
        suffix = "f" if values.dtype.itemsize == 4 else ""
        return [f"{_float(value)}{suffix}" for value in values.ravel()]
    suffix = "LL" if values.dtype.itemsize == 8 else ""
    return [f"{value}{suffix}" for value in flat]


def _float(value: object) -> str:
    """The shortest decimal that reads back as the same number of its type."""
    text = str(value)
    return text if {".", "e", "n"} & set(text) else f"{text}.0"


def _lines(numbers: list[str]) -> str:
    return textwrap.fill(
        ", ".join(numbers), WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )
