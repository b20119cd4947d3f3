"""`reszoo doctor`, as its users type it, and what it would say on machines unlike this one."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from reszoo.bench import doctor
from reszoo.core.hosts import describe
from reszoo.core.measured import Conditions, Host
from reszoo.core.types import Unavailable
from reszoo.export.contract import Device, Runtime, formats, runtimes


def reszoo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name("reszoo")), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def like_this(**changes: object) -> Host:
    return msgspec.structs.replace(describe(), **changes)


def test_it_names_the_machine_and_everything_that_it_found() -> None:
    done = reszoo("doctor")
    assert done.returncode == 0, done.stderr
    assert describe().cpu in done.stdout
    for name in [*runtimes(), *formats()]:
        assert name in done.stdout
    assert "Measuring here" in done.stdout
    assert len(done.stdout.splitlines()) < 60


def test_json_holds_the_same_and_a_second_of_conditions() -> None:
    done = reszoo("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["host"]["cpu"] == describe().cpu
    assert {tool["name"] for tool in found["runtimes"]} == set(runtimes())
    assert all(tool["works"] or tool["missing"][0]["fix"] for tool in found["runtimes"] + found["formats"])
    assert found["conditions"]["seconds"] >= 1
    assert all(doubt["advice"] for doubt in found["doubts"])


@pytest.mark.parametrize(
    ("machine", "flags", "present", "warning"),
    [
        ("x86_64", ("avx2", "fma"), {"VNNI": False, "AMX": False}, "may saturate at 16 bits"),
        ("x86_64", ("avx2", "avx_vnni"), {"VNNI": True, "AMX": False}, "sums them in 32 bits"),
        ("x86_64", ("avx512_vnni", "amx_int8"), {"VNNI": True, "AMX": True}, "8 times"),
        ("aarch64", ("asimd", "asimddp"), {"dotprod": True, "i8mm": False}, "sums them in 32 bits"),
        ("aarch64", ("asimd",), {"dotprod": False, "i8mm": False}, "gains little"),
        ("arm64", (), {}, ""),
        ("riscv64", (), {}, ""),
    ],
)
def test_int8_is_explained_for_the_cpu_at_hand(
    machine: str, flags: tuple[str, ...], present: dict[str, bool], warning: str
) -> None:
    found = doctor.int8_of(like_this(machine=machine, instruction_sets=flags))
    assert {each.name: each.present for each in found} == present
    assert warning in " ".join(each.meaning for each in found)


def test_what_makes_measurements_unreliable_comes_with_advice() -> None:
    busy = Conditions(
        seconds=1.0,
        load_before=3.0,
        foreign_cpu_s=0.4,
        steal_s=0.0,
        cgroup_throttled_s=0.0,
        min_mhz=None,
        max_mhz=None,
        thermal_events=None,
        major_faults=0,
    )
    found = doctor.doubts(like_this(governor="powersave", turbo=True, cores=2, cpu_limit=1.5), busy)
    what = [doubt.what for doubt in found]
    assert what[0] == "other processes used 40 % of a core"  # what goes on now comes first
    for expected in ("governor is powersave", "quota of 1.5 cores", "few cores (2)", "turbo is on"):
        assert any(expected in each for each in what), expected
    assert all(doubt.advice for doubt in found)


class Broken(Runtime):
    name = "broken"
    formats = ("onnx",)

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        raise ImportError("libcudart.so.12: cannot open shared object file\nand more")

    def preload(self) -> None: ...

    def load(self, *_: object, **__: object) -> None:  # type: ignore[override]
        ...


def test_a_package_that_cannot_be_imported_is_found_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "runtimes", lambda: {"broken": Broken()})
    monkeypatch.setattr(doctor, "WATCH_S", 0.0)
    (tool,) = doctor.examine().runtimes
    assert not tool.works
    assert tool.missing[0].reason == "it cannot be imported: libcudart.so.12: cannot open shared object file"
    assert tool.missing[0].fix == "pip install --force-reinstall broken"
