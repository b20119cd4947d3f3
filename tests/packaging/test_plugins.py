"""A package of somebody else's: built, installed beside reszoo, and used as if its plug-ins were reszoo's own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from once import once
from PIL import Image

EXAMPLE = Path(__file__).parent / "example_plugins"
REF = "resnet8_v1.reszoo_digits"
PYTHON = """
from reszoo import export, models, zoo
from reszoo.core.types import Preprocess
from reszoo.models.cost import cost_of

spec = models.spec_of("example")
assert "example" in models.names() and spec.builder == "example"
assert cost_of(spec).macs == 8 * 9 * 8 * 8 + 80
made = zoo.save(
    "checkpoint", models.build(spec).state_dict(), ref="example.mine", spec=spec,
    preprocess=Preprocess(mean=(0.5,), std=(0.5,), input=spec.input), labels=tuple("0123456789"), dataset="digits",
    metrics=(), licence="MIT", provenance=(),
)
assert zoo.read("checkpoint").spec == spec
for name in ("onnx", "example"):
    artifact = export.export(made, name, out=f"mine-{name}")
    assert artifact.parity.top1_agreement == 1, artifact.parity
"""

COMMANDS = """
import sys
from reszoo.cli.main import app
for command in sys.argv[1:]:
    app(command.split(), standalone_mode=False)
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and what says that it is installed."""

    def make(folder: Path) -> None:
        source, wheels = folder / "source", folder / "wheels"
        shutil.copytree(EXAMPLE, source)
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(source)]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]
        for command in (build, lambda: [*install, str(folder / "installed"), *map(str, wheels.glob("*.whl"))]):
            words = command() if callable(command) else command
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "example-plugins", make) / "installed"


def python(target: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment)


def reszoo(target: Path, *arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = python(target, "-m", "reszoo.cli.main", *arguments, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done


def documents(target: Path, *commands: str, cwd: Path) -> list[Any]:
    """What each command prints with --json, all of them in one process, which imports the makers' libraries once."""
    done = python(target, "-c", COMMANDS, *(f"{command} --json" for command in commands), cwd=cwd)
    assert done.returncode == 0, done.stderr
    found, text = [], done.stdout
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:].lstrip("\n")
    return found


@pytest.mark.long
def test_a_broken_one_is_shown_and_breaks_nothing(target: Path, tmp_path: Path) -> None:
    assert REF in reszoo(target, "list", cwd=tmp_path).stdout
    found = json.loads(reszoo(target, "doctor", "--json", cwd=tmp_path).stdout)
    tools = {tool["name"]: tool for tool in found["runtimes"]}
    assert tools["example"]["works"]
    assert tools["example"]["version"] == "1.2.3"
    assert not tools["shattered"]["works"]
    (why,) = tools["shattered"]["missing"]
    assert why["reason"] == (
        "it cannot be imported: ImportError: the engine has another version (of the package reszoo-example)"
    )
    assert why["fix"] == "pip install --upgrade reszoo-example, or pip uninstall reszoo-example"
    assert found["host"]["versions"]["reszoo-example"] == "1.2.3"
    done = reszoo(target, "bench", REF, "--runtime", "shattered", cwd=tmp_path, code=3)
    assert "the engine has another version" in done.stderr


@pytest.mark.long
def test_format_runtime_and_scheme_on_the_command_line(target: Path, tmp_path: Path) -> None:
    Image.new("L", (8, 8), 128).save(tmp_path / "image.png")
    (row,), prediction, _, measured = documents(
        target,
        f"export {REF} --to example --out a",
        "predict a image.png",
        f"quantize {REF} --to example --scheme example --out b --no-measure",
        "bench a --runtime example --time-limit 1",
        cwd=tmp_path,
    )
    assert row["format"] == "example"
    assert prediction["runtime"] == "example"
    made = json.loads((tmp_path / "b" / "artifact.json").read_text())
    assert [step["config"]["scheme"] for step in made["provenance"] if step["name"] == "quantize"] == ["example"]
    assert measured


@pytest.mark.long
def test_architectures_on_the_command_line(target: Path, tmp_path: Path) -> None:
    train = "train {} --data digits --recipe digits --epochs 1 --out {}"
    shown, *_ = documents(
        target,
        "show example",
        train.format("example", "mine"),
        train.format("example14", "deeper"),
        "prune ./deeper --macs 0.5 --no-measure --out half",
        cwd=tmp_path,
    )
    assert shown["cost"]["params"] == 8 * 9 + 8 + 8 * 10 + 10
    refused = reszoo(target, "prune", "./mine", "--macs", "0.5", "--no-measure", cwd=tmp_path, code=3)
    assert "example is built by another package" in refused.stderr
    # without the package, what it made is told from what is damaged
    gone = reszoo(tmp_path, "export", "./mine", cwd=tmp_path, code=3)
    assert "no package that is installed brings the architecture example" in gone.stderr
    reszoo(tmp_path, "show", "./half", cwd=tmp_path)


@pytest.mark.long
def test_a_study_on_the_command_line(target: Path, tmp_path: Path) -> None:
    """In worker processes, too."""
    done = reszoo(target, "study", "example", "--scale", "smoke", "--out", "answer", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["findings"][0]["verdict"] == "supported"
    refused = reszoo(target, "study", "shattered", "--scale", "smoke", cwd=tmp_path, code=3)
    assert "the engine has another version" in refused.stderr


@pytest.mark.long
def test_architectures_in_python(target: Path, tmp_path: Path) -> None:
    done = python(target, "-c", PYTHON, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
