"""On a device, in the place of `bench/protocol.py`: the same messages, as records that are not checked."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

from . import records

PATHS = ("artifact", "inputs")  # the fields of requests that are paths


class Array(records.Record):
    """A numpy array, as it goes over the line."""

    dtype: str
    shape: tuple[int, ...]
    data: str

    @classmethod
    def of(cls, array: Any) -> "Array":
        data = base64.b64encode(zlib.compress(array.tobytes(), 1)).decode()
        return cls(dtype=array.dtype.name, shape=array.shape, data=data)

    def numpy(self) -> Any:
        import numpy as np

        return np.frombuffer(zlib.decompress(base64.b64decode(self.data)), self.dtype).reshape(self.shape)


def __getattr__(name: str) -> Any:
    return getattr(records, name)


def encode(message: Any) -> bytes:
    return json.dumps({"type": type(message).__name__, **records.plain(message)}).encode() + b"\n"


def decode_request(line: bytes) -> Any:
    fields = json.loads(line)
    kind = getattr(records, fields.pop("type"))
    for name, value in fields.items():
        if name in PATHS and value:
            fields[name] = Path(value)
        elif isinstance(value, dict):
            fields[name] = Array(**value) if name == "batch" else records.record(value)
    return kind(**fields)
