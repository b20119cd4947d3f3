"""Engines: built for GPUs that are not here, proven through their graph, refused where they cannot run."""

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from msgspec.structs import replace

from reszoo import zoo
from reszoo.cli.options import parse_batch
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.types import Artifact, Checkpoint, TensorSpec
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract.format import formats
from reszoo.export.contract.options import BatchRange
from reszoo.export.contract.runtime import runtimes
from reszoo.export.exporting import _kept
from reszoo.export.parity import batches
from reszoo.export.tensorrt.building import EngineFormat, timing_cache
from reszoo.export.tensorrt.edition import TENSORRT_RTX
from reszoo.export.tensorrt.running import EngineRuntime, check_match, rebuild
from reszoo.quantize.config import QuantizeConfig

REF = "resnet8_v2.reszoo_digits"
needs_rtx = pytest.mark.skipif(TENSORRT_RTX.unavailable() is not None, reason="tensorrt_rtx is not installed")
needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return zoo.load(REF)


@pytest.fixture(scope="module")
def plugin() -> EngineFormat:
    plugin = formats()["tensorrt-rtx"]
    assert isinstance(plugin, EngineFormat)
    return plugin


@pytest.fixture(scope="module")
def artifact(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    if missing := TENSORRT_RTX.unavailable():
        pytest.skip(missing.reason)
    options = ExportOptions(batches=BatchRange(min=1, opt=4, max=32), compute_capability=("8.6", "12.0"))
    return export(checkpoint, "tensorrt-rtx", out=tmp_path_factory.mktemp("made") / "engine", options=options)


@needs_rtx
def test_engines_are_built_for_gpus_that_are_not_here(
    plugin: EngineFormat, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    options = [ExportOptions(precision="fp16", compute_capability=(gpu,)) for gpu in ("8.6", "12.0")]
    graph = plugin.graph(checkpoint, options[0])
    convolutions = [node.name for node in onnx.load_from_string(graph).graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 7
    engines = []
    for chosen, folder in zip(options, (tmp_path / "8.6", tmp_path / "12.0"), strict=True):
        folder.mkdir()
        plugin.convert(graph, checkpoint, chosen, folder)
        engines.append((folder / "model.engine").read_bytes())
        assert (folder / "model.onnx").read_bytes() == graph
        layers = (folder / "layers.txt").read_text().splitlines()
        for name in convolutions:
            ours = [line for line in layers if f"[ONNX Layer: {name}]" in line]
            assert any(re.search("LayerType: (correlation|runtime_fusion)", line) for line in ours)
            assert all("Datatype: Half," in line for line in ours)
    assert engines[0] != engines[1]


def test_without_a_gpu_the_graph_is_proven_and_everybody_is_told(artifact: Artifact) -> None:
    through = None if torch.cuda.is_available() else "onnx"
    assert artifact.parity.through == through
    assert artifacts.read(artifact.path).parity == artifact.parity
    readme = (artifact.path / "README.md").read_text()
    assert ("these are the figures of their onnx graph" in readme) == (through == "onnx")
    assert "for GPUs of compute capability 8.6,12.0, and for that version of the library alone" in readme
    assert "The batch is 1 to 32 images." in readme
    assert artifact.input.shape == ("1..32", 1, 8, 8)
    assert [file.name for file in artifact.files] == ["model.engine"]
    assert {"model.onnx", "layers.txt", "run.py"} <= {file.name for file in artifact.extras}
    shapes = "MinShape: [1,1,8,8], OptShape: [4,1,8,8], MaxShape: [32,1,8,8]"
    assert shapes in (artifact.path / "layers.txt").read_text()


@needs_rtx
def test_int8_is_symmetric_and_nothing_is_dequantized_from_more_than_8_bits(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    config = QuantizeConfig(calibration="minmax", images=32)
    options = ExportOptions(precision="int8", quantize=config)
    made = export(checkpoint, "tensorrt-rtx", out=tmp_path / "made", options=options)
    model = onnx.load(made.path / "model.onnx")
    types = {weight.name: weight.data_type for weight in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert pairs
    assert {types.get(node.input[2]) for node in pairs} == {onnx.TensorProto.INT8}
    assert onnx.TensorProto.INT32 not in types.values()
    named = {name for node in model.graph.node for name in node.input}
    assert types.keys() <= named
    convolutions = [line for line in (made.path / "layers.txt").read_text().splitlines() if "Type: correlation" in line]
    assert convolutions
    assert all("Datatype: Int8" in line for line in convolutions)
    assert rebuild(made) == (
        f"Build it again: reszoo quantize {REF} --to tensorrt-rtx --batch 1:8:64 --calibration minmax --images 32"
    )


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("onnx", ExportOptions(batches=BatchRange(min=1, opt=1, max=2)), "no range of batch sizes"),
        ("onnx", ExportOptions(compute_capability=("8.6",)), "not built for a GPU"),
        ("tensorrt-rtx", ExportOptions(compute_capability=("8.6", "9.0")), "compute capability 9.0"),
        ("tensorrt-rtx", ExportOptions(compute_capability=("sm86",)), "compute capability sm86"),
        ("tensorrt-rtx", ExportOptions(input="uint8"), "no uint8 input"),
        ("tensorrt-rtx", ExportOptions(opset=3), "opset 3"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(name: str, options: ExportOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        formats()[name].check(options)


def test_a_range_of_batches_is_read_from_the_command_line() -> None:
    assert parse_batch("1:8:64") == (1, 8, 64)
    assert parse_batch("8") == 8
    assert parse_batch("dynamic") is None
    for sizes in ((0, 8, 64), (1, 65, 64), (9, 8, 64)):
        with pytest.raises(UsageError, match=r"is no range|is not possible"):
            BatchRange(**dict(zip(("min", "opt", "max"), sizes, strict=True)))
    for text in ("1:8", "1:x:64", "1:8:64:128"):
        with pytest.raises(UsageError, match=f"{text}'? is no range"):
            parse_batch(text)
    with pytest.raises(UsageError, match="neither dynamic nor"):
        parse_batch("many")


@pytest.mark.parametrize(
    ("batch", "limits"), [("batch", (1, None)), (7, (7, 7)), ("1..64", (1, 64)), ("1..2", (1, 2)), ("5..9", (5, 9))]
)
def test_every_batch_of_the_proof_is_one_that_the_model_takes(batch: int | str, limits: tuple[int, int | None]) -> None:
    spec = TensorSpec(name="input", shape=(batch, 1), dtype="float32", layout="NC")
    assert spec.batch_limits == limits
    least, most = limits
    for n in (32, 256):
        found = batches(spec, n)
        assert all(least <= batch <= (most or 64) for batch in found)
        assert all(count % batch == 0 for batch, count in found.items())
        assert len(found) > 1 or least == most
        assert sum(found.values()) >= n


def test_an_engine_of_another_version_or_for_another_gpu_is_refused_with_the_command(artifact: Artifact) -> None:
    made_with = artifact.provenance[-1].versions["tensorrt-rtx-cu13"]
    check_match(artifact, TENSORRT_RTX, made_with, "12.0")
    command = f"reszoo export {REF} --to tensorrt-rtx --batch 1:4:32 --compute-capability"
    with pytest.raises(ReszooError, match=f"built with TensorRT for RTX {made_with}, and 99.0 is installed") as caught:
        check_match(artifact, TENSORRT_RTX, "99.0", "12.0")
    assert caught.value.fix == f"Build it again: {command} 8.6,12.0"
    with pytest.raises(
        ReszooError, match=r"for GPUs of compute capability 8\.6,12\.0, and this one has 8\.9"
    ) as caught:
        check_match(artifact, TENSORRT_RTX, made_with, "8.9")
    assert caught.value.fix == f"Build it again: {command} 8.9"
    with pytest.raises(ReszooError, match=r"this one has 9\.0") as caught:
        check_match(artifact, TENSORRT_RTX, made_with, "9.0")  # not among those that can be named
    assert caught.value.fix == f"Build it again: {command.removesuffix(' --compute-capability')}"


def made_as(artifact: Artifact, step: int, **changed: object) -> Artifact:
    """The artifact, as if one of the steps that made it, the export being -1, had been another."""
    steps = list(artifact.provenance)
    steps[step] = replace(steps[step], **changed)
    return replace(artifact, provenance=tuple(steps))


def test_an_engine_for_no_gpu_in_particular_is_for_8_0_and_above(artifact: Artifact) -> None:
    config = artifact.provenance[-1].config | {"compute_capability": ""}
    plain = made_as(artifact, -1, config=config)
    made_with = artifact.provenance[-1].versions["tensorrt-rtx-cu13"]
    for capability in ("8.0", "9.0", "12.0"):
        check_match(plain, TENSORRT_RTX, made_with, capability)
    with pytest.raises(ReszooError, match=r"8\.0 and above, and this one has 7\.5") as caught:
        check_match(plain, TENSORRT_RTX, made_with, "7.5")
    assert caught.value.fix.endswith("--batch 1:4:32 --compute-capability 7.5")


def test_an_engine_that_does_not_tell_its_version_is_refused(artifact: Artifact) -> None:
    with pytest.raises(ReszooError, match="built with TensorRT for RTX an unknown version"):
        check_match(made_as(artifact, -1, versions={}), TENSORRT_RTX, "1.0", "8.6")


def test_a_proof_through_another_graph_does_for_as_long_as_there_is_no_better(
    artifact: Artifact, checkpoint: Checkpoint, plugin: EngineFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ExportOptions(batches=BatchRange(min=1, opt=4, max=32), compute_capability=("8.6", "12.0"))
    assert _kept(artifact.path, checkpoint, plugin, options) == artifact
    monkeypatch.setattr(EngineRuntime, "unavailable", lambda *_: None)
    again = _kept(artifact.path, checkpoint, plugin, options)
    assert (again is None) == (artifact.parity.through is not None)


class Builder:
    """The part of TensorRT's builder config that takes a timing cache, for one that fits or for none but an empty."""

    def __init__(self, known: bytes | None, fitting: tuple[bytes, ...]) -> None:
        self.known, self.fitting = known, fitting

    def create_timing_cache(self, data: bytes) -> bytes | None:
        return data if data in (b"", self.known) else None

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        return cache in self.fitting


def test_a_timing_cache_that_cannot_be_used_costs_time_alone(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    assert timing_cache(Builder(b"good", (b"good", b"")), file) == b""
    file.write_bytes(b"good")
    assert timing_cache(Builder(b"good", (b"good", b"")), file) == b"good"
    assert timing_cache(Builder(b"other", (b"other", b"")), file) == b""  # damaged
    assert timing_cache(Builder(b"good", (b"",)), file) == b""  # of another GPU
    assert timing_cache(Builder(b"good", ()), file) is None


@needs_no_gpu
def test_a_build_of_pytorch_without_cuda_is_not_taken_for_a_machine_without_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = []
    for version in ("13.0", None):
        monkeypatch.setattr(torch.version, "cuda", version)
        missing = runtimes()["torch"].unavailable("cuda")
        assert missing is not None
        said.append(missing.reason)
    assert said == ["PyTorch finds no CUDA GPU", "this build of PyTorch is without CUDA"]


def test_the_cpu_is_told_to_be_the_wrong_device() -> None:
    missing = runtimes()["tensorrt-rtx"].unavailable("cpu")
    assert missing is not None
    assert missing.fix in ("Give `device=cuda`.", "pip install 'reszoo[tensorrt-rtx]'")


@needs_no_gpu
def test_without_a_gpu_an_engine_is_neither_loaded_nor_run(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no CUDA GPU"):
        runtimes()["tensorrt-rtx"].load(artifact, device="cuda", threads=1, variant="")
    folder = shutil.copytree(artifact.path, tmp_path / "elsewhere")
    done = subprocess.run([sys.executable, folder / "run.py", "x.png"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"{folder / 'model.engine'} is not for this GPU and this version"


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-rtx"])
@pytest.mark.parametrize("variant", ["", "cuda_graph"])
def test_an_engine_runs_every_batch_in_its_range_and_no_other(
    name: str, variant: str, checkpoint: Checkpoint, cache: Path, tmp_path: Path
) -> None:
    plugin, runtime = formats()[name], runtimes()[name]
    if missing := plugin.unavailable() or runtime.unavailable("cuda", variant):
        pytest.skip(missing.reason)
    made = export(
        checkpoint, name, out=tmp_path / "made", options=ExportOptions(batches=BatchRange(min=1, opt=2, max=8))
    )
    assert made.parity.through is None
    inputs = np.random.default_rng(0).standard_normal((8, 1, 8, 8), dtype=np.float32)
    expected = zoo.build(checkpoint)(torch.from_numpy(inputs)).detach().numpy()
    with runtime.load(made, device="cuda", threads=1, variant=variant) as session, ThreadPoolExecutor(1) as threads:
        for size in (1, 8, 3, 1, 8):
            np.testing.assert_allclose(session.predict(inputs[:size]), expected[:size], atol=1e-3)
        found = threads.submit(session.predict, inputs).result()  # where PyTorch's current stream is another
        np.testing.assert_allclose(found, expected, atol=1e-3)
        with pytest.raises(ReszooError, match="9 x 1 x 8 x 8"):
            session.predict(np.zeros((9, 1, 8, 8), np.float32))
    kept = list(cache.glob("tensorrt/*"))
    assert len(kept) == (name == "tensorrt")  # its builder's timings; no kernels, so that cold starts are alike
