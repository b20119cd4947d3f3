"""The page in a browser: from the file system, without a network, with names that try to run."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from browser import Visit, chromium
from measurements import HOST, a_measurement, a_zoo

from reszoo.core.measured import Accuracy, Measurement, MeasurementWarning
from reszoo.reporting import build
from reszoo.reporting.page import html_page

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright").expect
EVIL = """<script>alert(1)</script></script><!--"'<img src=x onerror=alert(2)><a href="https://example.org">b</a>"""
Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as it:
        yield it


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Open the page of some measurements; afterwards, nothing must have gone wrong in it."""
    visits = []

    def open_page(measurements: list[Measurement], **context: Any) -> Visit:
        file = tmp_path / "page.html"
        file.write_text(html_page(build(measurements)), encoding="utf-8")
        visits.append(Visit(browser, file, **context))
        return visits[-1]

    yield open_page
    for it in visits:
        it.page.wait_for_timeout(50)
        it.close()
        assert it.errors == []
        assert it.requests == [(tmp_path / "page.html").as_uri()]


def column(page: Any, title: str) -> list[str]:
    """What the table says in a column, without the small notes."""
    return page.evaluate(  # type: ignore[no-any-return]
        """title => {
            const at = [...document.querySelectorAll('#rows th')].findIndex(th => th.innerText.trim() === title);
            const cells = [...document.querySelectorAll('#rows tbody tr')].map(tr => tr.cells[at]);
            const text = cell => [...cell.childNodes].filter(it => it.nodeName !== 'SMALL').map(it => it.textContent);
            return cells.map(cell => text(cell).join(''));
        }""",
        title,
    )


def test_it_opens_without_a_network_and_draws_everything(visit: Open) -> None:
    page = visit(a_zoo()).page
    assert page.title() == page.inner_text("h1") == "16 measurements of 4 models"
    assert "AMD EPYC" in page.inner_text("#host")
    assert page.locator("#rows tbody tr").count() == 16
    assert page.locator("#rows .mark", has_text="★").count() == 8
    assert page.locator("#accuracy .scatterlayer .point").count() == 16
    assert page.locator("#latency .violinlayer .violin").count() == 16
    assert page.locator("#memory .barlayer .point").count() == 64
    assert page.locator("#cold .barlayer .point").count() == 64
    assert "14 of 16 rows: measured without a warning" in page.inner_text("#warnings")
    assert "Neighbours" in page.inner_text("#warnings")
    assert page.locator("#commands code").count() == 16


def test_a_header_sorts_by_number_and_again_the_other_way(visit: Open) -> None:
    page = visit(a_zoo()).page
    header = page.locator("#rows th", has_text="latency, ms")
    header.get_by_role("button").click()
    shown = [float(text.replace(",", "")) for text in column(page, "latency, ms")]
    assert shown == sorted(shown)
    assert [f"{value:g}" for value in shown] != sorted(f"{value:g}" for value in shown)  # as text it is another order
    assert header.get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").click()
    assert [float(text.replace(",", "")) for text in column(page, "latency, ms")] == shown[::-1]
    assert header.get_attribute("aria-sort") == "descending"
    assert page.locator("#rows th[aria-sort=none]").count() == page.locator("#rows th").count() - 1


def test_rows_without_a_figure_are_last_in_both_directions(visit: Open) -> None:
    page = visit([a_measurement(batch=b, n=n, seed=b) for b, n in ((1, 5), (2, 5000), (4, 5), (8, 5000))]).page
    for _ in range(2):
        page.locator("#rows th", has_text="p90, ms").get_by_role("button").click()
        assert [text == "" for text in column(page, "p90, ms")] == [False, False, True, True]


def test_filters_hide_rows_everywhere(visit: Open) -> None:
    page = visit(a_zoo()).page
    page.select_option("#filter-runtime", "torch")
    expect(page.locator("#rows tbody tr")).to_have_count(8)
    page.select_option("#filter-batch", "32")
    expect(page.locator("#rows tbody tr")).to_have_count(4)
    page.fill("#search", "RESNET32")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    assert column(page, "runtime") == ["torch"]
    assert page.inner_text("#count") == "1 of 16 rows"
    assert page.locator("#accuracy .scatterlayer .point").count() == 1
    assert page.locator("#commands code").count() == 1
    page.fill("#search", "no such thing")
    expect(page.locator("#rows tbody tr")).to_have_count(0)
    assert not page.locator("#memory").is_visible()
    page.fill("#search", "")
    expect(page.locator("#memory .barlayer .point")).to_have_count(16)
    assert page.locator("#memory").is_visible()


def test_the_axis_can_be_chosen(visit: Open) -> None:
    page = visit(a_zoo()).page
    titles = {}
    for axis in ("latency", "throughput", "size", "memory"):
        page.select_option("#axis", axis)
        titles[axis] = page.text_content("#accuracy .xtitle")
    assert titles == {
        "latency": "latency of a batch, ms (log scale)",
        "throughput": "throughput, images/s (log scale)",
        "size": "artifact, MB",
        "memory": "memory taken, MB",
    }


def names_at_points(page: Any) -> list[str]:
    page.wait_for_selector("#accuracy .annotation")
    return page.locator("#accuracy .annotation").all_text_contents()  # type: ignore[no-any-return]


def test_points_have_their_names_beside_them(visit: Open) -> None:
    """So that one who looks at a picture of the page sees which network it is; of many, those on the front."""
    few = [a_measurement(), a_measurement(source_ref="resnet56_v2.mine", median_s=0.02, correct=9300, seed=1)]
    assert names_at_points(visit(few).page) == ["resnet20_v1", "resnet56_v2"]
    page = visit(a_zoo()).page
    assert len(names_at_points(page)) == 8
    boxes = [label.bounding_box() for label in page.locator("#accuracy .annotation-text").all()]
    for one, other in combinations(boxes, 2):
        assert not (
            one["x"] < other["x"] + other["width"]
            and other["x"] < one["x"] + one["width"]
            and one["y"] < other["y"] + other["height"]
            and other["y"] < one["y"] + one["height"]
        )


def test_a_plot_shows_one_data_set(visit: Open) -> None:
    """Accuracies of two data sets say nothing of each other."""
    other = Accuracy(dataset="things", split="val", correct=281, n=300)
    page = visit([a_measurement(), msgspec.structs.replace(a_measurement(seed=1), accuracy=other)]).page
    assert page.locator("#accuracy .scatterlayer .point").count() == 1
    assert page.text_content("#accuracy .ytitle") == "top-1 accuracy on cifar10/test, %"
    assert "1 row of other data sets" in page.inner_text("#accuracy-note")
    page.select_option("#split", "things/val")
    expect(page.locator("#accuracy .ytitle")).to_have_text("top-1 accuracy on things/val, %")
    assert page.locator("#accuracy .scatterlayer .point").count() == 1
    assert not visit([a_measurement()]).page.locator("#split").is_visible()


def test_a_phone_shows_the_model_its_latency_and_its_accuracy(visit: Open) -> None:
    page = visit(a_zoo(), viewport={"width": 390, "height": 800}).page
    for title in ("model", "latency, ms", "accuracy, %"):
        header = page.locator("#rows th", has_text=title).bounding_box()
        assert header["x"] >= 0
        assert header["x"] + header["width"] <= 390
    assert "torch, batch 32" in page.locator("#rows td.model small").all_inner_texts()
    page.locator(".scroll").first.evaluate("it => it.scrollLeft = 300")
    assert page.locator("#rows td.model").first.bounding_box()["x"] >= 0  # it stays in place


def test_a_wide_page_shows_every_column(visit: Open) -> None:
    page = visit(a_zoo(), viewport={"width": 1400, "height": 800}).page
    assert page.locator(".scroll").first.evaluate("it => it.scrollWidth <= it.clientWidth")


def test_an_outlier_does_not_flatten_the_distributions(visit: Open) -> None:
    samples = (*a_measurement().samples_s[:-1], 100.0)
    page = visit([msgspec.structs.replace(a_measurement(), samples_s=samples)]).page
    for scale, most in (("relative", 1000), ("absolute", 100)):
        page.select_option("#scale", scale)
        page.wait_for_timeout(300)
        _, high = page.evaluate("document.getElementById('latency').layout.xaxis.range")
        assert high < most


def test_everything_that_scrolls_can_be_reached_by_keyboard_and_has_a_name_of_its_own(visit: Open) -> None:
    page = visit(a_zoo()).page
    regions = page.locator(".scroll").all()
    assert all(region.get_attribute("tabindex") == "0" for region in regions)
    assert len({region.get_attribute("aria-label") for region in regions}) == len(regions) == 2


def test_pointing_shows_the_row_and_clicking_finds_it(visit: Open) -> None:
    page = visit([a_measurement(), a_measurement(runtime="torch", median_s=0.02, seed=1)]).page
    box = page.locator("#accuracy .scatterlayer .trace .point").last.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#accuracy .hovertext")
    assert "9173" not in page.text_content("#accuracy .hovertext")
    assert "91.73 % (91.17–92.25) of 10,000 images of cifar10/test" in page.text_content("#accuracy .hovertext")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#rows tr.chosen")
    assert "torch" in page.inner_text("#rows tr.chosen")


def test_names_that_look_like_code_are_shown_and_do_not_run(visit: Open) -> None:
    evil = a_measurement(
        source_ref=EVIL,
        runtime=EVIL,
        warnings=(MeasurementWarning(kind="steal", detail=EVIL),),
        host=msgspec.structs.replace(HOST, cpu=EVIL + "\u2028"),
    )
    page = visit([evil, a_measurement(seed=1)]).page
    assert EVIL in column(page, "model")
    assert EVIL in column(page, "runtime")
    assert EVIL in page.text_content("#host")
    assert EVIL in page.text_content("#warnings")
    assert EVIL in page.text_content("#hosts")
    assert EVIL in page.text_content("#accuracy .legend")
    assert EVIL in page.text_content("#memory .annotation")
    assert page.locator("main a, main img, main script, svg a").count() == 0


def test_rows_without_an_accuracy_are_counted(visit: Open) -> None:
    page = visit([a_measurement(), a_measurement(correct=None, runtime="torch", seed=1)]).page
    assert "1 row without an accuracy is left out" in page.inner_text("#accuracy-note")
    assert page.locator("#accuracy .scatterlayer .point").count() == 1


def test_without_any_accuracy_the_page_says_how_to_get_one(visit: Open) -> None:
    page = visit([a_measurement(correct=None)]).page
    assert "reszoo bench --accuracy" in page.inner_text("#accuracy-note")
    assert not page.locator("#accuracy").is_visible()
    assert page.locator("#rows tbody tr").count() == 1


def test_it_fits_every_width_and_nothing_moves(visit: Open) -> None:
    page = visit(a_zoo(), viewport={"width": 360, "height": 800}).page
    shift = page.evaluate(
        """new Promise(done => {
            let total = 0;
            new PerformanceObserver(list => list.getEntries().forEach(entry => total += entry.value))
                .observe({type: 'layout-shift', buffered: true});
            setTimeout(() => done(total), 300);
        })"""
    )
    assert shift < 0.01
    for width in (360, 640, 1100):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)


def test_the_dark_scheme_is_dark_and_followed_when_it_changes(visit: Open) -> None:
    page = visit(a_zoo(), color_scheme="dark").page
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    dark = page.locator("#accuracy .xtitle").evaluate("it => getComputedStyle(it).fill")
    page.emulate_media(color_scheme="light")
    expect(page.locator("#accuracy .xtitle")).not_to_have_css("fill", dark)


def test_a_command_is_copied(visit: Open) -> None:
    page = visit([a_measurement()], permissions=["clipboard-read", "clipboard-write"]).page
    page.get_by_role("button", name="Copy the command").click()
    expect(page.locator("#commands button")).to_have_text("Copied")
    assert page.evaluate("getSelection().toString()") == page.text_content("#commands code")
