"""Networks as C: `python scripts/c_artifact.py --out FOLDER [PART...]`, its times on an idle machine.

bits     every set of kernels against the integer reference, image by image; emulated ARM64 and microcontrollers, with
         instructions counted; bytes of sources, library, constants and workspace
top1     right answers on the 10,000 test images of CIFAR-10, where the network is trained for them
layers   microseconds and the share of the processor's peak, layer by layer
latency  against the other runtimes with int8, in turn in one run, at batch 1 and 32
build    seconds: the sources of a quantized graph, the compiler, and a whole export with calibration and proof
cold     from the start of a process to its first logits, and the most memory that it has
fuzz     random networks, by their seeds: every set of kernels of this processor against the integer reference

Needs CIFAR-10 (`reszoo data get cifar10`), akamaster's resnet20 and resnet56, the extras openvino, litert and
executorch, and for the emulators aarch64-linux-gnu-gcc, arm-none-eabi-gcc, qemu-user-static and qemu-system-arm. It
goes on where an interrupted run has stopped: a network that a part has is left out. `fuzz` needs no data and no extra.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from figures import known, write
from runtimes import or_exit
from shipped import chosen

from reszoo import datasets, zoo
from reszoo.bench.comparison import Contestant, Effort, compare
from reszoo.core.errors import ReszooError
from reszoo.core.files import cache_dir
from reszoo.core.measured import BASELINE, Scenario
from reszoo.core.types import Artifact, Checkpoint
from reszoo.datasets.photos import crops
from reszoo.export import artifacts, export
from reszoo.export.contract.options import ExportOptions, input_spec
from reszoo.export.contract.runtime import parse_runtime, runtimes
from reszoo.export.csource import compiling
from reszoo.export.csource.folder import write as write_folder
from reszoo.export.runtimes.c import CSession, library
from reszoo.models.cost import cost_of
from reszoo.quantize.program import evaluate, read

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from foreign import untrained
from random_networks import drawn, quantized

CIFAR = (
    "resnet8_v1.reszoo_cifar10",
    "resnet20_v1.akamaster_cifar10",
    "resnet20_v2.reszoo_cifar10",
    "resnet56_v1.akamaster_cifar10",
)
PRUNED = "resnet20_v1.akamaster_cifar10 pruned"
LARGE = ("resnet18_v1.random", "resnet50_v2.random")
NETWORKS = (*CIFAR, PRUNED, *LARGE)
RIVALS = {"litert": "litert", "onnxruntime": "onnx", "openvino": "openvino", "executorch": "executorch"}
OPTIONS = ExportOptions(precision="int8", input="uint8")
EFFORT = Effort(precision=0.01, limit_s=120, round_s=0.5)
WORK = cache_dir() / "c-artifact"
HERE = Path(__file__).parent
BOARD = HERE / "cortex_m"
RUNS, SECONDS = 10**9, 3.0  # of a profile
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror")
CONTROLLERS = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500"}
SEEDS, FUZZED = 200, 3  # random networks, and images of each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known_parts = ", ".join((*PARTS, "fuzz"))
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {known_parts}; all when left out")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="only this one; may be given again")
    parser.add_argument("--images", type=int, default=1000, metavar="N", help="that bits are compared on; 8 at 224x224")
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, metavar="N", help="of fuzz: 0 to N - 1 (default %(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, help="what is measured goes here")
    options = parser.parse_args()
    for part in options.parts or (*PARTS, "fuzz"):
        path = options.out / f"{part}.json"
        if part == "fuzz":
            fuzz(path, options.seeds)
            continue
        for network in options.network or NETWORKS:
            found = known(path)
            if not any(each["network"] == network for each in found):
                print(part, network, flush=True)
                found += [{"network": network, **each} for each in PARTS[part](network, options.images)]
                write(path, sorted(found, key=lambda each: NETWORKS.index(each["network"])))


def bits(network: str, n: int) -> list[dict[str, Any]]:
    made = artifact(network, "c")
    program = read(onnx.load(artifact(network, "onnx").path / "model.onnx"))
    images = test_images(made, n if network not in LARGE else 8)
    equal = {}
    expected = np.concatenate(
        [evaluate(program, part)["logits"] for part in np.array_split(images, len(images) // 8 or 1)]
    )
    loaded = library(made.path)
    for variant in runtimes()["c"].variants[1:]:
        if runtimes()["c"].unavailable("cpu", variant) is None:
            with CSession(loaded, variant) as session:
                same = (session.predict(images) == expected).all(axis=1)
            equal[variant] = [int(same.sum()), len(images)]
    sources = sum(file.size_bytes for file in made.files if not file.name.endswith(".so"))
    built = next(file.size_bytes for file in made.files if file.name.endswith(".so"))
    needed = {figure.name: int(figure.value) for figure in made.figures}
    sizes = {
        "source_bytes": sources,
        "library_bytes": built,
        **{f"{key}_bytes": value for key, value in needed.items()},
    }
    emulated = {} if network in LARGE else {"arm64": arm64(made), "controllers": controllers(made)}
    return [{"macs": cost_of(source(network).spec).macs, "equal": equal, **sizes, **emulated}]


def build(network: str, _: int) -> list[dict[str, Any]]:
    """A whole export, and of it what is C's: the sources of a quantized graph, and the library of these."""
    checkpoint, quantized = source(network), (artifact(network, "onnx").path / "model.onnx").read_bytes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sources"
        folder.mkdir()
        starts = [time.perf_counter()]
        made = export(checkpoint, "c", out=Path(name) / "c", options=OPTIONS)
        starts.append(time.perf_counter())
        write_folder(quantized, checkpoint, made.input, folder)
        starts.append(time.perf_counter())
        compiling.build(folder, Path(name) / "made.so")
        starts.append(time.perf_counter())
    exported, generated, built = (round(after - before, 2) for before, after in pairwise(starts))
    return [{"export_s": exported, "generate_s": generated, "build_s": built}]


def top1(network: str, _: int) -> list[dict[str, Any]]:
    if network not in CIFAR:
        return []
    made = artifact(network, "c")
    images, labels = chosen(10_000)
    with CSession(library(made.path), "") as session:
        best = session.predict(images).argmax(1)
    return [{"correct": int((best == labels).sum()), "n": len(labels)}]


def layers(network: str, _: int) -> list[dict[str, Any]]:
    """The peak is measured before and after, and the higher one counts."""
    made = artifact(network, "c")
    images = test_images(made, 8)
    before = peak()
    kernels = runtimes()["c"].profile(made, images, device="cpu", threads=1, runs=RUNS, limit_s=SECONDS)
    after = peak()
    most = max(before["avx512vnni"], after["avx512vnni"]) or max(before["avx2"], after["avx2"])
    program = read(onnx.load(artifact(network, "onnx").path / "model.onnx"))
    macs = {step.name: _macs(step) for step in program}
    return [
        {
            "layer": kernel.name,
            "operator": kernel.operator,
            "shape": shape_of(made.path, kernel.name),
            "us": round(1e6 * kernel.seconds / len(images), 3),
            "macs": macs.get(kernel.name, 0),
            "peak_macs_per_s": most,
        }
        for kernel in kernels or ()
    ]


def latency(network: str, _: int) -> list[dict[str, Any]]:
    found = []
    for batch in (1, 32) if network not in LARGE else (1,):
        ways = [("c", artifact(network, "c")), ("c:avx2", artifact(network, "c"))]
        ways += [(runtime, artifact(network, name)) for runtime, name in RIVALS.items()]
        contestants = []
        for way, exported in ways:
            runtime, variant = parse_runtime(way)
            scenario = Scenario(runtime=runtime.name, variant=variant, device="cpu", batch=batch, threads=1)
            contestants.append(Contestant(exported, scenario))
        c = or_exit(compare(contestants, EFFORT))
        for i, way in enumerate(way for way, _ in ways):
            entry = i and i + 1  # the baseline stands there twice
            ratio = (1.0, (1.0, 1.0)) if entry == BASELINE else c.ratio(entry)[:2]
            found.append(
                {
                    "way": way,
                    "batch": batch,
                    "median_s": c.median_s(entry),
                    "times_c": ratio[0],
                    "interval": list(ratio[1]),
                    "rounds": len(c.rounds),
                    "warnings": sorted({warning.kind for warning in c.warnings}),
                }
            )
    return found


def cold(network: str, _: int) -> list[dict[str, Any]]:
    """The best of many starts of the example's program, which runs each set of kernels here once; and its memory."""
    made = artifact(network, "c")
    with tempfile.TemporaryDirectory() as folder:
        program, sources = (
            Path(folder) / "cold",
            [path.name for path in made.path.glob("*.c") if path.name != "example.c"],
        )
        command = ["cc", "-O3", *STRICT, "-static", "-I.", "-o", str(program), str(HERE / "cold.c"), *sources]
        subprocess.run(command, cwd=made.path, check=True)
        said = [subprocess.run([program], capture_output=True, check=True).stdout for _ in range(50)]
        runs = [json.loads(each) for each in said]
    first = min(each["first_s"] for each in runs)
    return [{"first_s": first, "peak_bytes": min(each["peak_bytes"] for each in runs)}]


def fuzz(path: Path, seeds: int) -> None:
    """Those that are refused are kept as well, with the reason."""
    found = known(path)
    for seed in sorted({*range(seeds)} - {each["seed"] for each in found}):
        print("fuzz", seed, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            found.append({"seed": seed, **fuzzed(seed, Path(folder))})
        write(path, sorted(found, key=lambda each: each["seed"]))


def fuzzed(seed: int, work: Path) -> dict[str, Any]:
    checkpoint, made = untrained(work / "checkpoint", drawn(seed)), work / "made"
    cost = {"macs": cost_of(checkpoint.spec).macs}
    images = crops(FUZZED, checkpoint.preprocess, seed)
    made.mkdir()
    try:
        graph = quantized(checkpoint)
        write_folder(graph, checkpoint, input_spec(checkpoint, ExportOptions(input="uint8")), made)
    except ReszooError as error:
        return cost | {"refused": str(error).splitlines()[0]}
    compiling.build(made, made / compiling.LIBRARY)
    loaded, expected = library(made), evaluate(read(onnx.load_model_from_string(graph)), images)["logits"]
    equal = {}
    for variant in runtimes()["c"].variants[1:]:
        if runtimes()["c"].unavailable("cpu", variant) is None:
            with CSession(loaded, variant) as session:
                equal[variant] = int((session.predict(images) == expected).all(axis=1).sum())
    return cost | {"images": FUZZED, "equal": equal}


PARTS: dict[str, Callable[[str, int], list[dict[str, Any]]]] = {
    "bits": bits,
    "top1": top1,
    "layers": layers,
    "latency": latency,
    "cold": cold,
    "build": build,
}


def source(network: str) -> Checkpoint:
    """The checkpoint; a pruned one and those with random weights are made when they are first asked for."""
    folder = WORK / "checkpoints" / network.replace(" ", "-")
    if network == PRUNED:
        import reszoo

        if not folder.exists():
            reszoo.load(network.split()[0]).prune(macs=0.5, out=folder)
        return zoo.load(str(folder))
    if network in LARGE:
        import random_network

        if not folder.exists():
            random_network.make(network.partition(".")[0], folder)
        return zoo.load(str(folder))
    return zoo.load(network)


def artifact(network: str, name: str) -> Artifact:
    folder = WORK / network.replace(" ", "-") / name
    if not folder.exists():
        options = OPTIONS if name != "litert" and name != "executorch" else ExportOptions(precision="int8")
        export(source(network), name, out=folder, options=options)
    return artifacts.read(folder)


def test_images(made: Artifact, n: int) -> np.ndarray:
    return next(datasets.load("cifar10", "test").subset(range(n)).batches(made.preprocess, n))[0]


def peak() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        command = ["cc", "-O2", "-std=gnu11", "-o", str(program), str(HERE / "peak.c")]
        subprocess.run(command, check=True)
        found: dict[str, float] = json.loads(subprocess.run([program], capture_output=True, check=True).stdout)
    return found


def _macs(step: Any) -> int:
    if not hasattr(step, "layer"):
        return 0
    pixels = 1 if step.output is None else step.output.shape[1] * step.output.shape[2]
    return int(step.layer.weight_values.size * pixels)


def shape_of(folder: Path, layer: str) -> str:
    found = re.search(rf"/\* {re.escape(layer)}: (.*?) \*/", (folder / "network.h").read_text(encoding="utf-8"))
    return found[1] if found else ""


def arm64(made: Artifact) -> dict[str, str] | None:
    """What the example says on emulated processors, by their names."""
    if not shutil.which("aarch64-linux-gnu-gcc") or not shutil.which("qemu-aarch64-static"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        program, sources = Path(folder) / "example", [path.name for path in made.path.glob("*.c")]
        command = ["aarch64-linux-gnu-gcc", "-O2", *STRICT, "-static", "-o", str(program), *sources]
        subprocess.run(command, cwd=made.path, check=True)
        found = {}
        for cpu in ("cortex-a72", "cortex-a76", "neoverse-n1"):
            emulated = ["qemu-aarch64-static", "-cpu", cpu, str(program)]
            done = subprocess.run(emulated, capture_output=True, text=True)
            ran = [line.partition(":")[0] for line in done.stdout.splitlines() if "every bit as expected" in line]
            found[cpu] = ", ".join(ran) if done.returncode == 0 else "WRONG"
    return found


def controllers(made: Artifact) -> list[dict[str, Any]] | None:
    """Instructions of one image on each, by each set of kernels; flash and RAM from the linker's map."""
    if not shutil.which("arm-none-eabi-gcc") or not shutil.which("qemu-system-arm"):
        return None
    found = []
    for cpu, board in CONTROLLERS.items():
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/program.elf"
            sources = [path.name for path in made.path.glob("*.c") if path.name != "example.c"]
            flags = [*STRICT, "-O3", f"-mcpu={cpu}", "-mthumb", "--specs=nosys.specs", "-nostartfiles", "-I."]
            flags += ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", f"-Wl,-Map={folder}/map"]
            command = ["arm-none-eabi-gcc", *flags, "-T", str(BOARD / "board.ld"), str(BOARD / "count.c"), *sources]
            subprocess.run([*command, "-o", program], cwd=made.path, check=True)
            flash, ram = sections(Path(folder) / "map")
            emulator = ["qemu-system-arm", "-M", board, "-nographic", "-icount", "shift=0", "-kernel", program]
            emulator += ["-semihosting-config", "enable=on,target=native"]
            said = subprocess.run(emulator, capture_output=True, text=True, check=True).stderr  # QEMU's console
        for line in said.splitlines():
            kernels, same, count = line.split()
            row = {"cpu": cpu, "kernels": kernels, "is_same": same == "same", "instructions": int(count)}
            found.append(row | {"flash_bytes": flash, "ram_bytes": ram})
    return found


def sections(map_file: Path) -> tuple[int, int]:
    """Bytes in flash (code and constants) and in RAM (variables, the workspace among them; no stack)."""
    text = map_file.read_text(encoding="utf-8")
    sizes = {
        name: int(size, 16)
        for name, size in re.findall(r"^(\.text|\.ARM\.exidx|\.data|\.bss)\s+0x\w+\s+0x(\w+)", text, re.M)
    }
    data = sizes.get(".data", 0)
    return sizes[".text"] + sizes.get(".ARM.exidx", 0) + data, data + sizes[".bss"]


if __name__ == "__main__":
    main()
