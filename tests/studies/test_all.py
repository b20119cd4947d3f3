"""What holds for every study, the next one included."""

from xml.etree import ElementTree

import pytest
from PIL import Image
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.studies import StudyResult
from reszoo.studies.engine.plotting import POSITION
from reszoo.studies.engine.records import RunResult, Settings, name_of
from reszoo.studies.engine.registry import studies, study_named
from reszoo.studies.engine.running import tasks_of
from reszoo.studies.engine.tasks import perform
from reszoo.studies.engine.verdicts import Runs

STUDIES = list(studies())
RUN = [pytest.param(name, marks=[pytest.mark.alone] * study_named(name).alone) for name in STUDIES]
SCALES = ("smoke", "cpu", "gpu")
TRAINED = (  # a dozen trainings and more at the scale smoke
    "ablation",
    "architecture-search",
    "bn-position",
    "degradation",
    "depth",
    "efficient",
    "hybrid",
    "memorisation",
    "modern",
    "normalisation-activation",
    "preactivation",
    "skip-variants",
)

LONG = sorted(set(STUDIES) - {"gradient-flow"})  # the others train their networks


def test_these_are_the_studies() -> None:
    assert {"gradient-flow", "identity", "residuals", *TRAINED} <= set(STUDIES)
    assert "engine" not in STUDIES


@pytest.mark.parametrize("name", STUDIES)
def test_its_data_fits_together(name: str) -> None:
    """Every claim, control and figure is of something that is run and measured, on all data.

    Some claims are of networks that are too large for any scale but `gpu`.
    """
    study = study_named(name)
    assert len({claim.key for claim in study.claims}) == len(study.claims)
    parts = [*(claim.contrast for claim in study.claims), *(control.contrast for control in study.controls)]
    assert {part.metric for part in parts} | {figure.y for figure in study.figures} <= study.metrics.keys()
    for scale in SCALES:
        for data in study.data:
            conditions = study.conditions(Settings(scale=scale, data=data, seeds=1))
            names = [name_of(condition) for condition in conditions]
            assert len(set(names)) == len(names)
            runs = Runs([])
            runs.conditions = dict(zip(names, conditions, strict=True))
            for part in parts:
                found = runs.where(part.where)
                paired = [name_of(condition | (part.against or {})) in names for condition in found]
                assert (found and all(paired)) or scale != "gpu", part
            for figure in study.figures:
                known = figure.x == POSITION or figure.x in study.metrics
                assert known or all(figure.x in condition for condition in runs.where(figure.where))
                assert all(line in condition for condition in runs.where(figure.where) for line in figure.lines)


@pytest.mark.long(*LONG)
@pytest.mark.parametrize("name", RUN)
def test_every_claim_is_judged_and_every_control_holds(name: str, smoke: Smoke) -> None:
    result = read_json(smoke(name) / "result.json", StudyResult, "")
    study = study_named(name)
    assert [finding.claim for finding in result.findings] == list(study.claims)
    assert {checked.control.kind for checked in result.controls} == {"positive", "negative"}
    held = {checked.control.key: checked.verdict for checked in result.controls}
    unsure = ("coarse", "reseeded", "finds-none")  # three trainings of a second each hardly show a few points
    for key in [key for key in held if key.startswith(unsure) and held[key] == "cannot tell"]:
        del held[key]
    assert set(held.values()) <= {"supported"}, held
    seeds = study.seeds["smoke"]
    for claim, case in ((found.claim, case) for found in result.findings for case in found.cases):
        may_lack = claim.contrast.floor or "_int8_" in claim.contrast.metric  # int8 that fails its proof has no figures
        assert case.n == seeds or (case.n < seeds and may_lack)
        if case.n > 1:
            assert case.low is not None
            assert case.mean is not None
            assert case.high is not None
            assert case.low <= case.mean <= case.high
    assert result.core_minutes > 0
    assert result.images > 0
    assert result.version == study.version(result.settings)
    assert all(seconds > 0 for seconds in result.core_s.values())


@pytest.mark.long(*LONG)
@pytest.mark.parametrize("name", RUN)
def test_its_figures_are_pictures_and_the_page_shows_them(name: str, smoke: Smoke) -> None:
    folder = smoke(name)
    page = (folder / "README.md").read_text()
    for figure in study_named(name).figures:
        with Image.open(folder / f"{figure.name}.png") as picture:
            assert picture.width > 800
        drawing = ElementTree.parse(folder / f"{figure.name}.svg").getroot()  # noqa: S314
        assert drawing.tag.endswith("svg")
        assert f"]({figure.name}.svg)" in page


@pytest.mark.long(*LONG)
@pytest.mark.parametrize("name", RUN)
def test_the_same_seed_gives_the_same_figures(name: str, smoke: Smoke) -> None:
    """The first run of each study times nothing."""
    study = study_named(name)
    settings = Settings(scale="smoke", data="digits", seeds=study.seeds["smoke"])
    task = tasks_of(study, settings)[0]
    kept = read_json(smoke(name) / "runs" / f"{task.name}.json", RunResult, "")
    assert perform(task).measured == kept.measured
