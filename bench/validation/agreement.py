"""Do others measure the same? `python -m reszoo.bench.validation.agreement`

In turn, in every round, each in a fresh process: our harness and a loop of five lines on ONNX Runtime; our harness
and OpenVINO's own benchmark_app. Same model, one thread, batch 1, bound to the same core.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median as middle

from ...core.estimates import median
from ...core.types import Artifact
from ...export.formats.onnx import MODEL_FILE
from ..affinity import choose_cores
from .subjects import arguments, artifact, finish, measured, scenario

# Of a smaller network, what Python adds to OpenVINO's own clock (some 10 us) would be more than a few per cent.
REF = "resnet20_v2.reszoo_cifar10"
SECONDS = 4
BARE_LOOP = """
import sys, time, json, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: numpy.random.rand(1, 3, 32, 32).astype(numpy.float32)}
samples, end = [], time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    start = time.perf_counter()
    session.run(None, feed)
    samples.append(time.perf_counter() - start)
print(json.dumps(samples[len(samples) // 5 :]))
"""


def main() -> None:
    options = arguments(__doc__, rounds=7)
    model = artifact(REF, batch=1)  # benchmark_app fixes a dynamic batch, which makes OpenVINO faster
    figures: dict[str, list[float]] = {"onnxruntime": [], "bare_loop": [], "openvino": [], "benchmark_app": []}
    for i in range(options.rounds):
        turns = [("onnxruntime", ours), ("bare_loop", bare_loop), ("openvino", ours), ("benchmark_app", benchmark_app)]
        for name, how in turns if i % 2 == 0 else reversed(turns):
            figures[name].append(how(model, name))
    for ours_name, other in (("onnxruntime", "bare_loop"), ("openvino", "benchmark_app")):
        found = [a / b for a, b in zip(figures[ours_name], figures[other], strict=True)]
        print(f"ours / {other}: {middle(found):.3f} ({min(found):.3f} to {max(found):.3f})")
    finish(options.out, figures)


def ours(model: Artifact, runtime: str) -> float:
    return median(measured(model, scenario(runtime, precision=0.001, sampling_limit_s=SECONDS)).samples_s)


def bare_loop(model: Artifact, _: str) -> float:
    return median(json.loads(_bound([sys.executable, "-c", BARE_LOOP, str(model.path / MODEL_FILE), str(SECONDS)])))


def benchmark_app(model: Artifact, _: str) -> float:
    """The median latency that it prints, in seconds."""
    tool = [str(Path(sys.executable).with_name("benchmark_app")), "-hint", "none"]
    shape = ["-m", str(model.path / MODEL_FILE), "-d", "CPU", "-api", "sync", "-shape", "[1,3,32,32]"]
    threads = ["-nthreads", "1", "-infer_precision", "f32", "-t", str(SECONDS)]
    printed = _bound([*tool, *shape, *threads])
    found = re.search(r"Median:\s+([0-9.]+) (ms|us)", printed)
    if not found:
        raise RuntimeError(f"benchmark_app printed no median:\n{printed}")
    return float(found[1]) * {"ms": 1e-3, "us": 1e-6}[found[2]]


def _bound(command: list[str]) -> str:
    """What a command prints that runs on the core that the harness would choose."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, choose_cores(1))
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
