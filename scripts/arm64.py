"""Prove artifacts on ARM64 by emulation: `python scripts/arm64.py FOLDER --out arm64.json`.

In FOLDER, which nobody else uses, it makes an ARM64 system of Debian's packages and of wheels (Python, numpy and the
runtimes), without root and without changing this machine: only `qemu-aarch64-static` (Debian: qemu-user-static) has to
be here. QEMU plays one named processor. Then a bundled network is exported, and its logits for real images are computed
here and, through the ssh target, there: integers have to give the same, floats the same within a tolerance. What is
emulated has no latency: reszoo refuses to measure one there, which is tried as well.

A folder that is there already is used again. `--out` takes the record.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from reszoo import zoo
from reszoo.bench import protocol
from reszoo.bench.harness import load_request, measure
from reszoo.bench.targets.ssh import SshTarget
from reszoo.core.measured import Failure, Scenario
from reszoo.core.types import Artifact, Precision
from reszoo.export import ExportOptions, export
from reszoo.export.contract.runtime import runtimes
from reszoo.export.feeding import feed, sample_images

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import sshd

QEMU = "qemu-aarch64-static"
# With every extension at once ("max"), QEMU 7.2 computed LiteRT's integers wrongly: so a processor that exists.
CPU = "cortex-a76"
FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs"
# QEMU shows the host's, in which the runtimes look for ARM's parts.
CPUINFO = f"""\
processor\t: 0
BogoMIPS\t: 50.00
Features\t: {FEATURES}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0b
CPU revision\t: 1
"""
PACKAGES = (
    *("libc6", "libstdc++6", "libgcc-s1", "libgomp1", "libatomic1", "python3.11-minimal", "libpython3.11-minimal"),
    *("libpython3.11-stdlib", "libexpat1", "zlib1g", "libbz2-1.0", "liblzma5", "libffi8", "libssl3", "libuuid1"),
    "libcrypt1",
)
URI, SUITE = "http://deb.debian.org/debian", "bookworm"
SOURCE = "deb {uri} {suite} main\n"
WHEELS = ("numpy", "onnxruntime", "ai-edge-litert", "ncnn")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
# `-0`: Python starts itself again by this name, and the host runs no ARM program by itself.
WRAPPER = """\
#!/bin/sh
export PYTHONPATH={wheels}
exec {qemu} -cpu {cpu} -L {root} -0 "$0" {root}/usr/bin/python3.11 "$@"
"""
IMAGES = 32
TOLERANCE = 1e-4  # of the largest logit: sums in another order


class Case(NamedTuple):
    format: str
    precision: Precision
    runtime: str


CASES = (
    Case("onnx", "fp32", "onnxruntime"),
    Case("onnx", "int8", "onnxruntime"),
    Case("litert", "fp32", "litert"),
    Case("litert", "int8", "litert"),
    Case("ncnn", "fp32", "ncnn"),
)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def system(folder: Path, uri: str, suite: str) -> Path:
    """The wrapper that is the emulated device's Python."""
    wrapper, root, wheels = folder / "python", folder / "root", folder / "wheels"
    if not wrapper.exists():
        unpack(debian(folder / "apt", uri, suite), root)
        (root / "proc").mkdir(exist_ok=True)
        (root / "proc" / "cpuinfo").write_text(CPUINFO)
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        run(
            *(sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary", ":all:", *platforms),
            *("--python-version", "3.11", "--target", wheels, *WHEELS),
        )
        wrapper.write_text(WRAPPER.format(wheels=wheels, qemu=shutil.which(QEMU), cpu=CPU, root=root))
        wrapper.chmod(0o755)
    return wrapper


def debian(state: Path, uri: str, suite: str) -> list[Path]:
    """Debian's packages for ARM64, checked by apt against its keys, with lists and a cache of their own."""
    for name in ("lists/partial", "archives/partial", "debs", "parts"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "sources.list").write_text(SOURCE.format(uri=uri, suite=suite))
    (state / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": state / "parts",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "update")
    run("apt-get", *options, "download", *PACKAGES, cwd=state / "debs")
    return sorted((state / "debs").glob("*.deb"))


def unpack(packages: list[Path], root: Path) -> None:
    root.mkdir(exist_ok=True)
    for package in packages:
        run("dpkg", "-x", package, root)


def compared(target: SshTarget, artifact: Artifact, case: Case) -> dict[str, object]:
    """The largest difference of any logit, relative to the largest logit."""
    images, _ = sample_images(artifact.dataset, artifact.preprocess, IMAGES)
    batch = feed(images, artifact.input, artifact.preprocess)
    with runtimes()[case.runtime].load(artifact, device="cpu", threads=1, variant="") as session:
        here = session.predict(batch).copy()
    scenario = scenario_of(case, target)
    with target.worker(artifact, scenario, patience_s=600.0) as worker:
        worker.ask(load_request(worker, target.host()), protocol.Loaded)
        there = worker.predict(batch)
    worst = float(np.abs(here - there).max() / np.abs(here).max())
    limit = 0.0 if case.precision == "int8" else TOLERANCE
    return {**case._asdict(), "ref": artifact.source_ref, "worst": worst, "limit": limit, "equal": worst <= limit}


def scenario_of(case: Case, target: SshTarget) -> Scenario:
    return Scenario(runtime=case.runtime, variant="", device="cpu", batch=1, threads=1, target=target.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ref", action="append", help="a bundled network; several times for several")
    parser.add_argument("--runtime", action="append", help="only this one; several times for several")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--uri", default=URI)
    parser.add_argument("--suite", default=SUITE)
    options = parser.parse_args()
    if shutil.which(QEMU) is None:
        raise SystemExit(f"{QEMU} is not here: apt-get install qemu-user-static")
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = system(folder, options.uri, options.suite)
    rows = []
    with TemporaryDirectory() as name, sshd.board(Path(name)) as board:
        os.environ |= board.environment
        with SshTarget(f"ssh://{sshd.NAME}{wrapper}") as target:
            for ref in options.ref or ["resnet8_v1.reszoo_digits"]:
                for case in CASES:
                    if options.runtime and case.runtime not in options.runtime:
                        continue
                    out = Path(name) / f"{ref}-{case.format}-{case.precision}"
                    artifact = export(
                        zoo.load(ref), case.format, out=out, options=ExportOptions(precision=case.precision)
                    )
                    rows.append(compared(target, artifact, case))
                    print(*rows[-1].values(), flush=True)
                    refused = measure(artifact, scenario_of(case, target), target=target)
                    if not isinstance(refused, Failure):
                        raise SystemExit("a latency was measured in an emulated machine")
            record = {
                "schema": 1,
                "cpu": CPU,
                "emulated_by": target.facts["host"]["emulated_by"],
                "machine": target.facts["host"]["machine"],
                "versions": target.facts["host"]["versions"],
                "images": IMAGES,
                "rows": rows,
            }
    print(text := json.dumps(record, indent=2))
    if options.out:
        options.out.write_text(text + "\n")
    if not all(row["equal"] for row in rows):
        raise SystemExit("some answers differ")


if __name__ == "__main__":
    main()
