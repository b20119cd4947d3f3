"""Which verbs there are. A verb's module is imported when the verb is asked for: the others would cost every start."""

from collections import UserDict
from importlib import import_module
from inspect import cleandoc
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

VERBS = {  # in the order of `reszoo --help`, each a function of this package or a group of several verbs
    "list": "list.list_",
    "show": "show.show",
    "download": "download.download",
    "import": "import_.import_",
    "train": "train.train",
    "prune": "prune.prune",
    "export": "export.export",
    "quantize": "quantize.quantize",
    "predict": "predict.predict",
    "serve": "serve.serve",
    "evaluate": "evaluate.evaluate",
    "bench": "bench.bench",
    "doctor": "doctor.doctor",
    "compare": "compare.compare",
    "optimize": "optimize.optimize",
    "verify": "verify.verify",
    "report": "report.report",
    "study": "study.study",
    "view": "view.view",
    "push": "push.push",
    "sbom": "sbom.sbom",
    "sign": "sign.sign",
    "cache": "cache.app",
    "data": "data.app",
    "target": "target.app",
}


class Verbs(TyperGroup):
    """The verbs as one group, for `typer.Typer(cls=Verbs)`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Imported(VERBS)


class _Imported(UserDict[str, Any]):
    """Verbs by their names; a verb that was not asked for is the place that it is imported from."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self[name] = _command(name, found)
        return found


def _command(name: str, place: str) -> Any:
    module, attribute = place.split(".")
    found = getattr(import_module(f".{module}", __package__), attribute)
    group = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        group.add_typer(found, name=name)
        return _joined(get_command(group).commands[name])  # type: ignore[attr-defined]
    group.command(name)(found)
    return _joined(get_command(group))


def _joined(command: Any) -> Any:
    """Its help in whole paragraphs, for a terminal of any width: lines end in the sources where these are full."""
    if command.help:
        command.help = "\n\n".join(part.replace("\n", " ") for part in cleandoc(command.help).split("\n\n"))
    for inner in getattr(command, "commands", {}).values():
        _joined(inner)
    return command
