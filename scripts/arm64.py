"""Prove artifacts on ARM64 by emulation: `python scripts/arm64.py FOLDER --out arm64.json`.

In FOLDER, which nobody else uses, it makes an ARM64 system of Debian's packages and of wheels (Python, numpy and the
runtimes), without root and without changing this machine: only `qemu-aarch64-static` (Debian: qemu-user-static) has to
be here. QEMU plays one named processor. Then bundled networks are exported, and its logits for real images are computed
here and, through the ssh target, there: integers have to give the same, floats the same within a tolerance. What is
emulated has no latency: reszoo refuses to measure one there, which is tried as well.

A folder that is there already is used again. `--out` takes the record, and a run goes on where it ended.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from shipped import chosen

from reszoo import zoo
from reszoo.bench import protocol
from reszoo.bench.harness import load_request, measure
from reszoo.bench.targets.ssh import SshTarget
from reszoo.core.measured import Failure, Scenario
from reszoo.core.types import Artifact, Precision
from reszoo.export import ExportOptions, export
from reszoo.export.contract.runtime import runtimes
from reszoo.export.feeding import feed

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
WHEELS = ("numpy", "onnxruntime", "ai-edge-litert", "ncnn", "MNN")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
# `-0`: Python starts itself again by this name, and the host runs no ARM program by itself.
WRAPPER = """\
#!/bin/sh
export PYTHONPATH={wheels}
exec {qemu} -cpu {cpu} -L {root} -0 "$0" {root}/usr/bin/python3.11 "$@"
"""
AT_ONCE = 100  # images: the worker may be slow, and not silent
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
    Case("mnn", "fp32", "mnn"),
)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def system(folder: Path) -> Path:
    """The wrapper that is the emulated device's Python."""
    wrapper, root, wheels = folder / "python", folder / "root", folder / "wheels"
    if not wrapper.exists():
        unpack(debian(folder / "apt"), root)
        (root / "proc").mkdir(exist_ok=True)
        (root / "proc" / "cpuinfo").write_text(CPUINFO)
        pinned: list[str | Path] = [f"{name}=={version(name)}" for name in WHEELS]  # what computes here
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        run(
            *(sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary", ":all:", *platforms),
            *("--python-version", "3.11", "--target", wheels, *pinned),
        )
        wrapper.write_text(WRAPPER.format(wheels=wheels, qemu=shutil.which(QEMU), cpu=CPU, root=root))
        wrapper.chmod(0o755)
    return wrapper


def debian(state: Path) -> list[Path]:
    """Debian's packages for ARM64 from where this Debian has its own, checked by apt against its keys.

    The lists and the cache lie in `state`.
    """
    for name in ("lists/partial", "archives/partial", "debs"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "update")
    run("apt-get", *options, "download", *PACKAGES, cwd=state / "debs")
    return sorted((state / "debs").glob("*.deb"))


def unpack(packages: list[Path], root: Path) -> None:
    root.mkdir(exist_ok=True)
    for package in packages:
        run("dpkg", "-x", package, root)


def compared(target: SshTarget, artifact: Artifact, case: Case, n: int) -> dict[str, object]:
    """The largest difference of any logit, relative to the largest logit; of test images, how many are right there.

    Where that is more than it may be: how many images differ, and how many get another class.
    """
    images, labels = chosen(n, artifact.source_ref)
    batch = feed(images, artifact.input, artifact.preprocess)
    with runtimes()[case.runtime].load(artifact, device="cpu", threads=1, variant="") as session:
        here = session.predict(batch).copy()
    scenario = scenario_of(case, target)
    with target.worker(artifact, scenario, patience_s=600.0) as worker:
        worker.ask(load_request(worker, target.host()), protocol.Loaded)
        parts = [worker.predict(batch[first : first + AT_ONCE]) for first in range(0, len(batch), AT_ONCE)]
    there = np.concatenate(parts)
    worst = float(np.abs(here - there).max() / np.abs(here).max())
    limit = 0.0 if case.precision == "int8" else TOLERANCE
    correct = int((there.argmax(1) == labels).sum())
    answers = {"worst": worst, "limit": limit, "equal": worst <= limit, "n": len(labels), "correct": correct}
    if worst > limit:
        answers["differing"] = int((np.abs(here - there).max(axis=1) > limit * np.abs(here).max()).sum())
        answers["other_class"] = int((here.argmax(1) != there.argmax(1)).sum())
    return {"ref": artifact.source_ref, **case._asdict(), **answers}


def scenario_of(case: Case, target: SshTarget) -> Scenario:
    return Scenario(runtime=case.runtime, variant="", device="cpu", batch=1, threads=1, target=target.name)


def record(target: SshTarget, rows: list[dict[str, object]]) -> str:
    host = target.facts["host"]
    seen = {"emulated_by": host["emulated_by"], "machine": host["machine"], "versions": host["versions"]}
    return json.dumps({"schema": 1, "cpu": CPU, **seen, "rows": rows}, indent=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ref", action="append", help="a network; several times for several")
    parser.add_argument("--runtime", action="append", help="only this one; several times for several")
    parser.add_argument("--images", type=int, default=30, metavar="N", help="of the test split, as many of each class")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if shutil.which(QEMU) is None:
        raise SystemExit(f"{QEMU} is not here: apt-get install qemu-user-static")
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = system(folder)
    rows = json.loads(options.out.read_text())["rows"] if options.out and options.out.is_file() else []
    done = {(row["ref"], row["format"], row["precision"]) for row in rows}
    with TemporaryDirectory() as name, sshd.board(Path(name)) as board:
        os.environ |= board.environment
        with SshTarget(f"ssh://{sshd.NAME}{wrapper}") as target:
            for ref, case in product(options.ref or ["resnet8_v1.reszoo_digits"], CASES):
                is_asked = not options.runtime or case.runtime in options.runtime
                if not is_asked or (ref, case.format, case.precision) in done:
                    continue
                out = Path(name) / f"{ref}-{case.format}-{case.precision}"
                artifact = export(zoo.load(ref), case.format, out=out, options=ExportOptions(precision=case.precision))
                rows.append(compared(target, artifact, case, options.images))
                print(*rows[-1].values(), flush=True)
                if options.out:
                    options.out.write_text(record(target, rows) + "\n")
                refused = measure(artifact, scenario_of(case, target), target=target)
                if not isinstance(refused, Failure):
                    raise SystemExit("a latency was measured in an emulated machine")
            print(record(target, rows))
    if not all(row["equal"] for row in rows):
        raise SystemExit("some answers differ")


if __name__ == "__main__":
    main()
