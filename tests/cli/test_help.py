"""What `--help` says: every option something of its own, in panels that say what it is about."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from inprocess import reszoo
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from reszoo.cli.main import app
from reszoo.cli.spelling import spelled

SEVERAL = 8  # options that need no panels


def verbs(command: Any = None, path: str = "") -> Iterator[tuple[str, list[TyperOption]]]:
    command = command or get_command(app)
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from verbs(inner, f"{path} {name}".strip())
    elif path:
        yield path, [parameter for parameter in command.params if isinstance(parameter, TyperOption)]


VERBS = dict(verbs())


@pytest.mark.parametrize("verb", VERBS)
def test_no_two_options_have_the_same_help(verb: str) -> None:
    said = Counter(option.help for option in VERBS[verb])
    assert [text for text, times in said.items() if times > 1 or not text] == []


@pytest.mark.parametrize("verb", [verb for verb, options in VERBS.items() if len(options) > SEVERAL])
def test_many_options_stand_in_panels(verb: str) -> None:
    without = [option.name for option in VERBS[verb] if not option.rich_help_panel and option.name != "help"]
    assert without == []


def test_paragraphs_are_whole_at_any_width() -> None:
    def texts(command: Any) -> Iterator[str]:
        yield command.help or ""
        for inner in getattr(command, "commands", {}).values():
            yield from texts(inner)

    command = get_command(app)
    assert isinstance(command, TyperGroup)
    said = [text for name in command.commands for text in texts(command.commands[name])]
    assert len(said) > 20
    assert [text for text in said if "\n" in text.replace("\n\n", "")] == []


def test_the_longest_help_fits_two_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    for verb in VERBS:
        assert len(reszoo(*verb.split(), "--help").stdout.splitlines()) <= 90, verb


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Choose another `out`.", "Choose another --out."),
        ("Leave `measure=False` away.", "Leave --no-measure away."),
        ("Try `blocks=True`, or `round_to=16`.", "Try --blocks, or --round-to 16."),
        ("Export it: `export(REF, to=onnx, out=FOLDER)`.", "Export it: `reszoo export REF --to onnx --out FOLDER`."),
        ("`datasets.add(flowers, PATH..., replace=True)`", "`reszoo data add flowers PATH... --replace`"),
        ("`reszoo list` and `min_samples` stay.", "`reszoo list` and `min_samples` stay."),
    ],
)
def test_arguments_are_spelled_as_options(text: str, typed: str) -> None:
    assert spelled(text) == typed


def test_no_message_from_below_names_an_option_that_there_is_not() -> None:
    """The names in backticks with a value are arguments of a verb, or it could not be spelled."""
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    known = {str(option.name).rstrip("_") for options in VERBS.values() for option in options}
    folders = (
        "core",
        "datasets",
        "training",
        "prune",
        "quantize",
        "export",
        "bench",
        "reporting",
        "studies",
        "workflows",
    )
    for file in (path for folder in folders for path in (root / folder).rglob("*.py")):
        named = re.findall(r"`(\w+)=(?!None)[^`\n]*`", re.sub(r'"""(?s:.*?)"""', "", file.read_text()))
        arguments = {name for name in named if not name.isupper()}  # the others are of the environment
        assert arguments - known - {"name"} == set(), file
