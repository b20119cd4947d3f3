"""The Open Inference Protocol, version 2, over HTTP, with its binary tensor extension.

Specification: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md; the extension:
github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md.
"""

from http import HTTPStatus
from math import isfinite, prod
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..core.types import Candidate, TensorSpec
from .http import JSON, Refusal

VERSION = "1"
MOST_KNOWN, LONGEST_KNOWN = 64, 1024  # texts, and bytes of each
DATATYPES = {"float32": "FP32", "float16": "FP16", "uint8": "UINT8", "int8": "INT8"}
BINARY = b"application/octet-stream"
KINDS = {"f": "fiu", "u": "iu", "i": "iu"}  # of NumPy's types: which numbers in JSON a tensor may be written as


class Tensor(msgspec.Struct):
    """An input of a request. Its data are here, or behind the JSON in `binary_data_size` bytes."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class Wanted(msgspec.Struct):
    """An output that a request asks for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct):
    """The JSON of a request."""

    inputs: list[Tensor]
    id: str = ""
    outputs: list[Wanted] = []
    parameters: dict[str, Any] = {}


class Asked(NamedTuple):
    """What a request comes to: a batch as the model takes it, and how the answer is written."""

    batch: NDArray[Any]
    id: str
    is_binary: bool


class Understood(NamedTuple):
    """What the JSON of a request comes to. `data` is the tensor's, None where it stands behind the JSON."""

    shape: tuple[int, ...]
    bytes_: int
    data: list[Any] | None
    id: str
    is_binary: bool


class Protocol:
    """What is asked of one model, and answered."""

    def __init__(self, model: Candidate, name: str, most: int) -> None:
        self.model, self.name, self.most = model, name, most
        self.input, self.output = model.input, model.output
        self.dtype = np.dtype(self.input.dtype)
        self.sides = list(self.input.shape[1:])
        self.elements = prod(int(side) for side in self.sides)
        self.known: dict[bytes, Understood] = {}  # clients send the same JSON again and again, and only other tensors
        self.decode = msgspec.json.Decoder(InferRequest).decode
        self.names = b'"model_name":%b,"model_version":"%b"' % (msgspec.json.encode(name), VERSION.encode())

    def metadata(self) -> dict[str, object]:
        ends = {"inputs": [self._end(self.input)], "outputs": [self._end(self.output)]}
        return {"name": self.name, "versions": [VERSION], "platform": f"reszoo_{self.model.format}", **ends}

    def _end(self, spec: TensorSpec) -> dict[str, object]:
        """A batch that is too small is filled up, so that every model takes any number of images up to the limit."""
        return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": [-1, *spec.shape[1:]]}

    def read(self, body: bytes, json_bytes: bytes | None) -> Asked:
        """From a request's body; `json_bytes` is its header that says where the JSON ends. Raises Refusal."""
        end = len(body)
        if json_bytes is not None:
            end = int(json_bytes) if json_bytes.isdigit() else -1
            if not 0 < end <= len(body):
                raise _wrong(f"Inference-Header-Content-Length is no length within the body of {len(body)} bytes")
        text = body[:end] if end < len(body) else b""
        asked = self.known.get(text) or self._understood(text or body)
        if text and asked.data is None and len(text) < LONGEST_KNOWN:
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[text] = asked
        batch = self._batch(asked, body, end)
        # quick, and finite only if everything is; a product that is not may have overflown
        if self.dtype.kind == "f" and not isfinite(np.vdot(batch, batch)) and not np.isfinite(batch).all():
            raise _wrong("the input has values that are no finite numbers")
        return Asked(batch, asked.id, asked.is_binary)

    def _understood(self, text: bytes) -> "Understood":
        """What the JSON of a request says. Raises Refusal."""
        try:
            request = self.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise _wrong(f"the request is not as the protocol has it: {error}") from error
        if len(request.inputs) != 1:
            raise _wrong(f"the model has one input, {self.input.name!r}, and {len(request.inputs)} were sent")
        (tensor,) = request.inputs
        expected = DATATYPES[self.input.dtype]
        if tensor.name != self.input.name or tensor.datatype != expected:
            raise _wrong(f"the model's input is {self.input.name!r} of {expected}; see the model's metadata")
        if len(tensor.shape) != len(self.sides) + 1 or tensor.shape[1:] != self.sides:
            raise _wrong(f"the input has the shape [N, {', '.join(map(str, self.sides))}]")
        if not 1 <= tensor.shape[0] <= self.most:
            raise _wrong(f"a request brings 1 to {self.most} images")
        bytes_ = tensor.shape[0] * self.elements * self.dtype.itemsize
        size = tensor.parameters.get("binary_data_size")
        if (size is None) == (tensor.data is None) or size not in (None, bytes_):
            raise _wrong(f"the tensor has to be in `data`, or behind the JSON: `binary_data_size` is {bytes_} then")
        return Understood(tuple(tensor.shape), bytes_, tensor.data, request.id, self._is_binary(request))

    def _batch(self, asked: "Understood", body: bytes, end: int) -> NDArray[Any]:
        behind = len(body) - end
        if behind != (0 if asked.data is not None else asked.bytes_):
            raise _wrong(f"{behind} bytes stand behind the JSON, which says something else")
        if asked.data is not None:
            return self._of_json(asked.data).reshape(asked.shape)
        # a copy, as what stands in the body need not be aligned
        return np.ndarray(asked.shape, self.dtype, body, end).copy()

    def _of_json(self, data: list[Any]) -> NDArray[Any]:
        """Numbers in row-major order, nested or not."""
        try:
            found = np.asarray(data)
            if found.dtype.kind not in KINDS[self.dtype.kind]:
                raise ValueError("its items are no numbers of that type")
            with np.errstate(over="ignore"):  # infinity is refused with the others
                made = found.astype(self.dtype)
            if self.dtype.kind != "f" and not np.array_equal(made, found):
                raise ValueError(f"its numbers are out of the range of {self.dtype}")
            found.reshape(-1, self.elements)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _wrong(f"`data` is no tensor of this shape and type: {error}") from error
        return made

    def _is_binary(self, request: InferRequest) -> bool:
        wanted = request.parameters.get("binary_data_output", False)
        for output in request.outputs:
            if output.name != self.output.name:
                raise _wrong(f"the model's only output is {self.output.name!r}")
            if unknown := set(output.parameters) - {"binary_data"}:
                raise _wrong(f"the output has no parameter {min(unknown)!r}; POST /predict gives classes")
            wanted = output.parameters.get("binary_data", wanted)
        return bool(wanted)

    def answer(self, asked: Asked, logits: NDArray[np.float32]) -> tuple[bytes, bytes, bytes]:
        """The body, its type, and the header that it needs. Raises Refusal for logits that JSON has no numbers for."""
        names = self.names if not asked.id else b'%b,"id":%b' % (self.names, msgspec.json.encode(asked.id))
        name, shape = self.output.name.encode(), b"%d,%d" % logits.shape
        if asked.is_binary:
            data = logits.tobytes()
            extent = b'"parameters":{"binary_data_size":%d}' % len(data)
        else:
            if not np.isfinite(logits).all():
                raise _wrong("the model gives no finite numbers for this input")
            extent = b'"data":%b' % msgspec.json.encode(logits.ravel().tolist())
        json = b'{%b,"outputs":[{"name":"%b","datatype":"FP32","shape":[%b],%b}]}' % (names, name, shape, extent)
        if asked.is_binary:
            return json + data, BINARY, b"inference-header-content-length: %d\r\n" % len(json)
        return json, JSON, b""


def _wrong(reason: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, reason)
