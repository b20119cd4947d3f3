"""How a measurement and a comparison stand on disk: their samples are packed. Schema 1 had a list of decimals.

Before schema 3, neither said on which target it was made, nor a measurement how: there was only one.
"""

from collections import defaultdict
from typing import Any

import msgspec

from .packing import pack, unpack
from .schemas import Fields, Schema, unchanged


class Round(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison's round: who ran, block by block; and of each contestant the lengths of its blocks, and its samples.

    The numbers stand in a text, with blanks between them: as a list, each would have a line of its own.
    """

    order: str
    lengths: list[str]
    samples_s: list[Any]


def _pack_measurement(fields: Fields) -> Fields:
    return fields | {"samples_s": pack(fields["samples_s"])}


def _measured(fields: Fields) -> Fields:
    return fields | {"way": {"kind": "measured"}}


def _measured_and_packed(fields: Fields) -> Fields:
    return _unpack_measurement(_measured(fields))


def _unpack_measurement(fields: Fields) -> Fields:
    return fields | {"samples_s": unpack(_held(fields, "samples_s", "measurement"), "$.samples_s")}


def _pack_comparison(fields: Fields) -> Fields:
    return fields | {"rounds": [_pack_round(blocks) for blocks in fields["rounds"]]}


def _unpack_comparison(fields: Fields) -> Fields:
    rounds = msgspec.convert(_held(fields, "rounds", "comparison"), list[Round])
    return fields | {"rounds": [_unpack_round(each, f"$.rounds[{number}]") for number, each in enumerate(rounds)]}


def _held(fields: Fields, name: str, kind: str) -> Any:
    if name not in fields:  # somebody named another document, such as an artifact's
        raise ValueError(f"it is no {kind}: it has no `{name}`")
    return fields[name]


def _pack_round(blocks: list[Fields]) -> Fields:
    lengths: dict[int, list[int]] = defaultdict(list)
    samples: dict[int, list[float]] = defaultdict(list)
    for block in blocks:
        lengths[block["contestant"]].append(len(block["samples_s"]))
        samples[block["contestant"]] += block["samples_s"]
    contestants = range(max(lengths, default=-1) + 1)
    return {
        "order": _text([block["contestant"] for block in blocks]),
        "lengths": [_text(lengths[contestant]) for contestant in contestants],
        "samples_s": [pack(samples[contestant]) for contestant in contestants],
    }


def _unpack_round(packed: Round, where: str) -> list[Fields]:
    lengths = [iter(_numbers(text)) for text in packed.lengths]
    samples = [iter(unpack(each, f"{where}.samples_s[{c}]")) for c, each in enumerate(packed.samples_s)]
    blocks = []
    try:
        for contestant in _numbers(packed.order):
            length = next(lengths[contestant])
            times_s = [next(samples[contestant]) for _ in range(length)]
            blocks.append({"contestant": contestant, "samples_s": times_s})
    except (IndexError, StopIteration):
        raise ValueError(f"`{where}` has more blocks in its order than lengths or samples") from None
    if any(True for rest in (*lengths, *samples) for _ in rest):
        raise ValueError(f"`{where}` has more lengths or samples than blocks in its order")
    return blocks


def _text(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split()]


MEASUREMENT = Schema(_pack_measurement, {1: _measured, 2: _measured_and_packed, 3: _unpack_measurement})
COMPARISON = Schema(_pack_comparison, {1: unchanged, 2: _unpack_comparison, 3: _unpack_comparison})
