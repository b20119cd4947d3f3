"""Runs are kept one by one, a study goes on from them, and a folder is never taken for another study's."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from coins import Here, coins, study

import reszoo
from reszoo.core.documents import read_json
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.hosts import describe
from reszoo.studies import StudyResult
from reszoo.studies.engine.study import ENGINE
from reszoo.studies.engine.tasks import perform
from reszoo.studies.engine.verdicts import reach
from reszoo.training.recipe import FOLDER

PNG, SVG = b"\x89PNG", b"<?xml"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    with coins(tmp_path / "mine") as file:
        yield file


def test_one_new_file_is_a_study(file: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float, float | None]] = []
    found = study(tmp_path / "out", progress=lambda *state: told.append(state))  # type: ignore[arg-type]
    assert found.verdicts == {
        "bent-is-bent": "supported",
        "fair-is-bent": "refuted",
        "bent-has-more": "supported",
        "all-are-fair": "conditional",
    }
    assert (found.runs, found.images, found.settings.seeds) == (10, 2000, 5)
    assert told[0] == ("runs", 0, 10)
    assert told[-1] == ("runs", 10, 10)
    assert read_json(tmp_path / "out" / "result.json", StudyResult, "") == found
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 10
    assert (tmp_path / "out" / "line.png").read_bytes().startswith(PNG)
    assert (tmp_path / "out" / "line.svg").read_bytes().startswith(SVG)


def test_the_page_has_the_claims_the_controls_and_the_cost(file: Path, tmp_path: Path) -> None:
    found = study(tmp_path / "out")
    page = (tmp_path / "out" / "README.md").read_text()
    assert "| claim | textbook says | paper says | measured (95 % interval, n) | verdict |" in page
    case = found.findings[0].cases[0]
    assert f"bent: {case.mean:.3g} ({case.low:.3g} to {case.high:.3g}, n = 5)" in page
    assert "| they say so | - |" in page
    assert "| **conditional** (1 supported, 1 refuted, of 2) |" in page
    assert "fair: 0.5" in page
    assert "Nothing is said of dice." in page
    assert "10 runs, " in page
    assert "2,000 images" in page
    assert f"SHA-256 {found.version[:16]}" in page
    assert "reszoo study coins --scale smoke --data digits --seeds 5" in page
    for name in ("line.svg",):
        assert f"]({name})" in page


def test_a_lost_worker_costs_its_own_run(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ReszooError, match="a worker ended") as lost:
        study(out, Here(most=4))
    assert "`resume=True`" in lost.value.fix
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert len(kept) == 4
    rest = Here()
    resumed = study(out, rest, resume=True)
    assert rest.done == 6
    assert {name: (out / "runs" / name).stat().st_mtime_ns for name in kept} == kept
    again = Here()
    assert study(out, again, resume=True) == resumed
    assert again.done == 0
    assert resumed.findings == study(tmp_path / "never-stopped").findings


def test_what_a_run_raises_is_raised_and_what_was_done_is_kept(file: Path, tmp_path: Path) -> None:
    class Failing(Here):
        def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
            future = super().submit(work, *args, **options)
            if self.done == 3:
                future = Future()
                future.set_exception(ZeroDivisionError("no tosses"))
            return future

    with pytest.raises(ZeroDivisionError):
        study(tmp_path / "out", Failing())
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 9
    assert study(tmp_path / "out", resume=True).runs == 10


ALONE = ("measure=measure,", "measure=measure, alone=True,")


def test_runs_that_measure_time_are_done_one_by_one(file: Path, tmp_path: Path) -> None:
    class Counting(ThreadPoolExecutor):
        futures: ClassVar[list[Future[Any]]] = []

        def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
            assert all(future.done() for future in self.futures)
            self.futures.append(super().submit(work, *args, **options))
            return self.futures[-1]

    file.write_text(file.read_text().replace(*ALONE))
    with Counting(4) as pool:
        assert study(tmp_path / "out", pool).runs == 10
    assert len(Counting.futures) == 10


def test_after_a_failure_none_of_them_is_begun(file: Path, tmp_path: Path) -> None:
    text = file.read_text().replace(*ALONE)
    file.write_text(text.replace("    draw =", "    draw = 1 / (2 - seed) and"))
    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
        study(tmp_path / "out", pool)
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 4


def test_what_processes_of_a_run_take_is_counted(file: Path, tmp_path: Path) -> None:
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10_000_000))'])"
    file.write_text(file.read_text().replace("    draw =", f"    {burn}\n    draw ="))
    assert 60 * study(tmp_path / "out", seeds=1).core_minutes > 0.1


def test_an_executor_of_ones_own_stays_open(file: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first = study(tmp_path / "one", pool)
        assert study(tmp_path / "other", pool).findings == first.findings


def test_a_folder_in_use_is_refused_without_resume(file: Path, tmp_path: Path) -> None:
    study(tmp_path / "out")
    with pytest.raises(UsageError, match="there is a study in") as refused:
        study(tmp_path / "out")
    assert "`resume=True`" in refused.value.fix


def test_a_folder_that_is_none_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").touch()
    with pytest.raises(UsageError, match="is there already") as refused:
        study(tmp_path / "photos", resume=True)
    assert "It holds no study" in refused.value.fix
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["me.jpg"]


def test_a_folder_of_another_study_is_refused(file: Path, tmp_path: Path) -> None:
    study(tmp_path / "out")
    with pytest.raises(UsageError, match="holds the study coins, not gradient-flow"):
        reszoo.study("gradient-flow", scale="smoke", out=tmp_path / "out", resume=True, executor=Here())


def test_a_folder_of_another_version_is_refused(file: Path, tmp_path: Path) -> None:
    study(tmp_path / "out")
    file.write_text(file.read_text() + "# another word\n")
    with pytest.raises(UsageError, match="another version of the study coins"):
        study(tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("changed", "is_refused"), [("tasks.py", True), ("recipes.py", True), ("page.py", False), ("trials.py", False)]
)
def test_a_folder_of_another_engine_is_refused_where_it_decides_the_runs(
    changed: str, is_refused: bool, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Path(shutil.copytree(ENGINE, tmp_path / "engine"))
    monkeypatch.setattr("reszoo.studies.engine.study.ENGINE", engine)
    file.write_text(file.read_text() + "\n\ndef unused():\n    from .engine.recipes import recipe_for\n")
    study(tmp_path / "out")
    (engine / changed).write_text((engine / changed).read_text() + "# another word\n")
    if is_refused:
        with pytest.raises(UsageError, match="another version of the study coins"):
            study(tmp_path / "out", resume=True)
    else:
        assert study(tmp_path / "out", resume=True).runs == 10


def test_a_folder_of_trainings_with_another_recipe_is_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = Path(shutil.copytree(FOLDER, tmp_path / "recipes"))
    monkeypatch.setattr("reszoo.training.recipe.FOLDER", recipes)
    file.write_text(file.read_text().replace("    measure=measure,", "    measure=measure,\n    trains=True,"))
    found = study(tmp_path / "out")
    assert (found.recipe["name"], found.recipe["precision"], found.recipe["lr"]) == ("digits", "fp32", 0.1)
    assert "by the recipe digits, in fp32" in (tmp_path / "out" / "README.md").read_text()
    assert study(tmp_path / "out", resume=True) == found
    (recipes / "digits.toml").write_text((recipes / "digits.toml").read_text().replace("lr = 0.1", "lr = 0.3"))
    with pytest.raises(UsageError, match=r"another recipe: lr is 0\.1 there, and 0\.3 here"):
        study(tmp_path / "out", resume=True)


def test_a_worker_with_another_version_is_found_out(file: Path, tmp_path: Path) -> None:
    """As one on another machine may have it."""

    class Elsewhere(Here):
        def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
            if self.done == 2:
                file.write_text(file.read_text() + "# another word\n")
            return super().submit(work, *args, **options)

    with pytest.raises(ReszooError, match="a worker has another version of the study coins"):
        study(tmp_path / "out", Elsewhere())
    assert len(list((tmp_path / "out").glob("runs/*"))) <= 2


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seeds": 4}, "seeds is 5 there, and 4 here\nGive `seeds=5`"),
        ({"scale": "cpu"}, "scale is smoke there, and cpu here\nGive `scale=smoke`"),
    ],
)
def test_a_folder_with_other_settings_is_refused(
    changed: dict[str, Any], says: str, file: Path, tmp_path: Path
) -> None:
    study(tmp_path / "out")
    with pytest.raises(UsageError) as refused:
        study(tmp_path / "out", resume=True, **changed)
    assert says in str(refused.value)


def test_a_damaged_run_is_named_with_the_fix(file: Path, tmp_path: Path) -> None:
    study(tmp_path / "out")
    (tmp_path / "out" / "runs" / "fair.3.json").write_text("{")
    with pytest.raises(ReszooError, match=r"fair\.3\.json is not valid JSON") as refused:
        study(tmp_path / "out", resume=True)
    assert "Delete it" in refused.value.fix


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"scale": "huge"}, UsageError, "unknown scale 'huge'"),
        ({"data": "digit"}, UsageError, "'digit'\nDid you mean digits?"),
        ({"data": "cifar10"}, UnavailableError, "Download it with `reszoo data get cifar10`"),
        ({"seeds": 0}, UsageError, "`seeds=0` is not possible"),
        ({"workers": 0}, UsageError, "`workers=0` is not possible"),
        ({"dask": "tcp://nowhere:1"}, UsageError, "two places to work"),
    ],
)
def test_mistakes_are_explained(
    options: dict[str, Any], kind: type[ReszooError], says: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind) as refused:
        study(tmp_path / "out", **options)
    assert says in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_no_verdict_stands_where_a_control_fails(tmp_path: Path) -> None:
    with coins(tmp_path / "mine", control=0.1):
        found = study(tmp_path / "out")
    assert set(found.verdicts.values()) == {"cannot tell"}
    assert "**No verdict stands: fair came out wrong" in (tmp_path / "out" / "README.md").read_text()


def test_what_is_no_number_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text().replace("sum(tosses) / 200}", 'float("nan")}'))
    with pytest.raises(ReszooError, match=r"the run fair\.0 of coins gave heads = nan"):
        study(tmp_path / "out")


def test_documents_have_a_schema_number(file: Path, tmp_path: Path) -> None:
    study(tmp_path / "out")
    for name in ("study.json", "result.json", "runs/fair.0.json"):
        assert json.loads((tmp_path / "out" / name).read_text())["schema"] == 1


def test_without_the_extra_a_cluster_is_unavailable(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reszoo.core.missing.find_spec", lambda name: None if name == "distributed" else True)
    with pytest.raises(UnavailableError, match="distributed is not installed") as refused:
        reszoo.study("coins", scale="smoke", out=tmp_path / "out", dask="tcp://127.0.0.1:8786")
    assert refused.value.fix == "pip install 'reszoo[distributed]'"


def test_a_task_can_be_pickled() -> None:
    """So that it goes to any process or machine."""
    import pickle

    assert pickle.loads(pickle.dumps(perform)) is perform  # noqa: S301


def test_a_run_says_what_processor_it_was_on(file: Path, tmp_path: Path) -> None:
    """Instruction sets above all: a processor's name says little of its arithmetic."""
    (host,) = study(tmp_path / "out").hosts
    assert all(name in host for name in describe().instruction_sets)


def test_a_series_that_is_no_number_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text().replace("(1.0, 2.0)", '(1.0, float("inf"))'))
    with pytest.raises(ReszooError, match=r"the run fair\.0 of coins gave run = inf"):
        study(tmp_path / "out")


def test_the_page_says_how_much_can_be_decided_and_what_runs_take(file: Path, tmp_path: Path) -> None:
    found = study(tmp_path / "out")
    page = (tmp_path / "out" / "README.md").read_text()
    assert f"at least {reach(5, 5):.2g} standard deviations" in page
    assert set(found.core_s) == {"fair", "bent"}
    assert "A run takes from " in page
