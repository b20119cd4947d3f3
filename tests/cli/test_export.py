"""`reszoo export` to several formats: each is tried, and told."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reszoo.cli import export as verb
from reszoo.cli.main import app
from reszoo.core.errors import ReszooError
from reszoo.export import artifacts
from reszoo.export.contract.format import formats

REF = "resnet8_v1.reszoo_digits"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def reszoo_export(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", REF, *arguments])


def code(done: Result) -> int:
    return done.exception.exit_code if isinstance(done.exception, ReszooError) else done.exit_code


def breaks(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    def write(*_: object) -> None:
        raise error

    monkeypatch.setattr(formats()[name], "write", write)


def hides(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    monkeypatch.setattr("reszoo.core.missing.find_spec", lambda name: None if name in hidden else find_spec(name))


def test_several_formats_go_into_one_folder() -> None:
    done = reszoo_export("--to", "torch,onnx", "--out", "made", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["kind"], row["format"], row["precision"]) for row in rows] == [
        ("artifact", "torch", "fp32"),
        ("artifact", "onnx", "fp32"),
    ]
    assert all(row["seconds"] > 0 and row["parity"]["n"] == 256 for row in rows)
    assert {path.name for path in Path("made").iterdir()} == {f"{REF}-torch-fp32", f"{REF}-onnx-fp32"}
    assert [str(artifacts.read(Path(row["path"])).path) for row in rows] == [row["path"] for row in rows]


def test_one_that_fails_does_not_end_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, "ort", RuntimeError("no such kernel\nat line 3"))
    hides(monkeypatch, "pnnx")
    done = reszoo_export("--to", "ncnn,ort,torch")
    assert code(done) == 1
    assert str(done.exception) == "1 of 3 exports failed"
    assert re.search(
        rf"{REF} as ncnn fp32 +the package pnnx is not installed +pip install 'reszoo\[ncnn\]'", done.stdout
    )
    assert re.search(
        rf"{REF} as ort fp32 +unexpected RuntimeError: no such kernel +`reszoo --debug export", done.stdout
    )
    assert re.search(rf"{REF}-torch-fp32 +\d+\.\d kB +\d+\.\d ", done.stdout)
    assert sorted(path.name for path in Path().iterdir() if path.name != "cache") == [f"{REF}-torch-fp32"]


def test_an_interrupt_keeps_and_tells_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, "ort", KeyboardInterrupt())
    done = reszoo_export("--to", "torch,ort,onnx", "--out", "made")
    assert done.exit_code != 0
    assert f"{REF}-torch-fp32" in done.stdout
    assert [path.name for path in Path("made").iterdir()] == [f"{REF}-torch-fp32"]


def test_a_format_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    hides(monkeypatch, "pnnx", "litert_torch")
    done = reszoo_export("--to", "torch, ncnn")
    assert code(done) == 3
    assert str(done.exception) == "1 of 2 exports cannot be made here"
    assert f"{REF}-torch-fp32" in done.stdout
    done = reszoo_export("--to", "litert,ncnn", "--json")
    assert code(done) == 3
    assert [(row["kind"], row["fix"]) for row in json.loads(done.stdout)] == [
        ("unavailable", "pip install 'reszoo[litert]'"),
        ("unavailable", "pip install 'reszoo[ncnn]'"),
    ]


def test_a_failed_export_in_json_has_its_reason_and_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, "torch", ReszooError("it is broken", "Mend it."))
    done = reszoo_export("--to", "torch,onnx", "--json")
    assert code(done) == 1
    failed, made = json.loads(done.stdout)
    assert (failed["kind"], failed["reason"], failed["fix"]) == ("failure", "it is broken", "Mend it.")
    assert made["kind"] == "artifact"


def test_of_all_formats_those_without_a_precision_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    some = {name: formats()[name] for name in ("onnx", "torch")}
    monkeypatch.setattr("reszoo.export.contract.format.formats", lambda: some)
    monkeypatch.setattr("reszoo.export.attempts.formats", lambda: some)
    done = reszoo_export("--to", "all", "--precision", "fp16", "--json")
    assert code(done) == 0
    made, other = json.loads(done.stdout)
    assert (made["format"], made["precision"]) == ("onnx", "fp16")
    assert other["reason"] == "format torch has no precision fp16"


def test_of_several_one_that_refuses_the_options_does_not_end_the_rest() -> None:
    done = reszoo_export("--to", "torch,onnx", "--input", "uint8", "--out", "made", "--json")
    assert code(done) == 3
    assert str(done.exception) == "1 of 2 exports cannot be made here"
    refused, made = json.loads(done.stdout)
    assert (refused["kind"], refused["format"]) == ("unavailable", "torch")
    assert (refused["reason"], refused["fix"]) == ("format torch has no uint8 input", "It has float.")
    assert (made["kind"], made["input"]["dtype"]) == ("artifact", "uint8")
    done = reszoo_export("--to", "torch", "--precision", "fp32,fp16", "--out", "made")
    assert code(done) == 3
    assert re.search(rf"{REF} as torch fp16 +format torch has no precision fp16 +It has fp32\.", done.stdout)


MISTAKES: list[tuple[list[str], int, str]] = [
    (["--to", "onnx,onx"], 2, "unknown format 'onx'"),
    (["--to", "executorch", "--input", "uint8"], 2, "format executorch has no uint8 input\nIt has float."),
    (["--precision", "fp32,fp9"], 2, "unknown precision 'fp9'\nChoose from fp32, fp16"),
    (["--to", "ort", "--precision", "fp16"], 2, "format ort has no precision fp16"),
    (["--batch", "1:64"], 2, "--batch '1:64' is no range of batch sizes\nWrite --batch MIN:OPT:MAX"),
]


@pytest.mark.parametrize(("arguments", "exit_code", "reason"), MISTAKES, ids=str)
def test_what_is_named_must_be_possible(arguments: list[str], exit_code: int, reason: str) -> None:
    done = reszoo_export(*arguments, "--out", "made")
    assert code(done) == exit_code
    assert reason in str(done.exception)
    assert not Path("made").exists()


def test_the_help_lists_every_format() -> None:
    """By its file, as no plug-in is imported for it."""
    assert sorted(formats()) == verb.FORMATS


def test_one_alone_fails_as_the_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, "torch", ReszooError("it is broken", "Mend it."))
    done: Any = reszoo_export("--to", "torch")
    assert str(done.exception) == "it is broken\nMend it."
    assert done.stdout == ""
