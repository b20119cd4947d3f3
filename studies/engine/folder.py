"""A results folder: every finished run is a file of its own, so that whatever is killed loses only what it was doing.

study.json          the study, the hash of what decides its runs, the settings, and the recipe
runs/NAME.SEED.json one finished run
runs.jsonl          runs that were finished before and packed, a line each, as in docs/studies/
result.json         the verdicts
README.md           the page
NAME.png, NAME.svg  its figures
"""

from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree

import msgspec

from ...core import staging
from ...core.documents import convert, encode, read_json, write_json
from ...core.errors import ReszooError, UsageError
from ...core.files import check_free, is_free, write_atomic
from .records import Plan, RunResult, StudyResult, name_of
from .tasks import Task

PLAN, RESULT, PAGE, RUNS, PACKED = "study.json", "result.json", "README.md", "runs", "runs.jsonl"
AGAIN = "Delete it: its run is done again."
DIGITS = 5  # of the values of a series, in what is packed: they are only drawn


class Folder:
    """The results of one plan."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan

    def enter(self, resume: bool) -> None:
        """Begin here, or go on. Raises UsageError where the folder is somebody else's or another study's."""
        staging.recover(self.path / PLAN)  # of one that was killed before its first run
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
        here = self.runs()
        return {task.name: here[task.name] for task in tasks if task.name in here}

    def runs(self) -> dict[str, RunResult]:
        """All that are here, by name."""
        found = {_name(run): run for run in unpacked(self.path / PACKED)}
        for file in sorted((self.path / RUNS).glob("*.json")):
            found[file.stem] = read_json(file, RunResult, AGAIN)
        return found

    def pack(self, runs: Iterable[RunResult]) -> None:
        """Keep these runs, and no others, in one file; the same ones give the same bytes."""
        lines = {_name(run): msgspec.json.format(encode(_rounded(run)), indent=-1) for run in runs}
        write_atomic(self.path / PACKED, b"".join(lines[name] + b"\n" for name in sorted(lines)))
        rmtree(self.path / RUNS, ignore_errors=True)

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


def unpacked(path: Path) -> list[RunResult]:
    """The runs of a packed file; none where there is no file."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [_of_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _of_line(line: bytes, where: str) -> RunResult:
    try:
        return convert(msgspec.json.decode(line), RunResult, where, AGAIN)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReszooError(f"{where} is not valid JSON: {error}", AGAIN) from error


def _name(run: RunResult) -> str:
    return f"{name_of(run.condition)}.{run.seed}"


def _rounded(run: RunResult) -> RunResult:
    series = {
        name: tuple(float(f"{value:.{DIGITS}g}") for value in values) for name, values in run.measured.series.items()
    }
    return msgspec.structs.replace(run, measured=msgspec.structs.replace(run.measured, series=series))


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
