"""Running a study: the runs that are not done yet go to an executor, and what comes back is kept and judged."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from statistics import fmean

from ...core.errors import ReszooError
from ...core.files import explained, write_atomic
from ...core.locks import locked
from ...core.progress import Progress, silent
from ...core.tracking import Tracker
from . import verdicts
from .folder import PAGE, Folder
from .page import page
from .plotting import plots
from .records import Plan, RunResult, Settings, StudyResult
from .study import Study
from .tasks import Task, perform


def run(
    study: Study,
    settings: Settings,
    out: Path,
    executor: AbstractContextManager[Executor],
    *,
    resume: bool = False,
    progress: Progress = silent,
    trackers: Sequence[Tracker] = (),
) -> StudyResult:
    """Do what is not done, and write the answer to `out`. The executor is entered only if there is something to do.

    The trackers are told of each run when it is done.
    """
    version, recipe = study.version(settings), study.recipe(settings)
    plan = Plan(study=study.name, version=version, settings=settings, recipe=recipe)
    folder = Folder(out, plan)
    with locked(out, wait=False), explained(out):
        folder.enter(resume)
        tasks = tasks_of(study, settings)
        done = folder.finished(tasks)
        if missing := [task for task in tasks if task.name not in done]:
            with _explained(), executor as pool:
                at_once = 1 if study.alone else len(tasks)
                done |= _work(missing, pool, folder, progress, len(tasks), at_once, trackers)
        return write_answer(study, folder, [done[task.name] for task in tasks])


def tasks_of(study: Study, settings: Settings) -> list[Task]:
    """Every run, all conditions of a seed before the next seed: so that an interrupt leaves whole pairs."""
    conditions = study.conditions(settings)
    return [Task(study.name, condition, seed, settings) for seed in range(settings.seeds) for condition in conditions]


def write_answer(study: Study, folder: Folder, results: Sequence[RunResult]) -> StudyResult:
    """The verdicts, the plots and the page, from all runs of the folder's plan."""
    answer = judged(study, folder.plan, results)
    folder.write_result(answer)
    for name, data in plots(study, results).items():
        write_atomic(folder.path / name, data)
    write_atomic(folder.path / PAGE, page(study, answer).encode())
    return answer


def judged(study: Study, plan: Plan, results: Sequence[RunResult]) -> StudyResult:
    """The verdicts, and what they cost."""
    runs = verdicts.Runs(results)
    controls = verdicts.checked(study.controls, runs)
    return StudyResult(
        study=study.name,
        question=study.question,
        version=plan.version,
        settings=plan.settings,
        recipe=plan.recipe,
        findings=verdicts.withheld(verdicts.findings(study.claims, runs), controls),
        controls=controls,
        runs=len(results),
        core_minutes=sum(result.core_s for result in results) / 60,
        core_s={
            name: fmean(run.core_s for run in runs.of(condition).values())
            for name, condition in runs.conditions.items()
        },
        images=sum(result.measured.images for result in results),
        hosts=tuple(sorted({result.host for result in results})),
    )


def _work(
    tasks: Sequence[Task],
    pool: Executor,
    folder: Folder,
    progress: Progress,
    total: int,
    at_once: int,
    trackers: Sequence[Tracker] = (),
) -> dict[str, RunResult]:
    """Each result is on disk as soon as it is known. After one fails, those under way are waited for and kept.

    The pool is given no more than `at_once` of them.
    """
    done: dict[str, RunResult] = {}
    failures: list[BaseException] = []
    progress("runs", total - len(tasks), total)
    queue, futures = iter(tasks), dict[Future[RunResult], Task]()
    waiting: set[Future[RunResult]] = set()
    while True:
        if not failures:
            added = {pool.submit(perform, task): task for task in islice(queue, at_once - len(waiting))}
            futures |= added
            waiting |= added.keys()
        if not waiting:
            break
        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in finished:
            if error := future.exception():
                failures.append(error)
            else:
                folder.keep(futures[future], future.result())
                done[futures[future].name] = future.result()
                _tell(trackers, futures[future], future.result())
                progress("runs", total - len(tasks) + len(done), total)
        if any(isinstance(error, BrokenExecutor) for error in failures):
            break  # nobody is at work any more
        if failures:
            waiting = {future for future in waiting if not future.cancel()}
    if failures:
        raise failures[0]
    return done


def _tell(trackers: Sequence[Tracker], task: Task, result: RunResult) -> None:
    name = f"{task.study}/{task.name}"
    facts = {**{key: str(value) for key, value in task.condition.items()}, "seed": str(task.seed)}
    for tracker in trackers:
        tracker.began(name, facts | {"data": task.settings.data, "scale": task.settings.scale})
        tracker.logged(name, result.measured.values | {"core_s": result.core_s}, 0)
        for key, values in result.measured.series.items():
            for place, value in enumerate(values):
                tracker.logged(name, {key: value}, place)
        tracker.ended(name)


@contextmanager
def _explained() -> Iterator[None]:
    """Say what an executor means whose workers are gone."""
    try:
        yield
    except BrokenExecutor as error:
        raise ReszooError(
            "a worker ended in the middle of a run, as one does for which no memory is left",
            "All finished runs are kept: give `resume=True` to go on, with fewer `workers` if memory is short.",
        ) from error
