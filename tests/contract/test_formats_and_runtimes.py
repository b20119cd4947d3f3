"""What every format and every runtime must do, run over every plug-in file found."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from reszoo import zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import Artifact, Checkpoint
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract import Format, Runtime, formats, parse_runtime, runtimes
from reszoo.export.parity import feed, sample_images

# variants that compute with fewer bits: the largest error, relative to the largest logit
REDUCED = {"bf16": 5e-2}
REFS = ("resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits")


@pytest.fixture(scope="module", params=REFS)
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return zoo.load(request.param)


@pytest.fixture(params=formats().values(), ids=lambda plugin: plugin.name)
def plugin(request: pytest.FixtureRequest) -> Format:
    if missing := request.param.unavailable():
        pytest.skip(missing.reason)
    return request.param


@pytest.fixture(params=runtimes().values(), ids=lambda plugin: plugin.name)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    if missing := request.param.unavailable("cpu"):
        pytest.skip(missing.reason)
    return request.param


def test_plugins_are_found_by_listing_the_folder() -> None:
    assert {"onnx", "torch"} <= formats().keys()
    assert {"onnxruntime", "torch"} <= runtimes().keys()
    assert all(plugin.parity_runtime in runtimes() for plugin in formats().values())
    assert all(set(runtime.formats) <= formats().keys() for runtime in runtimes().values())


def test_every_format_and_precision_computes_what_its_source_does(
    plugin: Format, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    for precision in set(plugin.precisions) - {"int8"}:  # that is a scheme's work, see test_schemes.py
        for kind in plugin.inputs:
            out = tmp_path / f"{precision}-{kind}"
            artifact = export(checkpoint, plugin.name, out=out, options=ExportOptions(precision=precision, input=kind))
            assert artifact.parity.n == 256
            assert artifact.parity.images == "digits/train, seed 0"
            assert artifact.parity.top1_agreement >= 0.98
            assert artifacts.read(out) == artifact
            assert [step.name for step in artifact.lineage] == [*(s.name for s in checkpoint.lineage), "export"]
            assert artifact.lineage[-1].input_sha256 == checkpoint.sha256


def test_a_moved_artifact_still_works(plugin: Format, checkpoint: Checkpoint, tmp_path: Path) -> None:
    export(checkpoint, plugin.name, out=tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = artifacts.read(tmp_path / "there")
    runtime = runtimes()[plugin.parity_runtime]
    with runtime.load(moved, device="cpu", threads=1, variant="") as session:
        images, _ = sample_images("digits", moved.preprocess, 2)
        assert session.predict(feed(images, moved.input, moved.preprocess)).shape == (2, 10)


def test_a_damaged_artifact_is_refused(plugin: Format, checkpoint: Checkpoint, tmp_path: Path) -> None:
    artifact = export(checkpoint, plugin.name, out=tmp_path / "made")
    victim = artifact.path / artifact.files[-1].name
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(ReszooError, match="damaged"):
        artifacts.read(artifact.path)
    victim.unlink()
    with pytest.raises(ReszooError, match="missing"):
        artifacts.read(artifact.path)


def test_every_runtime_gives_the_same_logits_at_any_batch_thread_count_and_variant(
    runtime: Runtime, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    artifact, inputs = made_for(runtime, checkpoint, tmp_path, n=33)
    here = {variant for variant in runtime.variants if not runtime.unavailable("cpu", variant)}
    for variant in here - {"compile"}:
        for threads in (1, 2):
            check_logits(runtime, artifact, checkpoint, inputs, threads, variant)


@pytest.mark.skipif(bool(runtimes()["torch"].unavailable("cpu", "compile")), reason="torch.compile needs a compiler")
def test_a_compiled_network_gives_the_same_logits(checkpoint: Checkpoint, tmp_path: Path) -> None:
    artifact, inputs = made_for(runtimes()["torch"], checkpoint, tmp_path, n=33)
    check_logits(runtimes()["torch"], artifact, checkpoint, inputs, threads=1, variant="compile")


def test_placing_running_and_reading_apart_is_predicting(
    runtime: Runtime, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    artifact, inputs = made_for(runtime, checkpoint, tmp_path, n=8)
    with runtime.load(artifact, device="cpu", threads=1, variant="") as session:
        placed = [session.place(part) for part in np.split(inputs, 2)]
        found = []
        for part in placed:
            handle = session.run(part)
            session.synchronise()
            found.append(session.read(handle))
        np.testing.assert_allclose(np.concatenate(found), session.predict(inputs), atol=1e-5)


def test_a_profile_holds_every_layer_of_a_run_with_its_time(
    runtime: Runtime, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    if type(runtime).profile is Runtime.profile:
        pytest.skip(f"{runtime.name} tells nothing of its kernels")
    artifact, inputs = made_for(runtime, checkpoint, tmp_path, n=64)
    one = runtime.profile(artifact, inputs[:1], device="cpu", threads=1, runs=20, limit_s=60)
    many = runtime.profile(artifact, inputs, device="cpu", threads=1, runs=10**9, limit_s=0.1)
    assert one
    assert many
    layers = [kernel for kernel in many if re.search("Conv(?!ert)|Gemm|MatMul|FullyConnected", kernel.operator)]
    modules = zoo.build(checkpoint).modules()
    assert len(layers) >= sum(isinstance(module, torch.nn.Conv2d | torch.nn.Linear) for module in modules)
    assert {kernel.precision for kernel in layers} == {"fp32"}
    assert sum(kernel.seconds for kernel in many) > 3 * sum(kernel.seconds for kernel in one) > 0
    assert not any(kernel.fell_back_to for kernel in many)


def test_an_unknown_name_or_variant_is_refused_with_the_known_ones(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="onnxruntime"):
        parse_runtime("onnxruntme")
    with pytest.raises(UsageError, match=runtime.name):
        parse_runtime(f"{runtime.name}:warp-speed")


@pytest.mark.gpu
def test_every_runtime_with_a_gpu_agrees_with_the_cpu(runtime: Runtime, checkpoint: Checkpoint, tmp_path: Path) -> None:
    if "cuda" not in runtime.devices:
        pytest.skip(f"{runtime.name} does not run on CUDA")
    if missing := runtime.unavailable("cuda"):
        pytest.skip(missing.reason)
    artifact, inputs = made_for(runtime, checkpoint, tmp_path, n=64)
    logits = {}
    for device in ("cpu", "cuda"):
        with runtime.load(artifact, device=device, threads=1, variant="") as session:
            logits[device] = session.predict(inputs)
    assert (logits["cpu"].argmax(1) == logits["cuda"].argmax(1)).mean() >= 0.98


def made_for(runtime: Runtime, checkpoint: Checkpoint, folder: Path, n: int) -> tuple[Artifact, np.ndarray]:
    """The artifact that the runtime runs, and `n` real images as it is fed with them."""
    artifact = export(checkpoint, runtime.formats[0], out=folder / "made")
    images, _ = sample_images("digits", checkpoint.preprocess, n)
    return artifact, feed(images, artifact.input, artifact.preprocess)


def check_logits(
    runtime: Runtime, artifact: Artifact, checkpoint: Checkpoint, inputs: np.ndarray, threads: int, variant: str
) -> None:
    """In batches of 1, 3 and the rest, against the network in PyTorch."""
    expected = zoo.build(checkpoint)(torch.from_numpy(inputs)).detach().numpy()
    with runtime.load(artifact, device="cpu", threads=threads, variant=variant) as session:
        found = np.concatenate([session.predict(part) for part in np.split(inputs, [1, 4])])
    assert found.dtype == np.float32
    tolerance = REDUCED.get(variant, 1e-4)
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())
