"""What every verb prints with."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.numpy import load_file

from reszoo import zoo
from reszoo.cli import output


def test_the_cells_of_a_table_are_text() -> None:
    """A class of an image folder may be called "[other]", which would be markup, and "[/x]" broken markup."""
    table = output.table("class", "n", right=("n",))
    table.add_row("[other]", "1")
    table.add_row("[/x]", "2")
    console = Console(width=40)
    with console.capture() as capture:
        console.print(table)
    assert "[other]" in capture.get()
    assert "[/x]" in capture.get()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("noted", []),
        ("not noted", ["Its name could not be noted in the cache: name the folder."]),
        ("taken", ["Another checkpoint has that name, too: name the folder."]),
    ],
)
def test_a_checkpoint_whose_name_does_not_do_is_called_by_its_folder_and_why(
    how: str, says: list[str], tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = zoo.load("resnet8_v1.reszoo_digits")
    fields = {name: getattr(good, name) for name in ("spec", "preprocess", "labels", "dataset", "licence")}
    ref = good.ref if how == "taken" else "resnet8_v1.mine"
    state = load_file(good.weights_path)
    made = zoo.save(tmp_path / "made", state, ref=ref, metrics=(), provenance=(), **fields)
    if how == "not noted":
        cache.parent.mkdir(exist_ok=True)
        cache.write_text("a file, in which no folder can be made")
    zoo.remember(made)
    output.console.cache_clear()
    output.tell_checkpoint(made)
    assert capsys.readouterr().out.splitlines()[1:] == says


def test_nothing_prints_markup() -> None:
    command = [str(Path(sys.executable).with_name("reszoo")), "show", "resnet8_v1.reszoo_digits", "--layers"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert not re.search(r"\[/?[a-z]+\]", shown)
    assert "parameters" in shown
