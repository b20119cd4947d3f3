"""What is proven is what users run: run.py, `reszoo predict`, and programs of their own in a vendor's API agree.

Every day the least and the most that each format can do for a v1 network and batches of any size, and the most that
ONNX and OpenVINO can do for a v2 network and a fixed batch. RESZOO_TEST_MATRIX=all crosses all.
"""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from reszoo import datasets, zoo
from reszoo.core.types import Artifact, Precision
from reszoo.export import ExportOptions, export
from reszoo.export.contract.format import Format, formats
from reszoo.export.contract.runtime import Runtime, runtimes
from reszoo.workflows.predicting import predict

V1, V2 = "resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"
N = 33
ALLOWED = {"fp32": 1e-4, "fp16": 2e-2, "int8": 0.25}  # the largest error of a logit, relative to the largest logit
# Kernels of two makers round an integer's half to different sides: so many images may then fall to another class.
MAY_DIFFER = {"fp32": 0, "fp16": 0, "int8": 1}
Logits = Callable[[np.ndarray], np.ndarray]


def with_onnxruntime(folder: Path) -> Logits:
    import onnxruntime

    file = next(path for path in folder.iterdir() if path.suffix in (".onnx", ".ort"))
    session = onnxruntime.InferenceSession(str(file))
    return lambda batch: session.run(["logits"], {"input": batch})[0]


def with_openvino(folder: Path) -> Logits:
    """As its guide has it: nothing reshaped."""
    import openvino

    core = openvino.Core()
    core.set_property({"INFERENCE_PRECISION_HINT": "f32"})
    file = next(path for path in folder.iterdir() if path.suffix in (".onnx", ".xml"))
    request = core.compile_model(core.read_model(file), "CPU").create_infer_request()
    return lambda batch: request.infer([batch])[0].copy()


def with_litert(folder: Path) -> Logits:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "model.tflite"))

    def logits(batch: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    return logits


def with_executorch(folder: Path) -> Logits:
    with warnings.catch_warnings(action="ignore"):  # its Python interface is experimental, and says so
        from executorch.runtime import Runtime as Engine

    method = Engine.get().load_program(folder / "model.pte").load_method("forward")
    return lambda batch: method.execute([torch.from_numpy(batch)])[0].numpy().copy()


def with_ncnn(folder: Path) -> Logits:
    import ncnn

    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
    net.load_param(str(folder / "model.ncnn.param"))
    net.load_model(str(folder / "model.ncnn.bin"))

    def logits(image: np.ndarray) -> np.ndarray:
        with net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(np.ascontiguousarray(image)).clone())
            return np.array(extractor.extract("out0")[1])

    return lambda batch: np.stack([logits(image) for image in batch])


def with_mnn(folder: Path) -> Logits:
    import MNN

    net = MNN.nn.load_module_from_file(str(folder / "model.mnn"), ["input"], ["logits"])
    kinds = {np.dtype(np.uint8): MNN.expr.uint8, np.dtype(np.float32): MNN.expr.float}

    def logits(batch: np.ndarray) -> np.ndarray:
        placed = MNN.expr.placeholder(list(batch.shape), MNN.expr.NCHW, kinds[batch.dtype])
        placed.write(np.ascontiguousarray(batch))
        return np.array(net.forward(placed).read())

    return logits


def with_c(folder: Path) -> Logits:
    """As model.h says: sizes, an aligned workspace, one image at a time."""
    import ctypes

    library = ctypes.CDLL(str(folder / "libmodel.so"))
    _, _, classes, workspace_bytes = (ctypes.c_int32 * 4).in_dll(library, "model_sizes")
    room = np.zeros(workspace_bytes + 64, np.uint8)
    workspace = room[-room.ctypes.data % 64 :]

    def logits(batch: np.ndarray) -> np.ndarray:
        given = np.zeros((len(batch), classes), np.float32)
        for image, row in zip(np.ascontiguousarray(batch), given, strict=True):
            ends = (ctypes.c_void_p(each.ctypes.data) for each in (image, row, workspace))
            assert library.model_run(*ends) == 0
        return given

    return logits


VENDORS: dict[str, Callable[[Path], Logits]] = {
    "onnxruntime": with_onnxruntime,
    "openvino": with_openvino,
    "litert": with_litert,
    "executorch": with_executorch,
    "ncnn": with_ncnn,
    "mnn": with_mnn,
    "c": with_c,
}


BOTH = {"onnx", "openvino"}  # one reads the other's files


class Case(NamedTuple):
    ref: str
    plugin: Format
    precision: Precision
    input: str
    batch: int | None

    def __str__(self) -> str:
        return "-".join(map(str, (self.ref[:10], self.plugin.name, *self[2:4], self.batch or "dynamic")))

    @property
    def is_everyday(self) -> bool:
        precisions, inputs = self.plugin.precisions, self.plugin.inputs
        if self.ref == V2:
            batch = 3 if self.plugin.has_static_batch else None
            return self.plugin.name in BOTH and self[2:] == (precisions[-1], inputs[-1], batch)
        return self.batch is None and self[2:4] in ((precisions[0], inputs[0]), (precisions[-1], inputs[-1]))


def cases() -> Iterator[Case]:
    for ref, plugin in product((V1, V2), formats().values()):
        if plugin.parity_runtime in VENDORS:
            batches = (None, 1, 3) if plugin.has_static_batch else (None,)
            for case in product([ref], [plugin], plugin.precisions, plugin.inputs, batches):
                if Case(*case).is_everyday or os.environ.get("RESZOO_TEST_MATRIX") == "all":
                    yield Case(*case)


class Digits(NamedTuple):
    images: np.ndarray
    labels: np.ndarray
    files: list[Path]
    npy: Path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """Of the test split, which neither calibration nor the proof has seen: as files, and as an array."""
    folder, test = tmp_path_factory.mktemp("digits"), datasets.load("digits", "test")
    files = [folder / f"{n:02d}.png" for n in range(N)]
    for image, file in zip(test.images, files, strict=False):
        Image.fromarray(image[..., 0]).save(file)
    np.save(folder / "images.npy", test.images[:N])
    return Digits(test.images[:N], test.labels[:N], files, folder / "images.npy")


@cache
def reference(ref: str) -> np.ndarray:
    """The network's logits in PyTorch."""
    checkpoint, images = zoo.load(ref), datasets.load("digits", "test").images[:N]
    with torch.inference_mode():
        found: np.ndarray = zoo.build(checkpoint)(torch.from_numpy(normalised(images, checkpoint.preprocess))).numpy()
    return found


def normalised(images: np.ndarray, preprocess: Any) -> np.ndarray:
    """Of one channel, as the folder's README.md says."""
    (mean,), (std,) = preprocess.mean, preprocess.std
    return ((images.transpose(0, 3, 1, 2) / 255 - mean) / std).astype(np.float32)


@pytest.mark.long("executorch", "ncnn", "litert", "resnet8_v2")
@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_run_py_predict_and_a_program_of_ones_own_agree(case: Case, digits: Digits, tmp_path: Path) -> None:
    if missing := case.plugin.unavailable():
        pytest.skip(missing.reason)
    options = ExportOptions(precision=case.precision, input=case.input, batch=case.batch)  # type: ignore[arg-type]
    artifact = export(zoo.load(case.ref), case.plugin.name, out=tmp_path / "made", options=options)
    readers = [each for each in runtimes().values() if artifact.format in each.formats and not each.unavailable("cpu")]
    batches = [case.batch] if case.batch else [1, 3, 32]
    ways = {"run.py": run_py(artifact, digits, batches[len(batches) // 2])}  # the proof has run it in all
    for runtime in readers:
        logits_of = VENDORS[runtime.name](artifact.path)
        ways |= {f"{runtime.name} {batch}": own_program(logits_of, artifact, digits, batch) for batch in batches}
    expected = reference(case.ref)
    for name, found in ways.items():
        check(case.precision, found, expected, name)
    for runtime in readers:
        check_predictions(artifact, runtime, digits, ways[f"{runtime.name} {batches[-1]}"], case.precision)
    proven = {way.name: set(way.batches) for way in artifact.parity.ways}
    assert {"run.py", *(runtime.name for runtime in readers)} <= proven.keys()
    assert all(set(batches) == sizes for sizes in proven.values())


def run_py(artifact: Artifact, digits: Digits, batch: int) -> np.ndarray:
    out = artifact.path.parent / "logits.npy"
    command = [sys.executable, "run.py", "--npy", digits.npy, "--batch", str(batch), "--out", out]
    subprocess.run(command, cwd=artifact.path, check=True, capture_output=True)
    found: np.ndarray = np.load(out)
    return found


def own_program(logits_of: Logits, artifact: Artifact, digits: Digits, batch: int) -> np.ndarray:
    about = json.loads((artifact.path / "artifact.json").read_text())
    is_raw = about["input"]["dtype"] == "uint8"
    inputs = digits.images if is_raw else normalised(digits.images, artifact.preprocess)
    inputs = np.concatenate([inputs, inputs[: -len(inputs) % batch]])
    return np.concatenate([logits_of(inputs[at : at + batch]) for at in range(0, len(inputs), batch)])[:N]


def check(precision: Precision, found: np.ndarray, expected: np.ndarray, name: str) -> None:
    assert (found.shape, found.dtype) == ((N, 10), np.float32)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error <= ALLOWED[precision], name
    assert (found.argmax(1) != expected.argmax(1)).sum() <= MAY_DIFFER[precision], name


def check_predictions(
    artifact: Artifact, runtime: Runtime, digits: Digits, logits: np.ndarray, precision: Precision
) -> None:
    odds = np.exp(logits.astype(np.float64))
    odds /= odds.sum(1, keepdims=True)
    found = predict(artifact, digits.files, top=1, runtime=runtime.name)
    same = [one.top[0].index == best for one, best in zip(found, logits.argmax(1), strict=True)]
    assert same.count(False) <= MAY_DIFFER[precision]
    likely = [one.top[0].probability for one in found]
    np.testing.assert_allclose(likely, odds.max(1), atol=1e-4 if precision == "fp32" else 0.1)
