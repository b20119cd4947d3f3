"""A `reszoo serve` of a test's own, and what it is asked over a socket."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from processes import started


class Server(NamedTuple):
    """One that is ready. `about` is what it said then."""

    process: "subprocess.Popen[str]"
    about: dict[str, Any]

    @property
    def address(self) -> str:
        return str(self.about["address"]).rstrip("/")

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def served(ref: Path | str, *options: str) -> Iterator[Server]:
    """Stopped on leaving, if it still runs."""
    command = [sys.executable, "-m", "reszoo.cli.main", "serve", str(ref), "--port", "0", "--json", *options]
    with started(command, stdout=subprocess.PIPE, text=True) as process:
        lines = []
        while (line := process.stdout.readline()) and line != "}\n":
            lines.append(line)
        server = Server(process, json.loads("".join([*lines, "}"])))
        yield server
        if process.poll() is None:
            assert server.stop() == 0


def tensor(batch: np.ndarray, **more: object) -> dict[str, Any]:
    """The input of a request, its data in JSON."""
    names = {"float32": "FP32", "uint8": "UINT8"}
    datatype = names[str(batch.dtype)]
    return {"name": "input", "datatype": datatype, "shape": list(batch.shape), "data": batch.ravel().tolist()} | more


def binary(batch: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """The body and the header of a request with the binary extension, which asks for a binary answer."""
    ends = {
        "inputs": [tensor(batch, parameters={"binary_data_size": batch.nbytes}) | {"data": None}],
        "outputs": [{"name": "logits", "parameters": {"binary_data": True}}],
    }
    del ends["inputs"][0]["data"]
    head = json.dumps(ends).encode()
    return head + batch.tobytes(), {"Inference-Header-Content-Length": str(len(head))}
