"""Files for microcontrollers and NPUs: what TensorFlow Lite Micro computes with them, and what Vela makes of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from reszoo import zoo
from reszoo.bench.plan import plan
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.measured import Scenario
from reszoo.core.types import Artifact, Unavailable
from reszoo.export import ExportOptions, artifacts, export, microcontrollers
from reszoo.export.commands import again
from reszoo.export.contract.format import formats
from reszoo.export.exporting import checked, folder_name
from reszoo.export.feeding import feed, sample_images
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.contract import Variants
from reszoo.workflows.exporting import requests

REF = "resnet8_v2.reszoo_digits"
OFF = 64 << 10  # bytes between a file and the weights behind it

pytestmark = pytest.mark.skipif(bool(formats()["tflite-micro"].unavailable()), reason="tflite-micro is not installed")
needs_vela = pytest.mark.skipif(bool(formats()["ethos-u"].unavailable()), reason="ethos-u-vela is not installed")
INT8 = ExportOptions(precision="int8")


@pytest.fixture(scope="module")
def variants() -> Variants:
    from reszoo.quantize.schemes.int8_litert import SCHEME

    graph = formats()["tflite-micro"].graph(zoo.load(REF), INT8)  # type: ignore[attr-defined]
    noise = np.random.default_rng(0).normal(size=(8, 1, 1, 8, 8)).astype(np.float32)
    config = SCHEME.complete(QuantizeConfig(scheme=SCHEME.name))
    return SCHEME.variants(graph, lambda: iter(noise), config)


@pytest.fixture(scope="module")
def content(variants: Variants) -> bytes:
    return microcontrollers.with_integer_ends(variants.quantized(()).graph)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(-128, 128, (16, 1, 8, 8, 1)).astype(np.int8)


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export(zoo.load(REF), "tflite-micro", out=tmp_path_factory.mktemp("micro") / "made", options=INT8)


def weights_moved_behind(content: bytes) -> bytes:
    """As ai-edge-quantizer writes larger files."""
    from ai_edge_litert import schema_py_generated as schema

    from reszoo.quantize.flatbuffer import packed

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    behind = b""
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data) > 64:
            buffer.offset, buffer.size = OFF + len(behind), len(buffer.data)
            behind += bytes(buffer.data) + bytes(-len(buffer.data) % 16)
            buffer.data = None
    return packed(model).ljust(OFF, b"\0") + behind


def test_it_computes_the_integers_of_litert_s_reference_kernels(content: bytes, images: np.ndarray) -> None:
    from reszoo.export.runtimes.tflite_micro import Micro, Reference

    one, other = Micro(content), Reference(content)
    for image in images:
        np.testing.assert_array_equal(one.compute(image).copy(), other.compute(image))


def test_weights_behind_the_flatbuffer_give_it_other_numbers_without_an_error(
    content: bytes, images: np.ndarray
) -> None:
    """So that a file has to have them inside, and has to be proven by this very interpreter."""
    from reszoo.export.runtimes.tflite_micro import Micro, Reference
    from reszoo.quantize.flatbuffer import inlined

    moved = weights_moved_behind(content)
    right = [Reference(moved).compute(image) for image in images]
    assert not all(
        np.array_equal(Micro(moved).compute(image), known) for image, known in zip(images, right, strict=True)
    )
    mended = Micro(inlined(moved))
    assert all(np.array_equal(mended.compute(image), known) for image, known in zip(images, right, strict=True))


def test_the_arena_that_is_told_is_enough_and_not_much_too_large(content: bytes, images: np.ndarray) -> None:
    from reszoo.export.runtimes.tflite_micro import Micro, arena_bytes

    arena = arena_bytes(content)
    np.testing.assert_array_equal(Micro(content, arena + 64).compute(images[0]), Micro(content).compute(images[0]))
    with pytest.raises(RuntimeError):
        Micro(content, arena - 1024)


def test_a_first_layer_in_float_is_refused(variants: Variants) -> None:
    with pytest.raises(UsageError, match="takes and gives integers"):
        microcontrollers.with_integer_ends(variants.quantized(["stem.conv"]).graph)


def test_an_export_is_int8_and_one_image_without_being_told() -> None:
    ((name, options),) = requests(["tflite-micro"])
    complete = checked(options, formats()[name])
    assert (complete.precision, complete.batch) == ("int8", 1)
    assert folder_name(name, complete) == "tflite-micro-int8-batch1"
    with pytest.raises(UsageError, match="one image at a time"):
        checked(ExportOptions(precision="int8", batch=2), formats()[name])
    with pytest.raises(UsageError, match="no precision fp32\nIt has int8"):
        checked(ExportOptions(), formats()[name])


def test_its_manifest_and_readme_say_what_it_needs_and_how_that_is_known(micro: Artifact) -> None:
    told = {figure.name: figure for figure in artifacts.read(micro.path).figures}
    arena, flash = told["tensor arena"], told["model in flash"]
    assert (arena.way.kind, arena.unit, 4096 < arena.value < 65536) == ("measured", "bytes", True)
    assert "on x86-64" in arena.way.by
    assert (flash.way.kind, flash.value) == ("counted", (micro.path / "model.tflite").stat().st_size)
    assert "AVERAGE_POOL_2D" in told["kinds of operators to register"].unit
    readme = (micro.path / "README.md").read_text()
    assert f"| tensor arena | {arena.value:,g} bytes | measured by TensorFlow Lite Micro" in readme
    assert f"int8: q for (q - {micro.input.zero_point})" in readme


def test_it_is_proven_by_run_py_its_interpreter_and_the_reference_kernels(micro: Artifact) -> None:
    first, *others = micro.parity.ways
    assert [way.name for way in micro.parity.ways] == ["run.py", "tflite-micro", "tflite-micro:reference"]
    assert all(way.n == 256 and way.max_abs_error == first.max_abs_error for way in others)


def test_pixels_become_the_integers_of_the_normalised_image(micro: Artifact) -> None:
    images, _ = sample_images("digits", micro.preprocess, 4)
    fed = feed(images, micro.input, micro.preprocess)
    (mean,), (std,) = micro.preprocess.mean, micro.preprocess.std
    assert micro.input.scale is not None
    assert micro.input.zero_point is not None
    stands_for = (fed.astype(float) - micro.input.zero_point) * micro.input.scale
    assert (fed.dtype, fed.shape) == (np.int8, (4, 8, 8, 1))
    np.testing.assert_allclose(stands_for, (images / 255 - mean) / std, atol=micro.input.scale)


def test_no_latency_is_measured_of_kernels_that_are_for_checking(micro: Artifact) -> None:
    how = Scenario(runtime="tflite-micro", variant="", device="cpu", batch=1, threads=1)
    (refused,) = plan(micro, how, [1], [1])
    assert isinstance(refused, Unavailable)
    assert "says nothing of a microcontroller" in refused.reason
    assert "`evaluate(ARTIFACT)`" in refused.fix


@needs_vela
@pytest.mark.parametrize("accelerator", ["ethos-u55-128", "ethos-u65-256", "ethos-u85-256"])
def test_every_operator_is_on_the_npu(content: bytes, accelerator: str) -> None:
    from reszoo.export.vela import compile_for

    compiled, report = compile_for(accelerator, content)
    assert (report.cpu_operators, report.refused) == (0, ())
    assert report.npu_operators >= len(microcontrollers.operators(content))
    assert 0 < report.inference_s == pytest.approx(report.cycles / report.clock_hz)
    assert microcontrollers.operators(compiled) == ["CUSTOM"]


@needs_vela
def test_what_stays_on_the_cpu_has_vela_s_reason(variants: Variants) -> None:
    from reszoo.export.vela import compile_for

    report = compile_for("ethos-u55-128", variants.quantized(()).graph).report
    assert report.cpu_operators == len(report.refused) > 0
    reasons = {refused.kind: refused.reason for refused in report.refused}
    assert "Float32" in reasons["QUANTIZE"]
    assert "Unsupported" in reasons["DEQUANTIZE"]


@needs_vela
def test_a_file_that_vela_cannot_read_is_an_error_with_its_reason(content: bytes) -> None:
    from reszoo.export.vela import compile_for

    with pytest.raises(ReszooError, match=r"Vela cannot compile the model for ethos-u55-128: .+"):
        compile_for("ethos-u55-128", content[: len(content) // 2])


@needs_vela
def test_an_unknown_accelerator_is_refused_and_so_is_one_for_a_format_without() -> None:
    for name, message in (("ethos-u", "ethos-u55-129\nIt is for ethos-u55-32"), ("tflite-micro", "Leave")):
        options = ExportOptions(precision="int8", accelerator=("ethos-u55-129",))
        with pytest.raises(UsageError, match=message):
            checked(options, formats()[name])


@needs_vela
def test_what_is_compiled_is_proven_through_its_integers_and_estimates_name_their_configuration(tmp_path: Path) -> None:
    options = ExportOptions(precision="int8", accelerator=("ethos-u55-128", "ethos-u85-256"))
    made = export(zoo.load(REF), "ethos-u", out=tmp_path / "made", options=options)
    assert [file.name for file in made.files] == ["ethos-u55-128.tflite", "ethos-u85-256.tflite"]
    assert made.parity.through == "tflite-micro"
    chosen = "--precision int8 --batch 1 --accelerator ethos-u55-128,ethos-u85-256"
    assert again(made) == f"reszoo export {REF} --to ethos-u {chosen}"
    times = [figure for figure in made.figures if figure.name.endswith("time of an inference")]
    assert {figure.way.kind for figure in times} == {"estimated"}
    assert [figure.way.by.split(", ")[1:] for figure in times] == [
        ["ethos-u55-128", "Ethos_U55_High_End_Embedded", "Shared_Sram"],
        ["ethos-u85-256", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"],
    ]
    assert len(json.loads((tmp_path / "made" / "vela.json").read_text())) == 2
    assert "estimated by Vela 5." in (made.path / "README.md").read_text()
