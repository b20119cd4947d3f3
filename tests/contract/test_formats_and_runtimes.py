"""What every format and every runtime must do, run over every plug-in file found."""

import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from reszoo import zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.measured import Kernel
from reszoo.core.missing import not_installed
from reszoo.core.types import Artifact, Checkpoint
from reszoo.datasets.preprocess import normalise
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract.format import Format, formats
from reszoo.export.contract.runtime import Runtime, parse_runtime, runtimes
from reszoo.export.exporting import checked
from reszoo.export.feeding import feed, sample_images
from reszoo.export.runtimes.ethos_u import EthosURuntime
from reszoo.export.ways import runnable

LOSSY = 5e-2  # the largest error of a variant that computes with fewer bits, relative to the largest logit
# norms that no convolution can take in, option A's shortcut, one channel: what exporters get wrong is in it
REF = "resnet8_v2.reszoo_digits"
# every runtime with every format that it runs
PAIRS = {f"{runtime.name}-{name}": (runtime, name) for runtime in runtimes().values() for name in runtime.formats}
NATIVE = {"onnx", "torch", "openvino", "litert", "executorch", "ncnn", "tensorrt", "tensorrt-rtx"}

Make = Callable[[str], Artifact]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Exports the checkpoint to a format, once for all tests that ask for it; they must not change it."""
    folder = tmp_path_factory.mktemp("made")
    return cache(lambda name: export(zoo.load(REF), name, out=folder / name, options=plain(formats()[name])))


def plain(plugin: Format) -> ExportOptions:
    """The least that it can do: fp32, but where it has integers alone."""
    return ExportOptions(precision=plugin.precisions[0])


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return zoo.load(REF)


@pytest.fixture(params=formats().values(), ids=lambda plugin: plugin.name)
def plugin(request: pytest.FixtureRequest) -> Format:
    return usable(request.param)


@pytest.fixture(params=runtimes().values(), ids=lambda plugin: plugin.name)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    return running(request.param)


@pytest.fixture(params=PAIRS.values(), ids=PAIRS.keys())
def pair(request: pytest.FixtureRequest) -> tuple[Runtime, str]:
    runtime, name = request.param
    return running(runtime), usable(formats()[name]).name


def running(runtime: Runtime) -> Runtime:
    if missing := runtime.unavailable(runtime.devices[0]):
        pytest.skip(missing.reason)
    return runtime


def usable(plugin: Format) -> Format:
    if missing := plugin.unavailable():
        pytest.skip(missing.reason)
    return plugin


def test_plugins_are_found_by_listing_the_folder() -> None:
    assert {*NATIVE, "ort", "coreml", "triton", "web", "web-litert"} <= formats().keys()
    assert {*NATIVE - {"onnx"}, "onnxruntime", "onnxruntime-web", "litert-web"} <= runtimes().keys()
    assert {"c", "mnn", "tflite-micro", "ethos-u"} <= formats().keys() & runtimes().keys()
    assert all(plugin.parity_runtime in runtimes() for plugin in formats().values())
    assert all(plugin.name in runtimes()[plugin.parity_runtime].formats for plugin in formats().values())
    assert all(set(runtime.formats) <= formats().keys() for runtime in runtimes().values())


def test_what_is_not_installed_is_a_value_with_its_fix() -> None:
    missing = not_installed("sharks", "torch", "no_such_module")
    assert missing is not None
    assert "no_such_module" in missing.reason
    assert missing.fix == "pip install 'reszoo[sharks]'"
    assert not_installed("sharks", "torch") is None


@pytest.mark.long("coreml", "executorch", "ncnn", "torch", "web", "web-litert")
def test_every_format_computes_what_its_source_does(plugin: Format, checkpoint: Checkpoint, make: Make) -> None:
    artifact = make(plugin.name)
    is_float = artifact.precision == "fp32"
    agreement = 1 if is_float else 0.98
    assert artifact.parity.n == 256
    assert artifact.parity.images == f"digits/train, seed {0 if is_float else 1}"
    assert artifact.parity.top1_agreement >= agreement
    runtime = runtimes()[plugin.parity_runtime]
    first, *others = artifact.parity.ways
    assert (first.n, first.max_abs_error) == (artifact.parity.n, artifact.parity.max_abs_error)
    assert (first.name == "run.py") == (artifact.path / "run.py").exists() or artifact.parity.through
    for way in (first, *others):
        assert (way.n >= 256, way.top1_agreement >= agreement) == (True, True)
        assert set(way.batches) == sizes(artifact, 1, 3, 32)
    assert (artifact.parity.through is None) == (runtime.unavailable(runtime.devices[0]) is None)
    assert artifacts.read(artifact.path) == artifact
    done = ["export"] if is_float else ["export", "quantize"]
    assert [step.name for step in artifact.provenance] == [*(s.name for s in checkpoint.provenance), *done]
    assert artifact.made[0].input_sha256 == checkpoint.sha256
    assert artifact.made[0].versions.keys() == {"reszoo", *plugin.packages}


@pytest.mark.long("coreml", "ethos-u", "executorch", "litert", "tflite-micro")
@pytest.mark.afresh
def test_the_same_checkpoint_gives_the_same_bytes_and_nothing_is_said_where_machines_read(
    plugin: Format, checkpoint: Checkpoint, make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = make(plugin.name)
    capfd.readouterr()
    if first.precision == "fp32":
        plugin.write(checkpoint, checked(ExportOptions(), plugin), tmp_path)
        made = [path for path in artifacts.files_in(tmp_path) if path.name not in plugin.companions]
        again = tuple(artifacts.record(path, tmp_path) for path in made)
    else:
        again = export(checkpoint, plugin.name, out=tmp_path / "again", options=plain(plugin)).files
    assert capfd.readouterr().out == ""
    assert again == first.files or not plugin.is_reproducible
    for file in first.files:
        assert str(first.path.parent).encode() not in (first.path / file.name).read_bytes()


@pytest.mark.long("executorch")
def test_a_moved_artifact_still_works(plugin: Format, checkpoint: Checkpoint, make: Make, tmp_path: Path) -> None:
    moved = artifacts.read(shutil.copytree(make(plugin.name).path, tmp_path / "there"))
    model, runtime = runnable(moved, plugin.parity_runtime)
    with runtime.load(model, device=runtime.devices[0], threads=1, variant="") as session:
        (size,) = sizes(moved, 2)
        images, _ = sample_images("digits", moved.preprocess, size)
        assert session.predict(feed(images, moved.input, moved.preprocess)).shape == (size, 10)


@pytest.mark.long("executorch")
def test_the_manifest_lists_all_that_a_runtime_opens(plugin: Format, checkpoint: Checkpoint, make: Make) -> None:
    """Else nobody has hashed it. What no runtime here ever opens has nothing to list."""
    artifact = make(plugin.name)
    listed = [file.name for file in artifact.files]
    assert plugin.opened or isinstance(runtimes()[plugin.parity_runtime], EthosURuntime)
    assert all(any(f"{file}/".startswith(f"{name}/") for file in listed) for name in plugin.opened)


@pytest.mark.long("executorch")
def test_a_damaged_artifact_is_refused(plugin: Format, checkpoint: Checkpoint, make: Make, tmp_path: Path) -> None:
    artifact = make(plugin.name)
    folder = Path(shutil.copytree(artifact.path, tmp_path / "made"))
    victim = folder / artifact.files[-1].name
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(ReszooError, match="damaged"):
        artifacts.read(folder)
    victim.unlink()
    with pytest.raises(ReszooError, match="missing"):
        artifacts.read(folder)


def test_every_runtime_gives_the_same_logits_at_any_batch_thread_count_and_variant(
    pair: tuple[Runtime, str], checkpoint: Checkpoint, make: Make
) -> None:
    runtime, name = pair
    artifact = make(name)
    here = {variant for variant in runtime.variants if not runtime.unavailable(runtime.devices[0], variant)}
    for variant in here - {"compile"}:
        for threads in (1, 2):
            check_logits(runtime, artifact, checkpoint, threads, variant)


@pytest.mark.skipif(bool(runtimes()["torch"].unavailable("cpu", "compile")), reason="torch.compile needs a compiler")
def test_a_compiled_network_gives_the_same_logits(checkpoint: Checkpoint, make: Make) -> None:
    check_logits(runtimes()["torch"], make("torch"), checkpoint, threads=1, variant="compile")


def test_placing_running_and_reading_apart_is_predicting(
    pair: tuple[Runtime, str], checkpoint: Checkpoint, make: Make
) -> None:
    runtime, name = pair
    artifact = make(name)
    (size,) = sizes(artifact, 4)
    inputs = real(artifact, 2 * size)
    for variant in {"", "throughput"} & set(runtime.variants):
        with runtime.load(artifact, device=runtime.devices[0], threads=2, variant=variant) as session:
            placed = [session.place(part) for part in np.split(inputs, 2)]
            found = []
            for part in placed:
                handle = session.run(part)
                session.synchronise()
                found.append(session.read(handle))
            whole = [session.predict(part) for part in (np.split(inputs, 2) if size == 1 else [inputs])]
            np.testing.assert_allclose(np.concatenate(found), np.concatenate(whole), atol=1e-5)


def test_what_was_read_stays_as_it_is_when_the_session_runs_again(
    pair: tuple[Runtime, str], checkpoint: Checkpoint, make: Make
) -> None:
    runtime, name = pair
    artifact = make(name)
    (size,) = sizes(artifact, 2)
    first, second = np.split(real(artifact, 2 * size), 2)
    with runtime.load(artifact, device=runtime.devices[0], threads=1, variant="") as session:
        found = session.predict(first)
        before = found.copy()
        session.predict(second)
        np.testing.assert_array_equal(found, before)


def test_a_profile_holds_every_layer_of_a_run_with_its_time(
    pair: tuple[Runtime, str], checkpoint: Checkpoint, make: Make
) -> None:
    runtime, name = pair
    if type(runtime).profile is Runtime.profile:
        pytest.skip(f"{runtime.name} tells nothing of its kernels")
    artifact = make(name)
    inputs = real(artifact, 64)

    def profiled(batch: np.ndarray, runs: int, limit_s: float) -> tuple[Kernel, ...]:
        found = runtime.profile(artifact, batch, device=runtime.devices[0], threads=1, runs=runs, limit_s=limit_s)
        assert found
        return found

    # The least of several: other work on the machine makes the time of an image several times as long.
    one = min(sum(kernel.seconds for kernel in profiled(inputs[:1], 20, 60)) for _ in range(5))
    many = profiled(inputs, 10**9, 0.1)
    layers = [kernel for kernel in many if re.search("Conv(?!ert)|Gemm|MatMul|FullyConnected", kernel.operator)]
    modules = zoo.build(checkpoint).modules()
    assert len(layers) >= sum(isinstance(module, torch.nn.Conv2d | torch.nn.Linear) for module in modules)
    assert {kernel.precision for kernel in layers} == {artifact.precision}
    assert sum(kernel.seconds for kernel in many) > 3 * one > 0
    assert not any(kernel.fell_back_to for kernel in many)


def test_an_unknown_name_or_variant_is_refused_with_the_known_ones(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="onnxruntime"):
        parse_runtime("onnxruntme")
    with pytest.raises(UsageError, match=runtime.name):
        parse_runtime(f"{runtime.name}:warp-speed")


@pytest.mark.gpu
def test_every_runtime_with_a_gpu_agrees_with_the_cpu(
    pair: tuple[Runtime, str], checkpoint: Checkpoint, make: Make
) -> None:
    runtime, name = pair
    if "cuda" not in runtime.devices:
        pytest.skip(f"{runtime.name} does not run on CUDA")
    if missing := runtime.unavailable("cuda"):
        pytest.skip(missing.reason)
    artifact = make(name)
    inputs = real(artifact, 64)
    expected = zoo.build(checkpoint)(torch.from_numpy(inputs)).detach().numpy()
    with runtime.load(artifact, device="cuda", threads=1, variant="") as session:
        found = session.predict(inputs)
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.98


def sizes(artifact: Artifact, *wanted: int) -> set[int]:
    """These batch sizes, or the nearest that the artifact takes."""
    least, most = artifact.input.batch_limits
    return {max(least, min(size, most or size)) for size in wanted}


def real(artifact: Artifact, n: int) -> np.ndarray:
    """`n` real images as the artifact is fed with them."""
    images, _ = sample_images("digits", artifact.preprocess, n)
    return feed(images, artifact.input, artifact.preprocess)


def check_logits(runtime: Runtime, artifact: Artifact, checkpoint: Checkpoint, threads: int, variant: str) -> None:
    """In batches of 1, 3, the rest and 1 again, against the network in PyTorch."""
    images, _ = sample_images("digits", artifact.preprocess, 34)
    inputs = feed(images, artifact.input, artifact.preprocess)
    expected = zoo.build(checkpoint)(torch.from_numpy(normalise(images, artifact.preprocess))).detach().numpy()
    with runtime.load(artifact, device=runtime.devices[0], threads=threads, variant=variant) as session:
        ends = [1, 4, 33] if artifact.input.batch_limits[1] != 1 else range(1, len(inputs))
        found = np.concatenate([session.predict(part) for part in np.split(inputs, ends)])
    assert found.dtype == np.float32
    tolerance = LOSSY if variant in runtime.lossy_variants or artifact.precision == "int8" else 1e-4
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())
