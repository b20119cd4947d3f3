"""Vela, Arm's compiler for the Ethos-U NPUs: what it makes of an int8 file, and what it estimates of that.

Its figures are a compiler's, by its own words, and belong to one configuration: they are no measurement.
"""

import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from ..core.errors import ReszooError
from ..core.hosts import versions
from ..core.types import Figure, NotNegative, Origin, Record

PACKAGE = "ethos-u-vela"
LIMIT_S = 900
KIB = 1024  # its unit of memory
# By the generation of the NPU: the memories of the system, and which of them holds what. They are Vela's own defaults,
# by name.
SYSTEMS = {
    "u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "u65": ("Ethos_U65_High_End", "Dedicated_Sram_384KB"),
    "u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
}
SIZES = {"u55": (32, 64, 128, 256), "u65": (256, 512), "u85": (128, 256, 512, 1024, 2048)}  # MACs a cycle
ACCELERATORS = tuple(f"ethos-{generation}-{size}" for generation, sizes in SIZES.items() for size in sizes)
COUNTS = re.compile(r"^(CPU|NPU) operators = (\d+)", re.MULTILINE)
REFUSED = re.compile(r"^Warning \(.*\) operator: (\w+), ofm: '(.*)'\nReason: (.+(?:\n.+)*)", re.MULTILINE)


class Refused(Record, frozen=True, kw_only=True):
    """An operator that stays on the CPU: its kind, what it writes, and Vela's reason."""

    kind: str
    name: str
    reason: str


class Report(Record, frozen=True, kw_only=True):
    """What Vela says of one model on one accelerator. Operators are Vela's: an activation is one of its own.

    weights_bytes  of the memory beside the SRAM, which holds the weights: flash or DRAM, as `system` has it
    """

    version: str
    accelerator: str
    system: str
    memory: str
    clock_hz: float
    npu_operators: NotNegative
    cpu_operators: NotNegative
    refused: tuple[Refused, ...]
    cycles: NotNegative
    inference_s: float
    sram_bytes: NotNegative
    weights_bytes: NotNegative

    def figures(self) -> tuple[Figure, ...]:
        by = f"Vela {self.version}, {self.accelerator}, {self.system}, {self.memory}"
        rows: tuple[tuple[str, float, str, Origin], ...] = (
            ("time of an inference", 1e3 * self.inference_s, "ms", "estimated"),
            ("cycles of an inference", self.cycles, "", "estimated"),
            ("SRAM", self.sram_bytes, "bytes", "estimated"),
            ("flash or DRAM", self.weights_bytes, "bytes", "estimated"),
            ("operators on the NPU", self.npu_operators, "", "counted"),
            ("operators on the CPU", self.cpu_operators, "", "counted"),
        )
        return tuple(
            Figure(name=f"{self.accelerator}: {name}", value=value, unit=unit, origin=origin, by=by)
            for name, value, unit, origin in rows
        )


class Compiled(NamedTuple):
    content: bytes
    report: Report


def compile_for(accelerator: str, content: bytes) -> Compiled:
    """The int8 file, compiled for one of `ACCELERATORS`. Raises ReszooError where Vela makes none."""
    generation = accelerator.split("-")[1]
    system, memory = SYSTEMS[generation]
    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(content)
        command = [sys.executable, "-P", "-m", "ethosu.vela", "model.tflite", "--output-dir", "made"]
        command += ["--accelerator-config", accelerator, "--config", "Arm/vela.ini"]
        command += ["--system-config", system, "--memory-mode", memory, "--show-cpu-operations"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise _failed(accelerator, f"it was not done after {LIMIT_S} s") from error
        made = folder / "made" / "model_vela.tflite"
        if done.returncode or not made.is_file():
            said = re.findall(r"Error: (.+)", done.stderr) or done.stderr.strip().splitlines()[-1:] or ["no reason"]
            raise _failed(accelerator, said[0])
        (summary,) = made.parent.glob("*_summary_*.csv")
        with summary.open(newline="") as file:
            (row,) = csv.DictReader(file)
        return Compiled(made.read_bytes(), _report(accelerator, row, done.stdout + done.stderr))


def _report(accelerator: str, row: dict[str, str], said: str) -> Report:
    counts = {place: int(count) for place, count in COUNTS.findall(said)}
    refused = (
        Refused(kind=kind, name=name, reason=" ".join(reason.split())) for kind, name, reason in REFUSED.findall(said)
    )
    beside = ("dram", "on_chip_flash", "off_chip_flash")
    return Report(
        version=versions((PACKAGE,))[PACKAGE],
        accelerator=accelerator,
        system=row["system_config"],
        memory=row["memory_mode"],
        clock_hz=float(row["core_clock"]),
        npu_operators=counts["NPU"],
        cpu_operators=counts["CPU"],
        refused=tuple(refused),
        cycles=round(float(row["cycles_total"])),
        inference_s=float(row["inference_time"]),
        sram_bytes=round(KIB * float(row["sram_memory_used"])),
        weights_bytes=round(KIB * sum(float(row[f"{area}_memory_used"]) for area in beside)),
    )


def _failed(accelerator: str, reason: str) -> ReszooError:
    return ReszooError(f"Vela cannot compile the model for {accelerator}: {reason}", "Export it to tflite-micro.")
