"""A results folder: every finished run is a file of its own, so that whatever is killed loses only what it was doing.

study.json          the study, the hash of what decides its runs, the settings, and the recipe
runs/NAME.SEED.json one finished run
result.json         the verdicts
README.md           the page
NAME.png, NAME.svg  its figures
"""

from collections.abc import Iterable
from pathlib import Path

from ...core.documents import read_json, write_json
from ...core.errors import ReszooError, UsageError
from ...core.files import check_free, is_free
from .records import Plan, RunResult, StudyResult
from .tasks import Task

PLAN, RESULT, PAGE, RUNS = "study.json", "result.json", "README.md", "runs"


class Folder:
    """The results of one plan."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan

    def enter(self, resume: bool) -> None:
        """Begin here, or go on. Raises UsageError where the folder is somebody else's or another study's."""
        if is_free(self.path):
            write_json(self.path / PLAN, self.plan)
        else:
            self._check_ours(resume)
            check_same(read_json(self.path / PLAN, Plan, "Choose another `out`."), self.plan, self.path)

    def _check_ours(self, resume: bool) -> None:
        if not (self.path / PLAN).is_file():
            check_free(self.path, "It holds no study: choose another `out`.")
        if not resume:
            raise UsageError(
                f"there is a study in {self.path}", "Give `resume=True` to go on with it, or choose another `out`."
            )

    def finished(self, tasks: Iterable[Task]) -> dict[str, RunResult]:
        """What is here of these runs, by name."""
        files = {task.name: self._file(task) for task in tasks}
        return {
            name: read_json(file, RunResult, "Delete it: its run is done again.")
            for name, file in files.items()
            if file.exists()
        }

    def keep(self, task: Task, result: RunResult) -> None:
        """Raises ReszooError for one of another version of the study, which a worker elsewhere may have."""
        if result.version != self.plan.version:
            raise ReszooError(
                f"a worker has another version of the study {self.plan.study} than this process",
                "Install the same reszoo on all machines, and leave the study's files alone while it runs.",
            )
        write_json(self._file(task), result)

    def write_result(self, result: StudyResult) -> None:
        write_json(self.path / RESULT, result)

    def _file(self, task: Task) -> Path:
        return self.path / RUNS / f"{task.name}.json"


def check_same(before: Plan, now: Plan, path: Path) -> None:
    """Raises UsageError where finished runs are not those that would be done now."""
    if before.study != now.study:
        raise UsageError(f"{path} holds the study {before.study}, not {now.study}", "Choose another `out`.")
    for field in now.settings.__struct_fields__:
        old, new = getattr(before.settings, field), getattr(now.settings, field)
        if old != new:
            raise UsageError(
                f"{path} holds a study with other settings: {field} is {old} there, and {new} here",
                f"Give `{field}={old}`, or choose another `out`.",
            )
    fix = "Choose another `out`: what the two measured cannot be told apart."
    for field, value in now.recipe.items():
        if before.recipe.get(field) != value:
            raise UsageError(
                f"{path} holds trainings with another recipe: {field} is {before.recipe.get(field)} there, "
                f"and {value} here",
                fix,
            )
    if before.version != now.version:
        raise UsageError(f"{path} was made by another version of the study {now.study}", fix)
