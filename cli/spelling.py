"""Arguments as Python writes them, in errors from below, become the options of the verb that was called.

`out` becomes --out, `batch=8` --batch 8, `measure=False` --no-measure; what is no option of the verb stays as it is.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperGroup, TyperOption

ARGUMENT = re.compile(r"`(\w+)(?:=([^`]*))?`")


def command_of(words: Sequence[str], command: Any) -> Any:
    """The verb that a command line calls: `data add` is below `data`."""
    for word in words:
        if isinstance(command, TyperGroup) and word in command.commands:
            command = command.commands[word]
    return command


def spelled(text: str, command: Any) -> str:
    """The text with the arguments that are options of this command as one types them."""
    options = dict(_options(command))
    return ARGUMENT.sub(lambda match: _spelled(match, options.get(match[1])), text)


def _options(command: Any) -> Iterator[tuple[str, TyperOption]]:
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and parameter.name:
            yield parameter.name.rstrip("_"), parameter


def _spelled(match: "re.Match[str]", option: TyperOption | None) -> str:
    if option is None:
        return match[0]
    yes, value = max(option.opts, key=len), match[2]
    if value is None or value == "True":
        return yes
    if value == "False":
        return max(option.secondary_opts, key=len) if option.secondary_opts else f"no {yes}"
    return f"{yes} {value}"
