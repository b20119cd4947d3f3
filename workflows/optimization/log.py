"""A search's folder: what it is for, and a file for every event, so that whatever is killed loses only what it did.

search.json         the plan
events/00001.json   what happened, in order
result.json         the answer, with a row for every candidate
artifact/           the choice, as `export` makes it
README.md           the choice, for people
report.html         everything, for people
"""

from pathlib import Path

from ...core.documents import read_json, write_json
from ...core.errors import UsageError
from ...core.files import check_free, is_free
from .records import Entry, Happened, Plan

PLAN, EVENTS, RESULT, ARTIFACT, README, PAGE = (
    "search.json",
    "events",
    "result.json",
    "artifact",
    "README.md",
    "report.html",
)
FIX = "Choose another `out`: this search cannot go on."


class Log:
    """The events of one plan, on disk as soon as they are known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[Happened] = []

    def enter(self, plan: Plan) -> None:
        """Begin here, or go on with the same search. Raises UsageError where the folder is another's."""
        if is_free(self.path):
            write_json(self.path / PLAN, plan)
            return
        if not (self.path / PLAN).is_file():
            check_free(self.path, "It holds no search: choose another `out`.")
        _check_same(read_json(self.path / PLAN, Plan, FIX), plan, self.path)
        self.events = [read_json(path, Entry, FIX).event for path in sorted((self.path / EVENTS).glob("*.json"))]

    def add(self, event: Happened) -> None:
        self.events.append(event)
        write_json(self.path / EVENTS / f"{len(self.events):05}.json", Entry(event=event))


def _check_same(before: Plan, now: Plan, path: Path) -> None:
    """The budget may differ: it only says when to stop."""
    for field in now.request.__struct_fields__:
        old, new = getattr(before.request, field), getattr(now.request, field)
        if field != "budget" and old != new:
            raise UsageError(
                f"{path} holds a search with other limits: {field} is {old} there, and {new} here",
                "Give the same, or choose another `out`.",
            )
    if [n.sha256 for n in before.networks] != [n.sha256 for n in now.networks]:
        raise UsageError(f"{path} holds a search among other networks", "Choose another `out`.")
    for name in dict.fromkeys((*before.machine, *now.machine)):
        old, new = before.machine.get(name), now.machine.get(name)
        if old != new:
            raise UsageError(
                f"{path} was made on another machine, or with other versions: {name} was {old}, and is {new}",
                "Latencies of the two cannot be mixed: choose another `out`.",
            )
