"""The answers of studies, in docs/studies/: `python scripts/answers.py [FOLDER...] [--check]`.

A FOLDER is what `reszoo study --out FOLDER` has filled, wholly or in part. Its finished runs go into one file of
docs/studies/NAME/, from which `reszoo study NAME --resume --out docs/studies/NAME` goes on, on any machine; give that
folder here then. Where all runs are there, the page and the plots are made of them. At last docs/studies/index.md is
written: all claims of all studies. With --check nothing is written, and an index that is not that ends it with 1.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reszoo.core.documents import read_json
from reszoo.core.files import write_atomic
from reszoo.core.locks import locked
from reszoo.studies import Claim, Study, StudyResult, studies
from reszoo.studies.engine.folder import PAGE, PLAN, RESULT, Folder, check_same
from reszoo.studies.engine.page import spelled, table
from reszoo.studies.engine.records import Plan, RunResult
from reszoo.studies.engine.registry import study_named
from reszoo.studies.engine.running import tasks_of, write_answer

ANSWERS = Path(__file__).resolve().parent.parent / "docs" / "studies"
INDEX = "index.md"
FIX = "Choose a folder that `reszoo study --out FOLDER` has made."
TOP = """# What the studies found

What textbooks and papers say of residual networks, as claims that were stated before they were measured, and the
verdict on each. [Studies](../studies.md) says how a verdict is reached. Where a claim is of several networks that do
not agree, it says how many of them support or refute it. A study's page has what was measured, with intervals, controls
and plots; what is not measured yet is said to be so. `python scripts/answers.py` writes this page from the runs beside
it.
"""
HEADERS = ("study", "claim", "textbook says", "paper says", "verdict")
BUDGETS = ("study", "data, scale", "runs of each network", "runs", "core-minutes", "networks are trained by")


class Known(NamedTuple):
    """What is there of a study: its plan and its finished runs, how many there will be, and its answer, if it is.

    is_today  whether the study would still be run in the same way
    """

    study: Study
    plan: Plan | None
    runs: int
    wanted: int
    answer: StudyResult | None
    is_today: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        sys.exit(f"{ANSWERS / INDEX} is not what the runs say" if (ANSWERS / INDEX).read_text() != index() else 0)
    for folder in options.folders:
        answer(take(folder))
    write_atomic(ANSWERS / INDEX, index().encode())


def take(source: Path, answers: Path = ANSWERS) -> Folder:
    """The runs of a results folder, packed, with those of the same plan that are there already."""
    plan = read_json(source / PLAN, Plan, FIX)
    target = Folder(answers / plan.study, plan)
    with locked(target.path, wait=False):  # no study is at work there
        if (target.path / PLAN).exists():
            check_same(read_json(target.path / PLAN, Plan, FIX), plan, target.path)
        target.enter(resume=True)
        target.pack((target.runs() | Folder(source, plan).runs()).values())
    return target


def answer(folder: Folder) -> None:
    """The page and the plots, where all runs are there."""
    study = study_named(folder.plan.study)
    if len(done := _finished(study, folder)) == len(tasks_of(study, folder.plan.settings)):
        write_answer(study, folder, done)


def index(answers: Path = ANSWERS) -> str:
    """The page with all claims: what is measured comes first, then what is begun."""
    found = sorted((known(name, answers) for name in studies()), key=lambda each: (not each.answer, not each.plan))
    budgets = table(BUDGETS, [_budget(each) for each in found if each.plan])
    return "\n".join((TOP, budgets, "", table(HEADERS, [row for each in found for row in _claims(each)]), ""))


def known(name: str, answers: Path = ANSWERS) -> Known:
    study, path = study_named(name), answers / name
    if not (path / PLAN).exists():
        return Known(study, None, 0, 0, None, True)
    plan = read_json(path / PLAN, Plan, FIX)
    result = read_json(path / RESULT, StudyResult, FIX) if (path / RESULT).exists() else None
    runs, is_today = len(Folder(path, plan).runs()), plan.version == study.version(plan.settings)
    return Known(study, plan, runs, result.runs if result else len(tasks_of(study, plan.settings)), result, is_today)


def _finished(study: Study, folder: Folder) -> list[RunResult]:
    return [*folder.finished(tasks_of(study, folder.plan.settings)).values()]


def _budget(found: Known) -> tuple[str, ...]:
    assert found.plan  # noqa: S101 - for the types
    settings, recipe = found.plan.settings, found.plan.recipe
    planned = found.study.seeds[settings.scale]
    seeds = f"{settings.seeds}" if settings.seeds >= planned else f"{settings.seeds} of {planned}"
    runs = f"{found.runs}" if found.answer else f"{found.runs} of {found.wanted}"
    cost = f"{found.answer.core_minutes:.0f}" if found.answer else ""
    trained = f"{recipe['name']}, {recipe['precision']}" if recipe else ""
    return (_link(found), f"{settings.data}, {settings.scale}", seeds, runs, cost, trained)


def _claims(found: Known) -> Iterator[tuple[str, ...]]:
    """A row for each claim, as it was when it was measured."""
    if found.answer:
        today = "" if found.is_today else ", by an earlier version of the study"
        for each in found.answer.findings:
            yield _row(found, each.claim, spelled(each) + today)
        return
    verdict = f"not yet: {found.runs} of {found.wanted} runs are done" if found.plan else "not measured yet"
    for claim in found.study.claims:
        yield _row(found, claim, verdict)


def _row(found: Known, claim: Claim, verdict: str) -> tuple[str, ...]:
    return (_link(found), claim.hypothesis, claim.textbook or "-", claim.paper or "-", verdict)


def _link(found: Known) -> str:
    name = found.study.name
    return f"[{name}]({name}/{PAGE})" if found.answer else name


if __name__ == "__main__":
    main()
