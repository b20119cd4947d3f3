"""`reszoo doctor`, as its users type it, about this machine, others and an artifact."""

import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from inprocess import reszoo
from typer.testing import CliRunner

from reszoo import zoo
from reszoo.bench import host_check
from reszoo.cli.main import app
from reszoo.cli.spelling import spelled
from reszoo.core.errors import ReszooError
from reszoo.core.hosts import describe
from reszoo.core.measured import Conditions, Host
from reszoo.core.types import Artifact
from reszoo.export import ExportOptions, export
from reszoo.export.contract.format import formats
from reszoo.export.contract.runtime import Device, Runtime, runtimes
from reszoo.quantize import QuantizeConfig

REF = "resnet8_v1.reszoo_digits"


def like_this(**changes: object) -> Host:
    return msgspec.structs.replace(describe(), **changes)


def test_it_names_the_machine_and_everything_that_it_found() -> None:
    done = reszoo("doctor")
    assert done.returncode == 0, done.stderr
    assert describe().cpu in done.stdout
    for name in [*runtimes(), *formats()]:
        assert name in done.stdout
    assert "Measuring here" in done.stdout
    assert len(done.stdout.splitlines()) < 80  # where every tool is missing, with its fix


def test_json_holds_the_same_and_a_second_of_conditions() -> None:
    done = reszoo("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["host"]["cpu"] == describe().cpu
    assert {tool["name"] for tool in found["runtimes"]} == set(runtimes())
    assert all(tool["works"] or tool["missing"][0]["fix"] for tool in found["runtimes"] + found["formats"])
    assert found["conditions"]["seconds"] >= 1
    assert all(warning["advice"] for warning in found["warnings"])


@pytest.mark.parametrize(
    ("machine", "flags", "present", "warning"),
    [
        ("x86_64", ("avx2", "fma"), {"VNNI": False, "AMX": False}, "without a certificate may saturate"),
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
    found = host_check.int8_of(like_this(machine=machine, instruction_sets=flags))
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
    found = host_check.warnings(like_this(governor="powersave", turbo=True, cores=2, cpu_limit=1.5), busy)
    what = [warning.what for warning in found]
    assert what[0] == "other processes used 40 % of a core"  # what goes on now comes first
    for expected in ("governor is powersave", "quota of 1.5 cores", "few cores (2)", "turbo is on"):
        assert any(expected in each for each in what), expected
    assert all(warning.advice for warning in found)


class Broken(Runtime):
    name = "broken"
    formats = ("onnx",)

    def unavailable(self, device: Device, variant: str = "") -> None:
        """Its package can be found."""

    def preload(self) -> None:
        raise ImportError("libcudart.so.12: cannot open shared object file\nand more")

    def load(self, *_: object, **__: object) -> None:  # type: ignore[override]
        ...


def test_a_package_that_cannot_be_imported_is_found_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_check, "runtimes", lambda: {"broken": Broken()})
    monkeypatch.setattr(host_check, "WATCH_S", 0.0)
    (tool,) = host_check.check_host().runtimes
    assert not tool.works
    assert tool.missing[0].reason == "it cannot be imported: libcudart.so.12: cannot open shared object file"
    assert tool.missing[0].fix == "pip install --force-reinstall broken"


def test_what_is_not_installed_has_no_version() -> None:
    tools = [host_check._format(plugin) for plugin in formats().values()]
    absent = [tool for tool in tools if any(why.package for why in tool.missing)]
    assert "tensorrt" in {tool.name for tool in absent}  # which is converted from onnx, and that is here
    assert all(tool.version is None for tool in absent)


def test_what_is_not_installed_is_one_line_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reszoo.core.missing.find_spec", lambda name: None)
    shown = reszoo("doctor").stdout
    assert re.search(r"^  –  openvino +pip install 'reszoo\[openvino\]'$", shown, re.MULTILINE)
    assert re.search(r"^  –  ethos-u +pip install 'reszoo\[ethos-u\]'$", shown, re.MULTILINE)
    assert re.search(r"^  –  torch +pip install 'reszoo\[torch\]'$", shown, re.MULTILINE)  # of cpu and of cuda
    assert "is not installed" not in shown


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A network whose first layer stays in float."""
    config = QuantizeConfig(images=32, calibration="minmax", keep_float=("stem.conv",))
    options = ExportOptions(precision="int8", quantize=config)
    return export(zoo.load(REF), "onnx", out=tmp_path_factory.mktemp("int8") / "made", options=options)


def test_an_artifact_is_told_where_its_time_goes_and_that_its_integers_are_right(int8: Artifact) -> None:
    done = reszoo("doctor", str(int8.path), "--batch", "64", "--images", "8")
    assert done.returncode == 0, done.stderr
    assert f"{REF}, onnx int8, on onnxruntime with --threads 1 --batch 64" in done.stdout
    assert re.search(r"QLinearConv +int8 +\d+\.\d% ", done.stdout)
    assert re.search(r"! +\d+\.\d% +1 of 10 convolutions and matrix products are computed in float", done.stdout)
    assert re.search(r"✓ +9 layers, [\d,]+ results on 8 images: all are exact", done.stdout)
    assert "certified for any CPU" in done.stdout


def test_an_artifact_in_json(int8: Artifact) -> None:
    done = CliRunner().invoke(app, ["doctor", str(int8.path), "--images", "4", "--threads", "2", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (found["threads"], found["batch"], found["precision"]) == (2, 1, "int8")
    assert {kernel["operator"] for kernel in found["kernels"]} >= {"QLinearConv", "QLinearAdd", "QGemm"}
    assert all(hint["advice"] for hint in found["hints"])
    assert found["check"]["images"] == 4
    assert found["check"]["wrong"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([REF], 2, f"{REF} is a checkpoint, not an artifact\nMake one: reszoo quantize {REF} --out FOLDER"),
        (["resnet8_v1.reszo_digits"], 2, "unknown checkpoint 'resnet8_v1.reszo_digits'\nDid you mean"),
        (["./nowhere"], 2, "there is no folder ./nowhere"),
        (["--threads", "2"], 2, "--threads is for an artifact\nName its folder"),
        (
            ["made", "--runtime", "torch"],
            2,
            "torch does not run the format onnx\nChoose a --runtime that does: ",
        ),
        (["damaged"], 1, "model.onnx is damaged"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_mistake_gets_its_reason_and_its_fix(
    arguments: list[str], code: int, reason: str, int8: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in {"made", "damaged"} & set(arguments):
        shutil.copytree(int8.path, name)
    if "damaged" in arguments:
        Path("damaged/model.onnx").write_bytes(b"")
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert isinstance(done.exception, ReszooError)
    assert done.exception.exit_code == code
    assert reason in spelled(str(done.exception))
    assert done.stdout == ""
