"""Networks in C: of integers every set of kernels gives the bits of the reference, wherever the folder goes."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from families import BASE
from foreign import untrained
from random_networks import drawn, quantized

from reszoo import datasets, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import Checkpoint, ProvenanceStep
from reszoo.datasets.photos import crops
from reszoo.export.commands import making
from reszoo.export.contract.format import formats
from reszoo.export.contract.options import ExportOptions, input_spec
from reszoo.export.contract.runtime import runtimes
from reszoo.export.csource import compiling, folder, kernel_sets, lowering, memory
from reszoo.export.exporting import export
from reszoo.export.feeding import feed
from reszoo.export.formats.onnx import FORMAT
from reszoo.export.parity import TOLERANCES, reference
from reszoo.export.runtimes.c import CSession, kernels_of, library
from reszoo.quantize.program import evaluate, read

Array = Any
QUICK, MANY = 4, 40  # networks drawn at random
BOARDS = Path(__file__).parents[2] / "scripts" / "cortex_m"
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror")
pytestmark = pytest.mark.skipif(compiling.compiler() is None, reason="there is no C compiler")


def written(
    checkpoint: Checkpoint, graph: bytes, made: Path, names: tuple[str, ...] = (), input_: Any = "uint8"
) -> Path:
    made.mkdir()
    folder.write(graph, checkpoint, input_spec(checkpoint, ExportOptions(input=input_)), made, names)
    return made


def check_bits(made: Path, graph: bytes, fed: Array, *options: str) -> list[str]:
    """Every set of kernels that this processor has, on a workspace full of anything; gives their names."""
    compiling.build(made, made / compiling.LIBRARY, *options)
    loaded = library(made)
    expected = evaluate(read(onnx.load_model_from_string(graph)), fed)["logits"]
    here = [each.name for each in kernel_sets.SETS["int8"] if _has(loaded, each.name)]
    for name in here:
        with CSession(loaded, name) as session:
            session.workspace[:] = np.random.default_rng(0).integers(0, 256, session.workspace.shape)
            np.testing.assert_array_equal(session.predict(fed), expected, err_msg=name)
    return here


def floats(checkpoint: Checkpoint, made: Path, input_: Any = "uint8") -> Path:
    made.mkdir()
    options = ExportOptions(input=input_)
    spec = input_spec(checkpoint, options)
    folder.write(FORMAT.graph(checkpoint, options), checkpoint, spec, made, (), "fp32")
    return made


def check_floats(made: Path, checkpoint: Checkpoint, images: Array, input_: Any = "uint8", *options: str) -> None:
    """Every set of kernels against PyTorch; those that fuse multiplications and additions have the same bits."""
    compiling.build(made, made / compiling.LIBRARY, *options)
    loaded = library(made)
    expected = reference(checkpoint, images)
    fed = feed(images, input_spec(checkpoint, ExportOptions(input=input_)), checkpoint.preprocess)
    found = {}
    for name in [each.name for each in kernel_sets.SETS["fp32"] if _has(loaded, each.name)]:
        with CSession(loaded, name) as session:
            session.workspace[:] = np.random.default_rng(0).integers(0, 256, session.workspace.shape)
            found[name] = session.predict(fed)
        limit = TOLERANCES["fp32"].error * abs(expected).max() / 10
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=limit, err_msg=name)
    first, *others = [logits for name, logits in found.items() if name != "portable"] or [found["portable"]]
    for logits in others:
        np.testing.assert_array_equal(logits, first)


def _has(loaded: Any, name: str) -> bool:
    try:
        kernels_of(loaded, name)
    except ReszooError:
        return False
    return True


@pytest.fixture(scope="module")
def digits() -> Checkpoint:
    return zoo.load("resnet8_v2.reszoo_digits")


@pytest.fixture(scope="module")
def graph(digits: Checkpoint) -> bytes:
    return quantized(digits)


@pytest.fixture(scope="module")
def made(digits: Checkpoint, graph: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with its library; nobody may change it."""
    built = written(digits, graph, tmp_path_factory.mktemp("c") / "made")
    compiling.build(built, built / compiling.LIBRARY)
    return built


@pytest.fixture(scope="module")
def made_of_floats(digits: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return floats(digits, tmp_path_factory.mktemp("c") / "floats")


@pytest.mark.parametrize("ref", ["resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"])
@pytest.mark.parametrize("input_", ["uint8", "float"])
def test_every_set_of_kernels_gives_the_bits_of_the_reference(ref: str, input_: Any, tmp_path: Path) -> None:
    checkpoint = zoo.load(ref)
    graph = quantized(checkpoint, input_)
    images = datasets.load("digits", "test").images
    fed = feed(images, input_spec(checkpoint, ExportOptions(input=input_)), checkpoint.preprocess)
    here = check_bits(written(checkpoint, graph, tmp_path / "made", (), input_), graph, fed)
    assert "portable" in here
    assert len(here) == 3 or not {"avx2", "avx512_vnni"} <= set(flags())


def flags() -> list[str]:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8").split()


@pytest.mark.long("many")
@pytest.mark.parametrize("seeds", [range(QUICK), range(QUICK, MANY)], ids=["few", "many"])
def test_random_networks_give_the_bits_of_the_reference(seeds: range, tmp_path: Path) -> None:
    for seed in seeds:
        checkpoint = untrained(tmp_path / f"checkpoint{seed}", drawn(seed))
        graph = quantized(checkpoint)
        images = crops(3, checkpoint.preprocess, seed)
        check_bits(written(checkpoint, graph, tmp_path / f"made{seed}"), graph, images, "-O1")


@pytest.mark.parametrize("input_", ["uint8", "float"])
def test_floats_are_those_of_the_source(input_: Any, digits: Checkpoint, tmp_path: Path) -> None:
    images = datasets.load("digits", "test").images[:64]
    check_floats(floats(digits, tmp_path / "made", input_), digits, images, input_)


@pytest.mark.long("many")
@pytest.mark.parametrize("seeds", [range(QUICK), range(QUICK, MANY)], ids=["few", "many"])
def test_random_networks_of_floats_are_those_of_the_source(seeds: range, tmp_path: Path) -> None:
    for seed in seeds:
        checkpoint = untrained(tmp_path / f"checkpoint{seed}", drawn(seed))
        images = crops(3, checkpoint.preprocess, seed)
        check_floats(floats(checkpoint, tmp_path / f"made{seed}"), checkpoint, images, "uint8", "-O1")


@pytest.mark.parametrize(
    "changes",
    [
        {"family": "v2", "norm": "none", "shortcut": "C"},
        {"block_type": "bottleneck", "depths": (1, 1)},
        {"stem_width": 12, "family": "v2", "order": "act-norm-conv"},
        {"depths": (2,), "widths": (192,), "stem_width": 8, "shortcut": "B"},
    ],
    ids=["activations by themselves", "option A in bottlenecks", "norms by themselves", "weights as strings"],
)
def test_steps_that_only_some_networks_have(changes: dict[str, Any], tmp_path: Path) -> None:
    spec = msgspec.structs.replace(BASE, **{"input": (3, 12, 10), **changes})
    checkpoint = untrained(tmp_path / "checkpoint", spec)
    made = floats(checkpoint, tmp_path / "made")
    is_long = "bytes[" in (made / "weights.c").read_text(encoding="utf-8")
    assert is_long == (spec.widths == (192,))
    check_floats(made, checkpoint, crops(3, checkpoint.preprocess, 0), "uint8", "-O1")


def test_where_there_are_no_vectors_floats_are_computed_one_by_one(digits: Checkpoint, tmp_path: Path) -> None:
    images = datasets.load("digits", "test").images[:16]
    made = floats(digits, tmp_path / "made")
    check_floats(made, digits, images, "uint8", "-O1", "-U__SSE2__", "-U__ARM_NEON")


def test_tensors_that_are_needed_at_once_do_not_share_bytes(graph: bytes) -> None:
    calls = lowering.calls(read(onnx.load_model_from_string(graph)))
    planned = memory.plan(calls)
    last = {tensor.name: number for number, call in enumerate(calls) for tensor in call.reads}
    for number, call in enumerate(calls):
        if call.output is None:
            continue
        out = planned.places[call.output.name]
        for tensor in {each.name for each in _alive(calls, last, number)} - {call.output.name}:
            other = planned.places[tensor]
            is_apart = out.start + out.size <= other.start or other.start + other.size <= out.start
            is_its_residual = call.residual is not None and tensor == call.residual.name and last[tensor] == number
            assert is_apart or is_its_residual
    assert planned.size < sum(place.size for place in planned.places.values()) / 2


def _alive(calls: list[lowering.Call], last: dict[str, int], number: int) -> list[Any]:
    written_before = [call.output for call in calls[: number + 1] if call.output]
    return [tensor for tensor in written_before if last.get(tensor.name, -1) >= number]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("folder_", ["made", "made_of_floats"])
def test_the_folder_builds_without_a_warning_and_its_example_finds_what_it_expects(
    compiler: str, folder_: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    copy = shutil.copytree(request.getfixturevalue(folder_), tmp_path / "copy")
    sanitizers = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [path.name for path in copy.glob("*.c")]
    subprocess.run([compiler, *WARNINGS, *sanitizers, "-o", "example", *sources], cwd=copy, check=True)
    done = subprocess.run(["./example"], cwd=copy, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "portable: class" in done.stdout
    assert "WRONG" not in done.stdout


def test_make_builds_and_checks(made: Path, tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    copy = shutil.copytree(made, tmp_path / "copy")
    done = subprocess.run(["make", "CFLAGS=-O1", "all", "check"], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (copy / "build" / compiling.LIBRARY).exists()
    assert (copy / compiling.LIBRARY).read_bytes() == (made / compiling.LIBRARY).read_bytes()  # what was proven
    subprocess.run(["make", "clean"], cwd=copy, check=True, capture_output=True)
    assert not (copy / "build").exists()


@pytest.mark.parametrize("cpu", ["Haswell", "Nehalem"])
def test_on_a_processor_without_the_best_kernels_others_give_the_same_bits(
    cpu: str, made: Path, tmp_path: Path
) -> None:
    if shutil.which("qemu-x86_64-static") is None:
        pytest.skip("there is no qemu-x86_64-static")
    sources = [path.name for path in made.glob("*.c")]
    subprocess.run(["cc", *WARNINGS, "-O1", "-o", tmp_path / "example", *sources], cwd=made, check=True)
    done = subprocess.run(
        ["qemu-x86_64-static", "-cpu", cpu, tmp_path / "example"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "avx512vnni: not on this processor" in done.stdout
    assert ("avx2: not on this processor" in done.stdout) == (cpu == "Nehalem")


@pytest.mark.parametrize(
    ("cpu", "best", "folder_"),
    [
        ("cortex-a72", "neon", "made"),
        ("cortex-a76", "neon-dotprod", "made"),
        ("cortex-a72", "neon", "made_of_floats"),
    ],
)
def test_arm64_gives_the_same(
    cpu: str, best: str, folder_: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made: Path = request.getfixturevalue(folder_)
    if not shutil.which("aarch64-linux-gnu-gcc") or not shutil.which("qemu-aarch64-static"):
        pytest.skip("there is no aarch64-linux-gnu-gcc or no qemu-aarch64-static")
    sources = [path.name for path in made.glob("*.c")]
    command = ["aarch64-linux-gnu-gcc", *WARNINGS, "-O1", "-static", "-o", tmp_path / "example", *sources]
    subprocess.run(command, cwd=made, check=True)
    done = subprocess.run(
        ["qemu-aarch64-static", "-cpu", cpu, tmp_path / "example"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first = next(line for line in done.stdout.splitlines() if "not on" not in line)
    assert first.startswith(f"{best}: ")


@pytest.mark.parametrize(("cpu", "board"), [("cortex-m4", "mps2-an386"), ("cortex-m7", "mps2-an500")])
def test_microcontrollers_give_the_same_bits(cpu: str, board: str, made: Path, tmp_path: Path) -> None:
    if not shutil.which("arm-none-eabi-gcc") or not shutil.which("qemu-system-arm"):
        pytest.skip("there is no arm-none-eabi-gcc or no qemu-system-arm")
    sources = [path.name for path in made.glob("*.c") if path.name != "example.c"]
    options = [*WARNINGS, "-O2", f"-mcpu={cpu}", "-mthumb", "--specs=nosys.specs", "-nostartfiles", "-I."]
    command = ["arm-none-eabi-gcc", *options, "-T", BOARDS / "board.ld", BOARDS / "count.c", *sources]
    subprocess.run([*command, "-o", tmp_path / "program.elf"], cwd=made, check=True)
    emulator = ["qemu-system-arm", "-M", board, "-nographic", "-icount", "shift=0"]
    emulator += ["-semihosting-config", "enable=on,target=native", "-kernel", str(tmp_path / "program.elf")]
    done = subprocess.run(emulator, capture_output=True, text=True, timeout=300)
    (fast, same, count), (slow, same_too, more) = (line.split() for line in done.stderr.splitlines())  # QEMU's console
    assert (fast, same, slow, same_too) == ("cortex-m", "same", "portable", "same")
    assert 0 < int(count) < int(more)


def test_a_library_for_another_machine_is_built_anew(made: Path, graph: bytes, tmp_path: Path) -> None:
    copy = shutil.copytree(made, tmp_path / "copy")
    (copy / compiling.LIBRARY).write_bytes(b"for another machine")
    images = datasets.load("digits", "test").images[:3]
    with CSession(library(copy), "") as session:
        expected = evaluate(read(onnx.load_model_from_string(graph)), images)["logits"]
        np.testing.assert_array_equal(session.predict(images), expected)


def test_without_a_compiler_the_format_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = formats()["c"].unavailable()
    assert missing is not None
    assert "no C compiler (cc, gcc, clang)" in missing.reason
    assert "apt install gcc" in missing.fix


def test_a_compiler_that_fails_is_quoted(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nfor i in 1 2 3 4 5 6 7; do echo line $i >&2; done\nexit 4\n", encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ReszooError, match=r"cc cannot build the model, it ended with 4:\nline 3\n(.*\n)*line 7"):
        compiling.build(made, tmp_path / compiling.LIBRARY)


def test_a_network_without_a_certificate_gets_no_kernels_that_saturate(digits: Checkpoint, tmp_path: Path) -> None:
    graph = quantized(digits, saturation="ignore")
    made = written(digits, graph, tmp_path / "made")
    assert not (made / "kernels_avx2.c").exists()
    assert (made / "kernels_avx512vnni.c").exists()
    with pytest.raises(UsageError, match="kernels avx2 would saturate in "):
        written(digits, graph, tmp_path / "other", ("avx2",))


def test_an_operator_without_a_kernel_is_named_with_its_layer(tmp_path: Path) -> None:
    checkpoint = untrained(tmp_path / "ck", msgspec.structs.replace(BASE, activation="hardswish", input=(3, 8, 8)))
    with pytest.raises(ReszooError, match=r"no integer kernel in C for \w+, at stem"):
        written(checkpoint, quantized(checkpoint), tmp_path / "made")
    with pytest.raises(ReszooError, match=r"no kernel in C for HardSwish, at stem[\w.]+\nExport to another format"):
        floats(checkpoint, tmp_path / "floats")


def test_a_set_of_kernels_that_the_precision_does_not_have_is_refused(digits: Checkpoint, tmp_path: Path) -> None:
    for precision, isa, others in (("fp32", "cortex-m", "avx512, avx2"), ("int8", "avx512", "avx512vnni, avx2")):
        options = ExportOptions(precision=precision, isa=(isa,))
        with pytest.raises(UsageError, match=f"has no kernels {isa} for {precision}\nIt has {others}, "):
            export(digits, "c", out=tmp_path / "made", options=options)


def test_the_command_that_makes_it_again_has_the_option_for_its_kernels() -> None:
    configs = {"export": {"isa": "avx2,neon"}, "quantize": {"scheme": "int8"}}
    steps = [ProvenanceStep(name=name, config=each, versions={}, input_sha256="") for name, each in configs.items()]
    verb, options = making("c", steps, precision="int8", input_dtype="uint8")
    assert verb == "export"  # `reszoo quantize` has no --isa
    assert options == ["--precision", "int8", "--input", "uint8", "--isa", "avx2,neon"]


@pytest.mark.skipif(bool(formats()["c"].unavailable()), reason="the format cannot be written here")
def test_an_export_of_floats_is_proven_in_every_way_and_profiled(digits: Checkpoint, tmp_path: Path) -> None:
    artifact = export(digits, "c", out=tmp_path / "made", options=ExportOptions(input="uint8"))
    assert (artifact.precision, artifact.parity.top1_agreement) == ("fp32", 1)
    ways = {way.name for way in artifact.parity.ways}
    assert {"run.py", "c"} <= ways
    assert ("c:avx512vnni" in ways) == ("avx512_vnni" in flags())  # its kernels for AVX-512, which need no VNNI
    images = datasets.load("digits", "test").images[:2]
    kernels = runtimes()["c"].profile(artifact, images, device="cpu", threads=1, runs=1, limit_s=5)
    assert kernels is not None
    assert {kernel.precision for kernel in kernels} == {"fp32"}
    assert {"AveragePool", "Conv", "Gemm"} <= {kernel.operator for kernel in kernels}


def test_a_layer_that_calibration_never_saw_at_work_is_named(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(BASE, block_type="bottleneck", depths=(1,), widths=(8,), input=(3, 16, 16))
    checkpoint = untrained(tmp_path / "checkpoint", spec, stages__0__0__norms__0__bias=-100.0)
    with pytest.raises(ReszooError, match=r"stages.0.0.convs.1 .* its output hardly changed"):
        written(checkpoint, quantized(checkpoint), tmp_path / "made")


def test_the_runtime_refuses_what_the_model_does_not_take(made: Path) -> None:
    loaded = library(made)
    with CSession(loaded, "portable") as session, pytest.raises(ReszooError, match="does not take float32"):
        session.place(np.zeros((1, 1, 8, 8), np.float32))
    with pytest.raises(ReszooError, match="has no neon kernels"):
        kernels_of(loaded, "neon") if "aarch64" not in os.uname().machine else kernels_of(loaded, "x")
    assert loaded.model_run(None, None, None) == 1
    assert ctypes.c_int(loaded.model_has(99)).value == 0
    assert runtimes()["c"].unavailable("cpu") is None
