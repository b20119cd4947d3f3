"""What every verb prints with."""

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

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


def test_nothing_prints_markup() -> None:
    command = [str(Path(sys.executable).with_name("reszoo")), "show", "resnet8_v1.reszoo_digits", "--layers"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert not re.search(r"\[/?[a-z]+\]", shown)
    assert "parameters" in shown
