"""The command line as a whole: help, start-up, exit codes, and errors that say what to do."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from inprocess import reszoo

from reszoo.cli import verbs as verbs_

VERBS = [
    ["list"],
    ["show"],
    ["download"],
    ["import"],
    ["evaluate"],
    ["cache"],
    ["cache", "list"],
    ["cache", "path"],
    ["cache", "verify"],
    ["cache", "gc"],
    ["data"],
    ["data", "get"],
    ["data", "add"],
    ["data", "list"],
    ["train"],
    ["prune"],
    ["export"],
    ["predict"],
    ["bench"],
    ["compare"],
    ["report"],
    ["optimize"],
    ["verify"],
    ["doctor"],
    ["quantize"],
    ["study"],
    ["target"],
    ["target", "clean"],
    ["serve"],
    ["view"],
    ["push"],
    ["sbom"],
    ["sign"],
]
# Root reads and writes what nobody may, unless it gives that up.
GIVEN_UP = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
HEAVY = ("torch", "numpy", "onnx", "onnxruntime", "torchvision", "sklearn")


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("reszoo")), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def imported_by(*arguments: str, among: tuple[str, ...] = HEAVY) -> set[str]:
    """The modules, of those, that a verb has imported when it ends: the heavy ones if nothing else is asked for."""
    program = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('IMPORTED', *[m for m in {among} if m in sys.modules]))\n"
        "from reszoo.cli.main import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["show", "resnet20_v1"], 0), (["list", "resnt20*"], 2), (["frobnicate"], 2), (["show", "./nowhere"], 2)],
    ids=str,
)
def test_a_verb_ends_in_this_process_as_in_one_of_its_own(arguments: list[str], code: int) -> None:
    """So that the other tests need not start one."""
    here, there = reszoo(*arguments), process(*arguments)
    assert there.returncode == code
    assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)


def test_a_verb_imports_no_other() -> None:
    verbs = tuple(f"reszoo.cli.{place.split('.')[0]}" for place in verbs_.VERBS.values())
    assert imported_by("show", "resnet20_v1", among=verbs) == {"reszoo.cli.show"}


@pytest.mark.skipif(bool(GIVEN_UP) and not shutil.which("setpriv"), reason="root reads everything, without setpriv")
@pytest.mark.parametrize(
    "verb",
    [["data", "list"], ["cache", "list"], ["cache", "gc"], ["show", "resnet20_v1.akamaster_cifar10"]],
    ids=" ".join,
)
def test_a_cache_that_cannot_be_read_is_named(tmp_path: Path, verb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0)
    monkeypatch.setenv("RESZOO_CACHE", str(home / "reszoo"))
    command = [*GIVEN_UP, sys.executable, "-m", "reszoo.cli.main", *verb]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.match(rf"error: cannot .* {home}/.*: Permission denied\n.*RESZOO_CACHE", done.stderr), done.stderr


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_answers_help_with_an_example(verb: list[str]) -> None:
    done = reszoo(*verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: reszoo" in " ".join(done.stdout.split())
    if verb not in (["cache"], ["data"], ["target"]):
        assert f"Example: reszoo {' '.join(verb)}" in " ".join(done.stdout.split())


def test_every_verb_is_in_the_list_above() -> None:
    shown = reszoo("--help").stdout
    commands = re.findall(r"^│ (\w+) +\w", shown.split("Commands")[1], re.MULTILINE)
    assert set(commands) == {verb[0] for verb in VERBS}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list"], ["list", "--json"], ["show", "resnet20_v1"], ["--version"], ["export", "--help"]],
)
def test_light_verbs_import_nothing_heavy(arguments: list[str]) -> None:
    assert imported_by(*arguments) == set()


def test_the_detector_of_heavy_imports_works() -> None:
    assert "torch" in imported_by("doctor")


def test_list_filters_and_says_what_is_here() -> None:
    rows = json.loads(reszoo("list", "*digits", "resnet50_v2*", "--json").stdout)
    assert [row["ref"] for row in rows] == [
        "resnet8_v1.reszoo_digits",
        "resnet8_v2.reszoo_digits",
        "resnet50_v2.timm_a1h_in1k",
    ]
    assert [row["where"] for row in rows] == ["bundled", "bundled", ""]


def test_show_gives_the_published_cost_layer_by_layer() -> None:
    shown = json.loads(reszoo("show", "resnet20_v1.chenyaofo_cifar10", "--json").stdout)
    assert shown["cost"]["macs"] == pytest.approx(40.81e6, rel=1e-3)
    assert shown["source"]["accuracy"]["value"] == 0.926
    table = reszoo("show", "resnet8_v2.reszoo_digits", "--layers").stdout
    assert "stages.2.0.convs.1" in table
    assert "train" in table  # the provenance


# (arguments, exit code, what the one line of reason says, what the fix says)
MISTAKES = [
    (["show", "resnet21_v1"], 2, "no residual network has depth 21", r"6n\+2"),
    (["show", "resnet20_v9"], 2, "unknown architecture 'resnet20_v9'", "resnet20_v2"),
    (["show", "resnet*.akamaster_cifar10"], 2, "matches 6 checkpoints", "Choose one"),
    (["list", "resnt20*"], 2, "unknown checkpoint 'resnt20*'", "Did you mean|Known"),
    (["export", "resnet8_v1.reszoo_digit"], 2, "unknown checkpoint", "resnet8_v1.reszoo_digits"),
    (["export", "resnet8_v1.reszoo_digits", "--to", "onx"], 2, "unknown format 'onx'", "onnx"),
    (["export", "resnet8_v1.reszoo_digits", "--opset", "5"], 2, "opset 5", "18 to 25"),
    (["export", "resnet8_v1.reszoo_digits", "--batch", "zero"], 2, "--batch 'zero'", "dynamic"),
    (["export", "*digits", "--out", "x"], 2, "2 checkpoints match", "Leave --out away"),
    (["export", "./nowhere"], 2, "no folder ./nowhere", "Give"),
    (["bench", "resnet8_v1.reszoo_digits", "--runtime", "onnxruntim"], 2, "unknown runtime", "onnxruntime"),
    (["bench", "resnet8_v1.reszoo_digits", "--runtime", "torch:fast"], 2, "no variant 'fast'", "torch:compile"),
    (["bench", "resnet8_v1.reszoo_digits", "--threads", "0"], 2, "--threads '0'", "--threads 1,32"),
    (["bench", "resnet8_v1.reszoo_digits", "--accuracy", "cifar10"], 3, "not on this machine", "reszoo data get"),
    (["bench", "resnet8_v1.reszoo_digits", "--device", "tpu"], 2, "tpu", "cuda"),
    (["download", "resnet20_v1.akamaster_cifar10", "--offline"], 3, "RESZOO_OFFLINE forbids", "leave --offline away"),
    (["train", "resnet8_v1", "--data", "nothing", "--recipe", "digits"], 2, "unknown data set", "data add|data get"),
    (["frobnicate"], 2, "frobnicate", "--help|help"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "reason", "fix"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_a_mistake_gets_its_reason_its_fix_and_its_exit_code(
    arguments: list[str], code: int, reason: str, fix: str, tmp_path: Path
) -> None:
    done = reszoo(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert reason in done.stderr
    assert re.search(fix, done.stderr)
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


def test_debug_shows_where_it_went_wrong() -> None:
    done = process("--debug", "show", "resnet21_v1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = reszoo("export", "resnet8_v1.reszoo_digits", "--out", str(tmp_path / "file" / "made"))
    assert done.returncode == 1
    assert "is a file, not a folder" in done.stderr
