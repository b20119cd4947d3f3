"""An extra brings its engine and nothing else; where one is missing, every table says which, and how to get it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.metadata import Metadata

REF = "resnet8_v1.reszoo_digits"
BLINKERS = Path(__file__).parents[1] / "support" / "blinkers"
# What each extra's engine is imported as.
MODULES = {
    "openvino": ("openvino",),
    "litert": ("litert_torch", "ai_edge_litert"),
    "executorch": ("executorch",),
    "ncnn": ("ncnn", "pnnx"),
    "coreml": ("coremltools",),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx",),
}
IN_THE_CORE = {"onnxruntime", "onnx", "ort", "torch"}


def without(extras: set[str], *arguments: str, cwd: Path) -> Any:
    """The JSON that a verb prints in a process to which the engines of these extras are not installed."""
    hidden = ",".join(module for extra in extras for module in MODULES[extra])
    path = os.pathsep.join(filter(None, [str(BLINKERS), os.environ.get("PYTHONPATH")]))
    command = [str(Path(sys.executable).with_name("reszoo")), *arguments, "--json"]
    environment = os.environ | {"PYTHONPATH": path, "HIDDEN_MODULES": hidden}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def install(extra: str) -> str:
    return f"pip install 'reszoo[{extra}]'"


def test_an_extra_brings_one_engine(metadata: Metadata) -> None:
    brought = {str(extra): set() for extra in metadata.provides_extra or []}
    for requirement in metadata.requires_dist or []:
        for extra, names in brought.items():
            if requirement.marker and requirement.marker.evaluate({"extra": extra}):
                names.add(requirement.name)
    assert brought["openvino"] == {"openvino"}
    assert brought["litert"] == {"litert-torch", "ai-edge-litert"}
    assert brought["executorch"] == {"executorch"}
    assert brought["ncnn"] == {"ncnn", "pnnx"}
    assert brought["coreml"] == {"coremltools"}
    assert brought.keys() >= MODULES.keys()
    core = {requirement.name for requirement in metadata.requires_dist or [] if not requirement.marker}
    assert core.isdisjoint(name for extra in MODULES for name in brought[extra])


def test_with_openvino_alone_there_is_openvino_and_for_every_other_its_command(tmp_path: Path) -> None:
    others = MODULES.keys() - {"openvino"}
    found = without(others, "doctor", cwd=tmp_path)
    for tools in (found["runtimes"], found["formats"]):
        assert {tool["name"] for tool in tools if tool["works"]} == {tool["name"] for tool in tools} - others
    for tool in found["formats"]:
        assert tool["works"] or [why["fix"] for why in tool["missing"]] == [install(tool["name"])]

    rows = without(others, "export", REF, "--to", "all", cwd=tmp_path)
    made = {row["format"] for row in rows if row["kind"] == "artifact"}
    assert made == {"onnx", "ort", "torch", "openvino"}
    assert {row["format"]: row["fix"] for row in rows if row["kind"] != "artifact"} == {
        extra: install(extra) for extra in others
    }


def test_with_two_extras_uninstalled_exactly_these_are_missing(tmp_path: Path) -> None:
    gone = {"litert", "ncnn"}
    before, after = without(set(), "doctor", cwd=tmp_path), without(gone, "doctor", cwd=tmp_path)
    for kind in ("runtimes", "formats"):
        working = [{tool["name"] for tool in found[kind] if tool["works"]} for found in (before, after)]
        assert working[0] - working[1] == gone & working[0]
    fixes = {tool["name"]: tool["missing"][0]["fix"] for tool in after["runtimes"] if tool["name"] in gone}
    assert fixes == {extra: install(extra) for extra in gone}
