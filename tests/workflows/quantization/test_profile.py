"""Why an artifact is not faster: from real profiles, and from kernels of machines that are not here."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from msgspec.structs import replace

from reszoo import zoo
from reszoo.bench.evaluate import batch_size
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.hosts import describe
from reszoo.core.measured import Host, Kernel
from reszoo.core.types import Artifact
from reszoo.export import ExportOptions, export
from reszoo.export.contract.runtime import runtimes
from reszoo.export.formats.onnx import MODEL_FILE
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.emulation import run_without_vnni
from reszoo.quantize.integer import OUTPUT, run_onnxruntime
from reszoo.quantize.layers import integer_layers
from reszoo.workflows.quantization.hints import ADVICE, Hint, HintKind, hints
from reszoo.workflows.quantization.kernels import batch_for, by_operator, profile_kernels, runtime_for, total_s
from reszoo.workflows.quantization.profile import ArtifactProfile, check_integers, profile_artifact

REF = "resnet8_v1.reszoo_digits"
WITH_VNNI = msgspec.structs.replace(describe(), machine="x86_64", instruction_sets=("avx2", "avx_vnni"))
ORT = runtimes()["onnxruntime"]
RUNTIMES = [name for name in ("onnxruntime", "openvino") if not runtimes()[name].unavailable("cpu")]


def made(folder: Path, batch: int | None = None, **choices: object) -> Artifact:
    config = QuantizeConfig(images=64, calibration="minmax", **choices)
    options = ExportOptions(precision="int8", quantize=config, batch=batch)
    return export(zoo.load(REF), "onnx", out=folder / "made", options=options)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return made(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, plain: Artifact) -> Artifact:
    """Its first three convolutions are in float, the others may saturate."""
    layers = [node.name for node in onnx.load(plain.path / MODEL_FILE).graph.node if node.op_type == "Conv"]
    return made(tmp_path_factory.mktemp("mixed"), keep_float=tuple(layers[:3]), saturation="ignore")


@pytest.fixture(scope="module")
def for_tensorrt(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return made(tmp_path_factory.mktemp("s8"), batch=40, activations="s8")


def kernel(operator: str, us: float = 100, precision: str = "int8", name: str = "", **changes: str) -> Kernel:
    return Kernel(name=name or operator, operator=operator, precision=precision, seconds=us / 1e6, **changes)


def look(
    artifact: Artifact, *kernels: Kernel, host: Host = WITH_VNNI, threads: int = 1, **channels: int
) -> dict[HintKind, Hint]:
    return {found.kind: found for found in hints(artifact, kernels, host, threads, channels)}


def kinds(found: Sequence[Hint]) -> list[HintKind]:
    return [hint.kind for hint in found]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_integer_network_gets_no_hint(plain: Artifact, runtime: str) -> None:
    kernels = profile_kernels(plain, runtimes()[runtime], threads=1, batch=64)
    found = kinds(hints(plain, kernels, WITH_VNNI, 1, {}))
    assert set(found) <= {"layout"}
    layers = integer_layers(onnx.load(plain.path / MODEL_FILE))
    assert {layer.name for layer in layers} <= {kernel.name for kernel in kernels}
    assert sum(group.share for group in by_operator(kernels) if group.precision == "int8") > 0.8


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_layers_that_were_kept_in_float_are_found_with_their_share(mixed: Artifact, runtime: str) -> None:
    kernels = profile_kernels(mixed, runtimes()[runtime], threads=1, batch=64)
    (found,) = [each for each in hints(mixed, kernels, WITH_VNNI, 1, {}) if each.kind == "float_layers"]
    assert found.detail.startswith("3 of 10 convolutions and matrix products are computed in float: ")
    share = sum(
        group.seconds for group in by_operator(kernels) if "Conv" in group.operator and group.precision == "fp32"
    )
    assert found.share == pytest.approx(share / total_s(kernels))
    assert 0.05 < share / total_s(kernels) < 0.95


def test_the_placement_for_tensorrt_leaves_additions_and_conversions_to_a_cpu(for_tensorrt: Artifact) -> None:
    kernels = profile_kernels(for_tensorrt, runtimes()["onnxruntime"], threads=1, batch=40)
    found = {each.kind: each for each in hints(for_tensorrt, kernels, WITH_VNNI, 1, {})}
    assert found["float_additions"].detail == "3 of 3 residual additions are computed in float"
    assert found["unfused"].share > 0.05
    assert "`activations=u8`" in found["unfused"].advice


def test_signed_activations_are_told_where_the_kernels_of_the_cpu_want_unsigned_ones(
    plain: Artifact, for_tensorrt: Artifact
) -> None:
    def told(artifact: Artifact, batch: int) -> list[Hint]:
        found = profile_artifact(artifact, runtime="onnxruntime", batch=batch, images=1).hints
        return [each for each in found if each.kind == "signed_activations"]

    is_x86 = describe().machine in ("x86_64", "AMD64")
    (found,) = told(for_tensorrt, 40) if is_x86 else [None]
    if found:
        assert found.detail.startswith("10 integer layers have signed activations (s8)")
        assert found.share is None or found.share > 0.1
        assert "`activations=u8`" in found.advice
    assert told(plain, 1) == []
    arm = replace(WITH_VNNI, machine="aarch64")
    seen = [kernel("QLinearConv", name="conv1")]
    assert kinds(hints(plain, seen, WITH_VNNI, 1, {}, ["conv1"])) == ["signed_activations"]
    assert "signed_activations" not in kinds(hints(plain, seen, arm, 1, {}, ["conv1"]))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_float_network_is_not_quantized(artifact: Artifact, runtime: str) -> None:
    kernels = profile_kernels(artifact, runtimes()[runtime], threads=1, batch=64)
    first = hints(artifact, kernels, WITH_VNNI, 1, {})[0]
    assert (first.kind, first.detail) == ("not_quantized", "all 8 convolutions and matrix products are fp32")
    assert first.share > 0.5


def test_a_share_is_of_all_kernels_and_the_largest_comes_first(plain: Artifact) -> None:
    seen = [kernel("QLinearConv", 600), kernel("Conv", 300, "fp32", "conv7"), kernel("Transpose", 100)]
    found = hints(plain, seen, WITH_VNNI, 1, {})
    assert [(each.kind, round(each.share or 0, 6)) for each in found] == [("float_layers", 0.3), ("layout", 0.1)]
    assert found[0].detail.endswith("in float: conv7")
    assert found[1].advice == ADVICE["layout"]


def test_what_takes_no_time_is_nobodys_reason(plain: Artifact) -> None:
    assert look(plain, kernel("QLinearConv", 10_000), kernel("Transpose", 99)) == {}


def test_the_conversion_and_the_addition_of_the_images_are_needed(plain: Artifact) -> None:
    images = [kernel("Add", 50, "fp32"), kernel("QuantizeLinear", 50, "fp32")]
    assert look(plain, *images, kernel("QLinearConv")) == {}
    found = look(plain, *images, kernel("QLinearConv"), kernel("DequantizeLinear"), kernel("Add", 100, "fp32"))
    assert found["unfused"].detail.startswith("1 of 2 conversions")
    assert found["float_additions"].detail == "1 of 1 residual additions are computed in float"
    assert found["unfused"].share == found["float_additions"].share == pytest.approx(0.25)


def test_a_provider_that_was_not_asked_for_is_named(plain: Artifact) -> None:
    found = look(plain, kernel("QLinearConv"), kernel("QGemm", fell_back_to="CPUExecutionProvider"))
    assert found["other_provider"].detail == "1 of 2 kernels ran on CPUExecutionProvider instead"
    assert found["other_provider"].share == 0.5


@pytest.mark.parametrize(
    ("machine", "flags", "missing"),
    [
        ("x86_64", ("avx2", "fma"), "VNNI"),
        ("x86_64", ("avx512f", "avx512_vnni"), None),  # and no AMX, which int8 can do without
        ("aarch64", ("asimd",), "dotprod"),
        ("aarch64", ("asimd", "asimddp"), None),
        ("arm64", (), None),  # it does not tell
    ],
)
def test_a_cpu_without_dot_products_gains_little(
    plain: Artifact, machine: str, flags: tuple[str, ...], missing: str | None
) -> None:
    host = msgspec.structs.replace(WITH_VNNI, machine=machine, instruction_sets=flags)
    found = look(plain, kernel("QLinearConv"), host=host).get("no_vnni")
    assert (found is not None) == (missing is not None)
    if found and missing:
        assert f"no {missing}" in found.detail
        assert found.share is None


@pytest.mark.parametrize(("flags", "lanes"), [(("avx2", "avx_vnni"), 8), (("avx512f", "avx512_vnni"), 16)])
def test_channels_that_fill_no_register_are_found(plain: Artifact, flags: tuple[str, ...], lanes: int) -> None:
    host = msgspec.structs.replace(WITH_VNNI, instruction_sets=flags)
    seen = [kernel("QLinearConv", 100, name="a"), kernel("QLinearConv", 300, name="b")]
    assert "odd_channels" not in look(plain, *seen, host=host, a=2 * lanes, b=lanes)
    found = look(plain, *seen, host=host, a=lanes + 3, b=lanes)["odd_channels"]
    assert found.detail == f"1 of 2 integer convolutions compute {lanes + 3} channels, no multiple of {lanes}"
    assert found.share == pytest.approx(0.25)
    assert look(plain, *seen, host=host, elsewhere=3)["odd_channels"].share is None


def test_threads_are_too_many_only_for_kernels_that_are_short(plain: Artifact) -> None:
    short = [kernel("QLinearConv", 10)] * 20
    assert "small" not in look(plain, *short, threads=1)
    assert "20 of 20 kernels take less than" in look(plain, *short, threads=2)["small"].detail
    assert "small" not in look(plain, *short, kernel("QLinearConv", 1000), threads=2)  # where the time is


def test_a_profile_says_it_all(plain: Artifact) -> None:
    stages: list[str] = []
    found = profile_artifact(plain, progress=lambda stage, *_: stages.append(stage))
    assert (found.runtime, found.threads, found.batch) == ("onnxruntime", 1, 1)
    assert found.check is not None
    assert (found.check.images, found.check.layers, found.check.wrong) == (32, 10, ())
    assert found.check.certificate == plain.certificate
    assert len(stages) == 2
    assert msgspec.json.decode(msgspec.json.encode(found, enc_hook=str), type=ArtifactProfile, dec_hook=path) == found


def path(kind: type, value: object) -> Path:
    return Path(str(value))


def test_a_cpu_that_saturates_is_caught_with_the_layers_and_the_fix(mixed: Artifact, plain: Artifact) -> None:
    found = check_integers(mixed, 32, ORT, run_without_vnni)
    assert (found.layers, found.certificate) == (7, None)
    assert 0 < len(found.wrong) < 7
    with pytest.raises(ReszooError, match=rf"wrongly on this CPU: .*{found.wrong[0].layer}.*\n.*`saturation=certify"):
        found.raise_if_wrong()
    check_integers(plain, 32, ORT, run_without_vnni).raise_if_wrong()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_runtime_is_checked_by_itself_and_is_exact(plain: Artifact, runtime: str) -> None:
    found = check_integers(plain, 16, runtimes()[runtime])
    assert (found.runtime, found.layers, found.wrong) == (runtime, 10, ())


def test_a_certified_artifact_that_is_wrong_is_not_told_to_be_certified(plain: Artifact) -> None:
    def wrong(model: onnx.ModelProto, batch: np.ndarray) -> dict[str, np.ndarray]:
        found = run_onnxruntime(model, batch)
        return {name: values + 5 * np.ptp(values) if name == OUTPUT else values for name, values in found.items()}

    with pytest.raises(ReszooError, match=r"onnxruntime computes 9 of 10 .*\n.*another version of the runtime"):
        check_integers(plain, 4, ORT, wrong).raise_if_wrong()


def test_a_fixed_batch_is_kept_and_filled(for_tensorrt: Artifact) -> None:
    assert batch_for(for_tensorrt) == batch_for(for_tensorrt, 40) == 40
    assert check_integers(for_tensorrt, 3, ORT).images == 40
    with pytest.raises(UsageError, match="has a fixed batch of 40\nUse `batch=40`, or export it again"):
        profile_artifact(for_tensorrt, batch=8)


def test_a_batch_is_one_that_an_engine_takes(plain: Artifact) -> None:
    engine = replace(plain, input=replace(plain.input, shape=("4..64", *plain.input.shape[1:])))
    assert [batch_size(engine, wanted) for wanted in (1, 5, 100)] == [4, 5, 64]
    assert (batch_for(engine), batch_for(engine, 64)) == (4, 64)
    for batch, nearest in ((1, 4), (65, 64)):
        with pytest.raises(UsageError, match=f"takes batches of 4 to 64\nUse `batch={nearest}`, or export it again"):
            batch_for(engine, batch)
    assert batch_size(plain, 1000) == batch_for(plain, 1000) == 1000


def test_a_runtime_that_does_not_fit_is_refused_with_what_does(plain: Artifact, tmp_path: Path) -> None:
    assert runtime_for(plain).name == "onnxruntime"
    with pytest.raises(UsageError, match=r"does not run the format onnx\nChoose a `runtime` that does: .*openvino"):
        runtime_for(plain, "torch")
    with pytest.raises(UsageError, match=r"unknown runtime 'onnxruntme'\nDid you mean onnxruntime"):
        runtime_for(plain, "onnxruntme")
    silent = export(zoo.load(REF), "torch", out=tmp_path / "made")
    with pytest.raises(UnavailableError, match="torch does not tell how long"):
        profile_artifact(silent)
