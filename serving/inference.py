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


class Protocol:
    """What is asked of one model, and answered."""

    def __init__(self, model: Candidate, name: str, most: int) -> None:
        self.model, self.name, self.most = model, name, most
        self.input, self.output = model.input, model.output
        self.dtype = np.dtype(self.input.dtype)
        self.sides = list(self.input.shape[1:])
        self.elements = prod(int(side) for side in self.sides)
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
        try:
            request = self.decode(memoryview(body)[:end])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise _wrong(f"the request is not as the protocol has it: {error}") from error
        if len(request.inputs) != 1:
            raise _wrong(f"the model has one input, {self.input.name!r}, and {len(request.inputs)} were sent")
        return Asked(self._batch(request.inputs[0], body, end), request.id, self._is_binary(request))

    def _batch(self, tensor: Tensor, body: bytes, end: int) -> NDArray[Any]:
        expected = DATATYPES[self.input.dtype]
        if tensor.name != self.input.name or tensor.datatype != expected:
            raise _wrong(f"the model's input is {self.input.name!r} of {expected}; see the model's metadata")
        if len(tensor.shape) != len(self.sides) + 1 or tensor.shape[1:] != self.sides:
            raise _wrong(f"the input has the shape [N, {', '.join(map(str, self.sides))}]")
        images = tensor.shape[0]
        if not 1 <= images <= self.most:
            raise _wrong(f"a request brings 1 to {self.most} images")
        size = tensor.parameters.get("binary_data_size")
        if size is not None:
            bytes_ = images * self.elements * self.dtype.itemsize
            if tensor.data is not None or size != bytes_ or len(body) - end != bytes_:
                raise _wrong(f"{bytes_} bytes have to stand behind the JSON, and in binary_data_size, without `data`")
            # a copy, as what stands in the body need not be aligned
            batch = np.frombuffer(body, self.dtype, offset=end).reshape(tensor.shape).copy()
        elif tensor.data is not None and len(body) == end:
            batch = self._of_json(tensor.data).reshape(tensor.shape)
        else:
            raise _wrong("the tensor has to be in `data`, or behind the JSON with `binary_data_size`")
        if self.dtype.kind == "f" and not _is_finite(batch):
            raise _wrong("the input has values that are no finite numbers")
        return batch

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


def _is_finite(batch: NDArray[Any]) -> bool:
    """A product with itself is quick, and finite only if everything is; one that is not may have overflown."""
    flat = batch.ravel()
    return isfinite(np.dot(flat, flat)) or bool(np.isfinite(flat).all())


def _wrong(reason: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, reason)
