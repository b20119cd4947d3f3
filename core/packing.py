"""Series of times in a document: each of them exactly, in about an eighth of the room that their decimals take.

A series is {"encoding": ..., "runs": n, "data": DATA}. With the encoding "nanoseconds" each time is an integer of
nanoseconds divided by n, as the mean of n runs by the host's clock is; with "float64" it is any number of seconds. DATA
has eight bytes for each: the lowest byte of all of them, then the next one of all, and so on, because the high bytes
hardly differ; compressed by zlib, in base64. numpy reads it in a line:

    np.frombuffer(zlib.decompress(base64.b64decode(DATA)), "u1").reshape(8, -1).T.copy().view("<i8")  # or "<f8"
"""

import base64
import sys
import zlib
from array import array
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

NUMBER_BYTES = 8
MOST_RUNS = 1000  # in one sample: shorter runs are below any clock


class Packed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    encoding: Literal["nanoseconds", "float64"]
    runs: Annotated[int, msgspec.Meta(ge=1)] = 1
    data: str


def pack(times_s: Sequence[float]) -> dict[str, Any]:
    for runs in range(1, MOST_RUNS + 1):
        if all(_seconds(_ticks(time_s, runs), runs) == time_s for time_s in times_s):
            ticks = array("q", (_ticks(time_s, runs) for time_s in times_s))
            return {"encoding": "nanoseconds", "runs": runs, "data": _text(ticks)}
    return {"encoding": "float64", "data": _text(array("d", times_s))}


def unpack(series: object, where: str) -> list[float]:
    """Raises ValueError, which names `where` the series stands, for anything that `pack` does not give."""
    try:
        packed = msgspec.convert(series, Packed)
        if packed.encoding == "float64":
            return _numbers(packed.data, array("d")).tolist()
        return [_seconds(ticks, packed.runs) for ticks in _numbers(packed.data, array("q"))]
    except (ValueError, zlib.error) as error:
        raise ValueError(f"`{where}` is no packed series of times: {error}") from error


def _seconds(ticks: int, runs: int) -> float:
    return ticks / 1e9 / runs  # in the order in which the harness divides, or the last bit would differ


def _ticks(time_s: float, runs: int) -> int:
    return round(time_s * runs * 1e9)


def _text(numbers: "array[Any]") -> str:
    if sys.byteorder == "big":
        numbers.byteswap()
    data = numbers.tobytes()
    planes = b"".join(data[place::NUMBER_BYTES] for place in range(NUMBER_BYTES))
    return base64.b64encode(zlib.compress(planes, 9)).decode()


def _numbers(text: str, numbers: "array[Any]") -> "array[Any]":
    """`numbers`, which is empty, with what `_text` made."""
    planes = zlib.decompress(base64.b64decode(text, validate=True))
    count, rest = divmod(len(planes), NUMBER_BYTES)
    if rest:
        raise ValueError(f"{len(planes)} bytes are no whole number of numbers")
    data = bytearray(len(planes))
    for place in range(NUMBER_BYTES):
        data[place::NUMBER_BYTES] = planes[place * count : (place + 1) * count]
    numbers.frombytes(bytes(data))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
