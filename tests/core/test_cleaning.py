"""What comes from outside cannot steer a terminal, become a formula, or carry a password on."""

import csv
import io

import pytest

from reszoo.cli import output
from reszoo.core.cleaning import for_csv, for_terminal, public

NASTY = "\x1b[31mred\x1b]0;title\x07\u202eevil\x9b1m\rover\udcff"


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    assert for_terminal(NASTY) == "�[31mred�]0;title��evil�1m�over�"
    assert for_terminal("café\tПривет 中文 naïve\n") == "café\tПривет 中文 naïve\n"


@pytest.mark.parametrize("is_error", [False, True], ids=["output", "error"])
def test_what_is_printed_is_cleaned(is_error: bool, capsys: pytest.CaptureFixture[str]) -> None:
    output.console.cache_clear()
    output.err_console.cache_clear()
    console = output.err_console() if is_error else output.console()
    table = output.table("class", "of")
    table.add_row(NASTY, NASTY)
    console.print(table)
    console.print(f"a name: {NASTY}", markup=False)
    said = "".join(capsys.readouterr())
    output.console.cache_clear()
    output.err_console.cache_clear()
    assert said.count("red") == 3
    assert not set(said) & set("\x1b\x07\u202e\x9b\r\udcff")


@pytest.mark.parametrize("text", ['=HYPERLINK("http://a")', "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert for_csv(text).startswith("'")
    file = io.StringIO()
    csv.writer(file).writerow([for_csv(text)])
    assert "\r=" not in file.getvalue()
    assert for_csv("tabby cat, 1-2 = 3") == "tabby cat, 1-2 = 3"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://user:pass@host:8443/a/b.pth?token=secret#x", "https://host:8443/a/b.pth"),
        ("http://user@host/@scope/w.pth", "http://host/@scope/w.pth"),
        ("https://host/w.pth", "https://host/w.pth"),
        ("hf://owner/repo@main/file", "hf://owner/repo@main/file"),
        ("file:///srv/mirror", "file:///srv/mirror"),
    ],
)
def test_an_address_is_told_without_who_asks(url: str, said: str) -> None:
    assert public(url) == said
