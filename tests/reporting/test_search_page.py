"""The page of a search in a browser: from the file system, without a network, with names that try to run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, chromium
from msgspec.structs import replace
from recorded import Recorded, Truth, configuration, plan

from reszoo.reporting.search import Search
from reszoo.reporting.search_page import search_page
from reszoo.workflows.optimization.outcome import outcome
from reszoo.workflows.optimization.records import Happened, Missing, Plan
from reszoo.workflows.optimization.selection import decide

EVIL = """<script>alert(1)</script></script><!--"'<img src=x onerror=alert(2)>"""
Open = Callable[..., Visit]
MS = 1e-3


def a_search(**request: Any) -> Search:
    """Of five candidates, of which one loses too much, one is hopeless, and one could not be made."""
    names = ("litert fp32", "litert int8", "onnx fp32", "onnx int8", "ncnn fp32", "mnn fp32")
    field = [configuration(name) for name in names]
    truths = (Truth(1.0 * MS), Truth(0.8 * MS, 0.05), Truth(1.1 * MS), Truth(0.85 * MS, 0.0005), Truth(3 * MS))
    source = Recorded({c.key: truth for c, truth in zip(field, truths, strict=False)}, noise=0.02)
    asked = plan(field, **{"max_drop": 0.005, **request})
    left_out = (Missing(what="tensorrt", kind="unavailable", reason="not installed", fix="pip install it"),)
    asked = replace(asked, left_out=left_out)
    return searched(asked, source)


def searched(asked: Plan, source: Recorded) -> Search:
    from reszoo.workflows.optimization.known import Known
    from reszoo.workflows.optimization.records import Verdict

    events: list[Happened] = []
    while not isinstance(action := decide(asked, events), Verdict):
        events += source.perform(action, Known(asked, events))
    return outcome(asked, events, action)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as it:
        yield it


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Open the page of a search; afterwards, nothing must have gone wrong in it."""
    visits = []

    def open_page(search: Search, **context: Any) -> Visit:
        file = tmp_path / "page.html"
        file.write_text(search_page(search), encoding="utf-8")
        visits.append(Visit(browser, file, **context))
        return visits[-1]

    yield open_page
    for it in visits:
        it.page.wait_for_timeout(50)
        it.close()
        assert it.errors == []
        assert it.requests == [(tmp_path / "page.html").as_uri()]


def test_it_shows_the_choice_the_race_the_funnel_and_why_each_lost(visit: Open) -> None:
    search = a_search()
    page = visit(search).page
    assert page.inner_text("h1") == f"met: {search.choice}"
    assert "onnx int8" in page.inner_text("h1")
    assert page.locator("#rows tbody tr").count() == len(search.rows) == 8
    assert page.locator("#rows tbody tr.chosen").count() == 1
    text = page.inner_text("#rows")
    assert "loses too much" in text
    assert "at the first look" in text
    assert "it is not in the table" in text
    assert "pip install it" in text
    # two that were judged, and the floats whose answers are their source's
    assert page.locator("#front .scatterlayer .point").count() == 5
    assert page.locator("#rounds .scatterlayer .trace").count() == 4
    assert page.locator("#funnel .barlayer .point").count() == 6
    assert "10,000 images of cifar10/test" in page.inner_text("#facts")


def test_another_axis_and_another_order(visit: Open) -> None:
    page = visit(a_search()).page
    page.select_option("#axis", "size")
    assert "artifact, MB" in page.text_content("#front .xtitle")
    page.locator("#rows th", has_text="latency, ms").get_by_role("button").click()
    shown = page.evaluate(
        "[...document.querySelectorAll('#rows tbody tr')].map(tr => parseFloat(tr.cells[2].innerText))"
    )
    numbers = [number for number in shown if number == number]
    assert numbers == sorted(numbers)
    assert len(numbers) == 5


@pytest.mark.parametrize("limits", [{"latency": 0.1 * MS}, {"latency": 0.1 * MS, "objective": "accuracy"}])
def test_what_cannot_be_met_says_what_would_have_to_give(visit: Open, limits: dict[str, Any]) -> None:
    page = visit(a_search(**limits)).page
    assert page.inner_text("h1").startswith("not reachable")
    assert "could be met" in page.inner_text("#gives")


def test_it_fits_a_phone(visit: Open) -> None:
    page = visit(a_search(), viewport={"width": 390, "height": 844}, has_touch=True).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#front .scatterlayer .point").count() == 5


def test_names_are_text_and_never_run(visit: Open) -> None:
    search = a_search()
    rows = tuple(replace(row, key=EVIL, why=EVIL, runtime=EVIL, fix=EVIL) for row in search.rows)
    page = visit(replace(search, rows=rows, reason=EVIL, choice=EVIL, gives=(EVIL,), machine={EVIL: EVIL})).page
    assert page.inner_text("#reason") == EVIL
    assert page.locator("img").count() == 0
