"""Tables and texts in narrow terminals: no word is broken, and what is left out is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from inprocess import reszoo
from measurements import a_measurement, a_zoo
from rich.console import Console

from reszoo.cli import bench, output

REF = "resnet20_v1.akamaster_cifar10"
PATH = "/home/somebody/experiments/2026-11-29/resnet20_v1.akamaster_cifar10-onnx-int8"


@pytest.fixture(params=[80, 40])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of the terminal; both consoles look at it once."""
    monkeypatch.setattr(output, "_width", lambda file: request.param)
    for console in (output.console, output.err_console):
        console.cache_clear()
    yield request.param
    for console in (output.console, output.err_console):
        console.cache_clear()


def shown(table: object, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table, crop=False)
    return capture.get()


def fits(text: str, width: int) -> bool:
    """But for words that are longer than a line."""
    return all(len(line.rstrip()) <= width or len(line.split()[-1]) > 30 for line in text.splitlines())


def test_sentences_wrap_first_and_figures_stay_with_their_units() -> None:
    table = output.table("name", "size", "why", right=("size",))
    table.add_row(REF, "12.3 MB", "the format has no such precision, and nothing else was asked for")
    text = shown(table, 60)
    assert fits(text, 60)
    assert REF in text
    assert "12.3 MB" in text
    assert "\u2500" in text  # it is a table still


def test_optional_columns_go_before_the_table_becomes_a_list_and_that_is_said() -> None:
    table = output.table("ref", "licence", "params", "here", right=("params",), optional=("licence", "params"))
    table.add_row(REF, "BSD-2-Clause", "270 k", "downloaded")
    text = shown(table, 56)
    assert 'left out at this width: "licence"' in text
    assert text.count("270 k") == 1
    header = text.splitlines()[1].split()
    assert header == ["ref", "params", "here"]
    assert 'left out at this width: "licence", "params"' in shown(table, 48)
    assert "params   270 k" in shown(table, 30)  # all of them, below each other


def test_a_path_that_is_longer_than_a_line_stays_in_one_piece() -> None:
    table = output.table("artifact", "bytes")
    table.add_row(PATH, "12.3 MB")
    assert PATH in shown(table, 40).splitlines()
    console = output._spelling()(width=40)
    with console.capture() as capture:
        console.print(f"it is in {PATH}, and can be copied from there", markup=False)
    assert f"{PATH}," in capture.get().splitlines()


def test_a_measurement_is_a_row_at_80_columns(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [{"threads": threads, "batch": batch} for threads in (1, 2) for batch in (1, 32)]
    bench._print([a_measurement(**setting) for setting in settings])
    bench._print(a_zoo()[:1])
    text = capsys.readouterr().out
    assert fits(text, width)
    assert ('left out at this width: "tail"' in text) == (width == 80)
    assert f"{REF}, ms a batch, threads 1, batch 1" in " ".join(text.split())


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--arch", "resnet*"], ["show", REF, "--layers"], ["data", "list"], ["doctor"]]
)
def test_no_word_is_broken(command: list[str], width: int, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word of the narrow output is one of the wide output."""
    monkeypatch.setattr("reszoo.bench.host_check.WATCH_S", 0.0)
    narrow = reszoo(*command).stdout.replace("\u2500", "")
    monkeypatch.setattr(output, "_width", lambda file: 10_000)
    output.console.cache_clear()
    wide = reszoo(*command).stdout
    assert fits(narrow, width)
    loads = {word for word in narrow.split() if word.replace(".", "").isdecimal()}  # what goes on now is told as well
    extra = {"left", "out", "at", "this", "width:"}
    assert words(narrow) <= words(wide) | extra | loads


def words(text: str) -> set[str]:
    return {word.strip('",') for word in text.split()}


def test_an_error_wraps_at_words(width: int) -> None:
    console = output.err_console()
    assert console.width == width
    with console.capture() as capture:
        console.print("the format torch has no precision int8, and that was asked for. " * 3, markup=False)
    assert fits(capture.get(), width)
    assert "precision" in capture.get().split()
