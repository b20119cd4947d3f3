"""What a format makes of other networks and options than the contract tests have."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from foreign import untrained

from reszoo import models, zoo
from reszoo.core.types import Artifact, Checkpoint
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract.format import Format, formats
from reszoo.export.contract.runtime import Session
from reszoo.export.ways import runnable

V2 = "resnet8_v2.reszoo_digits"
BATCH = 3
# What is said of one image more than a fixed batch has, by who runs it: the format's own runtime, or its stand-in.
REFUSALS = {
    "coreml": "shape",
    "executorch": r"set_inputs\(\).* failed with error 0x10",  # InvalidArgument
    "litert-web": rf"\[{BATCH + 1}, .* does not match expected .*\[{BATCH}, ",
    "litert": f"Got {BATCH + 1} but expected {BATCH} for dimension 0",
    "mil": rf"shape '\[{BATCH}, \d+\]' is invalid",
    "onnxruntime-web": f"Got: {BATCH + 1} Expected: {BATCH}",
    "mnn": f"does not compute a batch of {BATCH + 1}",
    "onnxruntime": f"Got: {BATCH + 1} Expected: {BATCH}",
    "openvino": rf"model input \(shape=\[{BATCH},.* tensor \(shape=\({BATCH + 1}\.",
    "tensorrt": f"not built for the input shape {BATCH + 1} x",
    "tensorrt-rtx": f"not built for the input shape {BATCH + 1} x",
}

# two sessions at once that end in the order in which they began, and then Ctrl-C
TWO_SESSIONS = """
import gc, os, signal, sys, time
from pathlib import Path
import numpy as np
from reszoo.export import artifacts
from reszoo.export.contract.runtime import runtimes

artifact, runtime = artifacts.read(Path(sys.argv[1])), runtimes()["openvino"]
first, second = (runtime.load(artifact, device=runtime.devices[0], threads=1, variant="") for _ in range(2))
image = np.zeros((1, *artifact.input.shape[1:]), artifact.input.dtype)
first.predict(image)
second.predict(image)
first.close()
del first
gc.collect()
second.close()
del second
gc.collect()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print("interrupted")
"""

# how much one image adds to the memory of a process that has loaded a program
FIRST_IMAGE = """
import resource, sys
from pathlib import Path
import numpy as np
from reszoo.export import artifacts
from reszoo.export.contract.runtime import runtimes

artifact, runtime = artifacts.read(Path(sys.argv[1])), runtimes()["executorch"]
with runtime.load(artifact, device="cpu", threads=1, variant="") as session:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    session.predict(np.zeros((1, *artifact.input.shape[1:]), artifact.input.dtype))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


FLOAT = sorted(name for name, plugin in formats().items() if "fp32" in plugin.precisions)


@pytest.fixture(params=sorted({*FLOAT} - {"onnx", "torch"}))
def plugin(request: pytest.FixtureRequest) -> Format:
    plugin: Format = formats()[request.param]
    if missing := plugin.unavailable():
        pytest.skip(missing.reason)
    return plugin


@pytest.fixture(scope="module")
def bottleneck(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A small relative of resnet50_v1: projections, the 7x7 stem, max pooling, three channels."""
    spec = msgspec.structs.replace(
        models.spec_of("resnet50_v1"), depths=(1, 1), widths=(8, 16), stem_width=8, num_classes=5, input=(3, 32, 32)
    )
    return untrained(tmp_path_factory.mktemp("bottleneck"), spec)


def opened(artifact: Artifact) -> Session:
    model, runtime = runnable(artifact, formats()[artifact.format].parity_runtime)
    return runtime.load(model, device=runtime.devices[0], threads=1, variant="")


@pytest.mark.long("coreml", "executorch", "openvino", "tensorrt")
def test_projections_raw_pixels_and_a_fixed_batch_survive(
    plugin: Format, bottleneck: Checkpoint, tmp_path: Path
) -> None:
    options = ExportOptions(
        input="uint8" if "uint8" in plugin.inputs else "float", batch=BATCH if plugin.has_static_batch else None
    )
    artifact = export(bottleneck, plugin.name, out=tmp_path / "made", options=options)
    assert artifact.parity.top1_agreement == 1
    images = np.zeros((BATCH + 1, *artifact.input.shape[1:]), artifact.input.dtype)
    with opened(artifact) as session:
        assert session.predict(images[:BATCH]).shape == (BATCH, 5)
        if options.batch is None:
            assert session.predict(images).shape == (BATCH + 1, 5)
        else:
            with pytest.raises(Exception, match=REFUSALS[runnable(artifact, plugin.parity_runtime)[1].name]):
                session.predict(images)


@pytest.mark.long("litert", "mnn", "ncnn")
@pytest.mark.parametrize("name", ["litert", "mnn", "ncnn", "openvino"])
def test_half_precision_halves_the_weights(name: str, tmp_path: Path) -> None:
    plugin = formats()[name]
    if missing := plugin.unavailable():
        pytest.skip(missing.reason)
    half = export(zoo.load(V2), name, out=tmp_path / "fp16", options=ExportOptions(precision="fp16"))
    assert half.size_bytes < 0.7 * zoo.load(V2).size_bytes
    assert half.parity.max_abs_error > 1e-4
    assert artifacts.read(half.path) == half


def test_a_process_in_which_openvino_ran_twice_can_be_interrupted(tmp_path: Path) -> None:
    """What OpenVINO does to the stack that signals are handled on (`formats/openvino.py`) killed such a process."""
    if missing := formats()["openvino"].unavailable():
        pytest.skip(missing.reason)
    artifact = export(zoo.load(V2), "openvino", out=tmp_path / "made")
    done = subprocess.run((sys.executable, "-c", TWO_SESSIONS, artifact.path), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


@pytest.mark.long
def test_one_image_does_not_take_the_memory_of_a_thousand(tmp_path: Path) -> None:
    """XNNPACK takes memory for the largest batch that a program allows, here 1 MB for each of its images."""
    if missing := formats()["executorch"].unavailable():
        pytest.skip(missing.reason)
    spec = msgspec.structs.replace(models.spec_of("resnet8_v1"), widths=(64, 64, 64), stem_width=64, input=(3, 64, 64))
    artifact = export(untrained(tmp_path / "wide", spec), "executorch", out=tmp_path / "made")
    done = subprocess.run((sys.executable, "-c", FIRST_IMAGE, artifact.path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200 << 10  # KB
