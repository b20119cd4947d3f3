"""What serving costs: `python scripts/serving.py [--seconds 120] [FILE]`, on an idle machine; 18 minutes.

`reszoo serve` of a bundled network, int8 in ONNX Runtime, on 127.0.0.1, its clients on the same machine:

load      so many connections, each with one request of one image at a time in the binary protocol, for two minutes, by
          batch policy, with one worker and with two. Every answer is compared with the runtime's.
latency   one connection against the bare runtime, in turn, in rounds of fresh servers; and against a process that
          answers as many bytes with as many after as long a time: what it takes two processes to talk at all.

It goes on where an interrupted run has stopped.
"""

import argparse
import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
from figures import MEASUREMENTS, Figure, known, write

from reszoo import zoo
from reszoo.core.estimates import log_ratio, quantile, ratio_of_rounds
from reszoo.core.types import Artifact
from reszoo.export import ExportOptions
from reszoo.export.exporting import exported
from reszoo.export.feeding import feed, sample_images
from reszoo.workflows.predicting import session

REF = "resnet20_v2.reszoo_cifar10"
OUT = MEASUREMENTS / "serving.json"
CONNECTIONS = 16
WORKERS = (1, 2)
POLICIES = ((1, 0), (8, 0), (8, 2), (32, 5))  # the largest batch, and the delay in ms
IMAGES = 8
TOLERANCE = 1e-3
ECHO = """
import socket, sys, time
asked, answer, seconds = int(sys.argv[1]), bytes(int(sys.argv[2])), float(sys.argv[3])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
line, _ = listener.accept()
line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    left = asked
    while left:
        got = len(line.recv(1 << 16))
        if not got:
            sys.exit()
        left -= got
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    line.sendall(answer)
"""
ROUNDS, BLOCKS, RUNS = 10, 20, 100


class Question(NamedTuple):
    """A whole request, and the logits that answer it."""

    request: bytes
    logits: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="FILE", nargs="?", default=OUT)
    parser.add_argument("--seconds", type=float, default=120, help="of each load")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of the latency")
    options = parser.parse_args()
    figures = known(options.out)
    artifact = exported(zoo.load(REF), "onnx", ExportOptions(precision="int8"))
    questions = asked(artifact)

    def add(figure: Figure) -> None:
        figures.append(figure)
        write(options.out, figures)
        print(json.dumps(figure), flush=True)

    done = [each["what"] for each in figures]
    if "latency" not in done:
        add(latency(artifact, questions, options.rounds))
    for workers in WORKERS:
        for policy in POLICIES:
            what = f"load, {workers} workers, {policy[0]} images, {policy[1]} ms"
            if what not in done:
                add({"what": what, **load(artifact, questions, workers, *policy, options.seconds)})


def asked(artifact: Artifact) -> list[Question]:
    pixels, _ = sample_images(artifact.dataset, artifact.preprocess, IMAGES)
    batch = feed(pixels, artifact.input, artifact.preprocess)
    with session(artifact, threads=1) as bare:
        return [Question(_request(image[None]), bare.predict(image[None])[0]) for image in batch]


def _request(batch: np.ndarray) -> bytes:
    parameters = {"binary_data_size": batch.nbytes}
    tensor = {"name": "input", "datatype": "FP32", "shape": batch.shape, "parameters": parameters}
    wanted = {"name": "logits", "parameters": {"binary_data": True}}
    about = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    size = len(about) + batch.nbytes
    head = f"POST /v2/models/{REF}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n"
    return f"{head}Inference-Header-Content-Length: {len(about)}\r\n\r\n".encode() + about + batch.tobytes()


@contextmanager
def serving(artifact: Artifact, *options: str) -> Iterator[tuple[int, int]]:
    """The process and its port."""
    command = [sys.executable, "-m", "reszoo.cli.main", "serve", str(artifact.path), "--port", "0", "--json"]
    process = subprocess.Popen([*command, "--threads", "1", *options], stdout=subprocess.PIPE, text=True)
    lines = iter(process.stdout or ())
    try:
        address = next(line for line in lines if '"address"' in line)
        yield process.pid, int(address.rpartition(":")[2].partition("/")[0])
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    if code:
        raise RuntimeError(f"the server ended with {code}")


def read(answer: bytes) -> np.ndarray | None:
    """The logits, if the answer is whole; of another status, none at all."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
        return None
    if not head.startswith(b"HTTP/1.1 200 "):
        return np.empty(0, np.float32)
    classes = int(head.partition(b"inference-header-content-length: ")[2].partition(b"\r\n")[0])
    return np.frombuffer(body[classes:], np.float32)


def is_right(found: np.ndarray, question: Question) -> bool:
    return found.shape == question.logits.shape and bool(np.abs(found - question.logits).max() < TOLERANCE)


class Client(asyncio.Protocol):
    """One connection: the next request follows the answer, until the time is over."""

    def __init__(self, questions: list[Question], end: float) -> None:
        self.questions, self.end = questions, end
        self.times: list[float] = []
        self.sent = self.right = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.received = b""
        self.began = time.perf_counter()
        if self.began > self.end:
            self.transport.close()
            return
        self.sent += 1
        self.transport.write(self.questions[self.sent % IMAGES].request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        found = read(self.received)
        if found is not None:
            self.times.append(time.perf_counter() - self.began)
            self.right += is_right(found, self.questions[self.sent % IMAGES])
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.done.set_result(None)


async def _clients(port: int, questions: list[Question], seconds: float) -> list[Client]:
    loop, end = asyncio.get_running_loop(), time.perf_counter() + seconds
    made = [await loop.create_connection(lambda: Client(questions, end), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    clients: list[Client] = [protocol for _, protocol in made]
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), seconds + 60)
    return clients


def load(
    artifact: Artifact, questions: list[Question], workers: int, batch: int, delay_ms: float, seconds: float
) -> Figure:
    import uvloop

    policy = ("--workers", str(workers), "--max-batch", str(batch), "--max-delay", str(delay_ms))
    with serving(artifact, *policy) as (pid, port):
        uvloop.run(_clients(port, questions, 1))  # to warm up
        began = time.perf_counter()
        clients = uvloop.run(_clients(port, questions, seconds))
        took = time.perf_counter() - began
        memory = sum(_pss_bytes(each) for each in (pid, *_children(pid)))
        counted = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    times = [each for client in clients for each in client.times]
    sent, right = sum(client.sent for client in clients), sum(client.right for client in clients)
    return {
        "workers": workers,
        "max_batch": batch,
        "max_delay_ms": delay_ms,
        "connections": CONNECTIONS,
        "seconds": round(took, 1),
        "sent": sent,
        "answered": len(times),
        "right": right,
        "p50_s": round(quantile(times, 0.5), 6),
        "p99_s": round(quantile(times, 0.99), 6),
        "together": round(_metric(counted, "batch_images_sum") / _metric(counted, "batch_images_count"), 2),
        "memory_bytes": memory,
    }


def _metric(text: str, name: str) -> float:
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"reszoo_{name} ")))


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _pss_bytes(pid: int) -> int:
    """Memory that processes share is counted once, in parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("Pss:")))


def latency(artifact: Artifact, questions: list[Question], rounds: int) -> Figure:
    """Of one image, through the server and without it, and of an exchange that computes nothing, in turn."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    pixels, _ = sample_images(artifact.dataset, artifact.preprocess, IMAGES)
    images = np.split(feed(pixels, artifact.input, artifact.preprocess), IMAGES)
    ratios, medians = [], []
    for _ in range(rounds):
        path = str(artifact.path / "model.onnx")
        bare = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        with serving(artifact) as (_, port), _connected(port) as line:
            answer = _asked(line, questions[0])
            usual_s = quantile([_without(bare, images[run % IMAGES]) for run in range(RUNS)], 0.5)
            with echoing(len(questions[0].request), len(answer), usual_s) as echo:
                blocks = []
                for _ in range(BLOCKS + 1):
                    alone = [_without(bare, images[run % IMAGES]) for run in range(RUNS)]
                    served = [_through(line, questions[run % IMAGES]) for run in range(RUNS)]
                    exchanged = [_exchanged(echo, questions[run % IMAGES].request, len(answer)) for run in range(RUNS)]
                    blocks.append((alone, served, exchanged))
        del blocks[0]  # to warm up
        ratios.append(log_ratio([(alone, served) for alone, served, _ in blocks]))
        medians.append([quantile(list(chain(*part)), 0.5) for part in zip(*blocks, strict=True)])
    ratio, interval = ratio_of_rounds(ratios)
    bare_s, served_s, exchanged_s = (float(np.median(part)) for part in zip(*medians, strict=True))
    return {
        "what": "latency",
        "rounds": rounds,
        "served_s": round(served_s, 7),
        "bare_s": round(bare_s, 7),
        "exchanged_s": round(exchanged_s, 7),
        "ratio": round(ratio, 4),
        "interval": [round(interval.low, 4), round(interval.high, 4)],
    }


@contextmanager
def echoing(asked: int, answered: int, seconds: float) -> Iterator[socket.socket]:
    """A connection to a process that answers so many bytes with so many, after so long."""
    command = [sys.executable, "-c", ECHO, str(asked), str(answered), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = int(next(iter(process.stdout or ())))
        with _connected(port) as line:
            yield line


def _connected(port: int) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _asked(line: socket.socket, question: Question) -> bytes:
    line.sendall(question.request)
    answer = line.recv(1 << 16)
    while read(answer) is None:
        answer += line.recv(1 << 16)
    return answer


def _through(line: socket.socket, question: Question) -> float:
    began = time.perf_counter()
    found = read(_asked(line, question))
    took = time.perf_counter() - began
    if found is None or not is_right(found, question):
        raise RuntimeError("an answer is wrong")
    return took


def _exchanged(line: socket.socket, content: bytes, answered: int) -> float:
    began = time.perf_counter()
    line.sendall(content)
    left = answered
    while left:
        left -= len(line.recv(1 << 16))
    return time.perf_counter() - began


def _without(bare: Any, image: np.ndarray) -> float:
    began = time.perf_counter()
    bare.run(None, {"input": image})
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
