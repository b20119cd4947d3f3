"""docs/studies/ says what its runs say, and a study that was committed half done goes on from there."""

import shutil
from pathlib import Path

import answers
import pytest
from answers import ANSWERS, INDEX, answer, index, known, take
from coins import Here, coins, study
from msgspec.structs import replace

from reszoo.core.documents import read_json, write_json
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.locks import locked
from reszoo.studies import StudyResult, studies
from reszoo.studies.engine.folder import PACKED, PAGE, PLAN, RESULT, Folder
from reszoo.studies.engine.page import page
from reszoo.studies.engine.records import Plan
from reszoo.studies.engine.registry import study_named
from reszoo.studies.engine.running import judged, tasks_of

KEPT = sorted(path.name for path in ANSWERS.iterdir() if path.is_dir())


def half(out: Path) -> None:
    """Three of ten runs of a study whose workers go then."""
    with pytest.raises(ReszooError, match="a worker ended"):
        study(out, Here(most=3))


def test_the_index_is_what_the_runs_say() -> None:
    assert (ANSWERS / INDEX).read_text() == index()


def test_the_index_has_every_claim_of_every_study_once() -> None:
    rows = [line for line in index().splitlines() if line.startswith("| ")]
    for name in studies():
        found = known(name, ANSWERS)
        claims = [each.claim for each in found.answer.findings] if found.answer else found.study.claims
        own = [row for row in rows if row.startswith((f"| {name} |", f"| [{name}]("))]
        for claim in claims:
            assert sum(f"| {claim.hypothesis} |" in row for row in own) == 1


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_a_study_with_its_answer_or_a_part_of_one(name: str) -> None:
    path, asked = ANSWERS / name, study_named(name)
    plan = read_json(path / PLAN, Plan, "")
    assert (plan.study, plan.settings.data) == (name, "cifar10")
    runs = Folder(path, plan).runs()
    assert {run.version for run in runs.values()} == {plan.version}
    if plan.version != asked.version(plan.settings):
        return  # of an earlier version, as the index says: it stays as it was
    tasks = tasks_of(asked, plan.settings)
    assert runs.keys() <= {task.name for task in tasks}
    if len(runs) < len(tasks):
        assert not (path / RESULT).exists()
        return
    found = judged(asked, plan, [runs[task.name] for task in tasks])
    assert found == read_json(path / RESULT, StudyResult, "")
    assert (path / PAGE).read_text() == page(asked, found)
    for figure in asked.figures:
        for kind in ("png", "svg"):
            assert (path / f"{figure.name}.{kind}").stat().st_size > 5000


def test_a_folder_in_which_a_study_is_at_work_is_not_packed(tmp_path: Path) -> None:
    with coins(tmp_path / "mine"):
        half(tmp_path / "coins")
        with locked(tmp_path / "coins"), pytest.raises(UsageError, match="another process is at work"):
            take(tmp_path / "coins", tmp_path)
        assert len(list((tmp_path / "coins" / "runs").iterdir())) == 3


def test_one_that_was_killed_before_its_first_run_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "coins"
    (out / ".staging-study.json-0123abcd").mkdir(parents=True)
    (out / ".staging-study.json-0123abcd" / "lock").touch()
    with coins(tmp_path / "mine"):
        study(out, Here(), resume=True)
    assert not list(out.glob(".staging*"))


def test_a_study_that_is_kept_half_done_goes_on_from_there(tmp_path: Path) -> None:
    kept = tmp_path / "docs"
    with coins(tmp_path / "mine"):
        half(tmp_path / "out")
        answer(take(tmp_path / "out", kept))
        assert sorted(path.name for path in (kept / "coins").iterdir()) == [PACKED, PLAN]
        assert "| coins | bent-is-bent | they say so | - | not yet: 3 of 10 runs are done |" in index(kept)
        shutil.rmtree(tmp_path / "out")
        shutil.copytree(kept / "coins", tmp_path / "elsewhere")
        there = Here()
        found = study(tmp_path / "elsewhere", there, resume=True)
        assert there.done == 7
        answer(take(tmp_path / "elsewhere", kept))
        assert not (kept / "coins" / "runs").exists()
        assert read_json(kept / "coins" / RESULT, StudyResult, "") == found
        assert found.findings == study(tmp_path / "again").findings
        assert "| [coins](coins/README.md) | bent-is-bent | they say so | - | **supported** |" in index(kept)
        assert f"| {found.runs} | 0 |" in index(kept)


@pytest.mark.parametrize(("seeds", "says"), [(5, "| digits, smoke | 5 | 10 |"), (4, "| digits, smoke | 4 of 5 | 8 |")])
def test_the_index_says_how_many_of_the_planned_seeds_there_are(seeds: int, says: str, tmp_path: Path) -> None:
    with coins(tmp_path / "mine"):
        study(tmp_path / "out", seeds=seeds)
        answer(take(tmp_path / "out", tmp_path / "docs"))
        assert says in index(tmp_path / "docs")


def test_what_is_packed_is_the_same_whatever_came_first(tmp_path: Path) -> None:
    with coins(tmp_path / "mine"):
        half(tmp_path / "half")
        study(tmp_path / "whole")
        take(tmp_path / "half", tmp_path / "one")
        take(tmp_path / "whole", tmp_path / "one")
        take(tmp_path / "whole", tmp_path / "other")
        one, other = (
            Folder(tmp_path / name / "coins", read_json(tmp_path / "whole" / PLAN, Plan, "")).runs()
            for name in ("one", "other")
        )
        assert {name: run.measured for name, run in one.items()} == {name: run.measured for name, run in other.items()}


def test_runs_of_another_version_are_not_mixed(tmp_path: Path) -> None:
    with coins(tmp_path / "mine") as file:
        half(tmp_path / "out")
        take(tmp_path / "out", tmp_path / "docs")
        file.write_text(file.read_text() + "# another word\n")
        study(tmp_path / "new")
        with pytest.raises(UsageError, match="another version of the study coins"):
            take(tmp_path / "new", tmp_path / "docs")


def test_an_answer_of_an_earlier_version_says_so(tmp_path: Path) -> None:
    with coins(tmp_path / "mine"):
        study(tmp_path / "out")
        answer(take(tmp_path / "out", tmp_path / "docs"))
        plan = tmp_path / "docs" / "coins" / PLAN
        write_json(plan, replace(read_json(plan, Plan, ""), version="0" * 64))
        assert "**supported**, by an earlier version of the study |" in index(tmp_path / "docs")


def test_a_damaged_line_is_named_with_the_fix(tmp_path: Path) -> None:
    with coins(tmp_path / "mine"):
        study(tmp_path / "out")
        packed = take(tmp_path / "out", tmp_path / "docs").path / PACKED
        packed.write_text(packed.read_text().replace("{", "", 1))
        with pytest.raises(ReszooError, match=r"runs\.jsonl, line 1 is not valid JSON") as refused:
            study(packed.parent, resume=True)
    assert "Delete it" in refused.value.fix


def test_a_folder_that_holds_no_study_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["answers.py", str(tmp_path)])
    with pytest.raises(ReszooError, match=r"study\.json does not exist"):
        answers.main()
