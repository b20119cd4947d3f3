"""Texts from below name arguments and calls as Python has them; here they become what one types in a terminal.

`out` becomes --out, `batch=8` --batch 8, `measure=False` --no-measure, and `export(REF, to=onnx)` becomes
`reszoo export REF --to onnx`. What is neither an option of any verb nor a call of one stays as it is.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from typer import Typer
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

ARGUMENT = re.compile(r"`(\w+)(?:=([^`]*))?`")
CALL = re.compile(r"`([\w.]+)\(([^`]*)\)`")
OPTIONS = {"changes": "set", "init": "from", "max_ratio": "fail_if_slower"}  # which have other names
VERBS = {
    "datasets.add": "data add",
    "datasets.get": "data get",
    "import_checkpoint": "import",
}  # whose calls have other names


def spelled(text: str) -> str:
    """The text as the command line says it."""
    return ARGUMENT.sub(lambda match: _argument(match) or match[0], CALL.sub(_call, text))


_apps: list[Typer] = []


def use(app: Typer) -> None:
    """The command line whose verbs and options are meant."""
    _apps[:] = [app]
    _verbs.cache_clear()


@cache
def _verbs() -> dict[str, dict[str, TyperOption]]:
    """The options of every verb, by the names of their parameters."""
    return dict(verb for app in _apps for verb in _commands(get_command(app), ()))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, TyperOption]]]:
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
    options = (parameter for parameter in command.params if isinstance(parameter, TyperOption))
    yield " ".join(path), {str(option.name).rstrip("_"): option for option in options}


def _call(match: "re.Match[str]") -> str:
    verb = VERBS.get(match[1], match[1])
    if verb not in _verbs():
        return match[0]
    words = [_word(argument, _verbs()[verb]) for argument in match[2].split(", ") if argument]
    return f"`{' '.join(['reszoo', verb, *words])}`"


def _word(argument: str, options: dict[str, TyperOption]) -> str:
    name, _, value = argument.partition("=")
    return _typed(options[name], value) if value and name in options else argument


def _argument(match: "re.Match[str]") -> str | None:
    name = OPTIONS.get(match[1], match[1])
    options = (options[name] for options in _verbs().values() if name in options)
    return next((_typed(option, match[2]) for option in options), None)


def _typed(option: TyperOption, value: str | None) -> str:
    yes = max(option.opts, key=len)
    if value == "False":
        return max(option.secondary_opts, key=len) if option.secondary_opts else f"no {yes}"
    return yes if value in (None, "True") else f"{yes} {value}"
