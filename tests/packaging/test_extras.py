"""An extra brings its engine and nothing else; where one is missing, every table says which, and how to get it."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from extras import MADE_FROM, MODULES
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reszoo.quantize.contract import schemes

REF = "resnet8_v1.reszoo_digits"
BLINKERS = Path(__file__).parents[1] / "support" / "blinkers"
# What each extra names in pyproject.toml.
PACKAGES = {
    "openvino": {"openvino"},
    "nncf": {"nncf"},
    "litert": {"litert-torch", "ai-edge-litert"},
    "executorch": {"executorch"},
    "ncnn": {"ncnn", "pnnx"},
    "mnn": {"mnn"},
    "tflite-micro": {"reszoo", "tflite-micro"},
    "ethos-u": {"reszoo", "ethos-u-vela"},
    "coreml": {"coremltools"},
    "tensorrt": {"tensorrt"},
    "tensorrt-rtx": {"tensorrt-rtx-cu13"},
}
# What an engine's own makers have it bring of the others.
UNASKED = {"executorch": {"coremltools"}}


def without(extras: set[str], *arguments: str, cwd: Path) -> Any:
    """The JSON that a verb prints in a process to which the engines of these extras are not installed."""
    hidden = ",".join(module for extra in extras for module in MODULES[extra])
    path = os.pathsep.join(filter(None, [str(BLINKERS), os.environ.get("PYTHONPATH")]))
    command = [str(Path(sys.executable).with_name("reszoo")), *arguments, "--json"]
    environment = os.environ | {"PYTHONPATH": path, "HIDDEN_MODULES": hidden}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def extra_of(tool: str) -> str:
    """The extra that brings this format or runtime: nearly always the one of its own name."""
    return {"web-litert": "litert"}.get(tool, tool)


def install(extra: str) -> str:
    return f"pip install 'reszoo[{extra}]'"


def required_by(extra: str, metadata: Metadata) -> list[Requirement]:
    """What this extra adds."""
    requirements = metadata.requires_dist or []
    return [each for each in requirements if each.marker and each.marker.evaluate({"extra": extra})]


def follow(name: str, extra: str, reached: set[tuple[str, str]]) -> None:
    """Add this package, with this extra of it, and all that it brings, where they are installed."""
    try:
        wanted = [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return
    reached.add((name, extra))
    for each in wanted:
        if not each.marker or each.marker.evaluate({"extra": extra}):
            brought = {(str(canonicalize_name(each.name)), of_it) for of_it in ("", *each.extras)}
            for pair in brought - reached:
                follow(*pair, reached)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the doctor says of this environment as it is."""
    return without(set(), "doctor", cwd=tmp_path_factory.mktemp("here"))


def working(found: Any) -> dict[str, set[str]]:
    return {kind: {tool["name"] for tool in found[kind] if tool["works"]} for kind in ("runtimes", "formats")}


def test_an_extra_brings_one_engine(metadata: Metadata) -> None:
    brought: dict[str, set[str]] = {
        extra: {requirement.name for requirement in required_by(extra, metadata)} for extra in PACKAGES
    }
    assert brought == PACKAGES
    core = {requirement.name for requirement in metadata.requires_dist or [] if not requirement.marker}
    assert core.isdisjoint(set.union(*PACKAGES.values()))


@pytest.mark.parametrize("extra", PACKAGES)
def test_what_an_engine_itself_requires_is_no_other_engine(extra: str) -> None:
    reached: set[tuple[str, str]] = set()
    for name in PACKAGES[extra]:
        follow(name, "", reached)
    if not reached:
        pytest.skip(f"the extra {extra} is not installed")
    others = set.union(*PACKAGES.values()) - PACKAGES[extra]
    assert others & {name for name, _ in reached} == UNASKED.get(extra, set())


@pytest.mark.skipif(os.environ.get("RESZOO_TEST_EXTRAS") != "all", reason="RESZOO_TEST_EXTRAS is not all")
def test_where_every_extra_is_to_be_tested_none_is_missing_or_broken(metadata: Metadata, here: Any) -> None:
    """Else an engine that cannot be imported any more would have all its tests skipped, and nobody would know."""
    everything = {extra for requirement in required_by("all", metadata) for extra in requirement.extras}
    tools = [tool for tool in here["runtimes"] + here["formats"] if tool["name"] in everything]
    fixes = {why["fix"] for tool in tools for why in tool["missing"]}
    fixes |= {missing.fix for scheme in schemes().values() if (missing := scheme.unavailable())}
    assert not {fix for fix in fixes if fix.startswith("pip install")}


@pytest.mark.long
def test_with_openvino_alone_there_is_openvino_and_for_every_other_its_command(here: Any, tmp_path: Path) -> None:
    others = MODULES.keys() - {"openvino"}
    found = without(others, "doctor", cwd=tmp_path)
    left = {kind: {name for name in names if extra_of(name) not in others} for kind, names in working(here).items()}
    assert working(found) == left
    of_others = [tool for tool in found["formats"] if extra_of(tool["name"]) in others]
    fixes = {tool["name"]: install(extra_of(tool["name"])) for tool in of_others}
    assert {tool["name"]: [why["fix"] for why in tool["missing"]] for tool in of_others} == {
        name: [fix] for name, fix in fixes.items()
    }

    rows = without(others, "export", REF, "--to", "all", cwd=tmp_path)
    assert {row["format"] for row in rows if row["kind"] == "artifact"} == left["formats"]
    assert fixes.items() <= {row["format"]: row["fix"] for row in rows if row["kind"] != "artifact"}.items()


def test_with_two_extras_uninstalled_exactly_these_are_missing(here: Any, tmp_path: Path) -> None:
    before = working(here)
    alone = MODULES.keys() - MADE_FROM.values()
    gone = set(sorted(alone & before["runtimes"] & before["formats"])[:2])
    if len(gone) < 2:
        pytest.skip("fewer than two engines of extras are installed")
    after = without(gone, "doctor", cwd=tmp_path)
    for kind, names in working(after).items():
        assert before[kind] - names == gone
    fixes = {tool["name"]: tool["missing"][0]["fix"] for tool in after["runtimes"] if tool["name"] in gone}
    assert fixes == {extra: install(extra) for extra in gone}
