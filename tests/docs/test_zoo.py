"""The zoo's table of the site: what it says of each checkpoint, and its filters, in a browser without a network."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from browser import Visit, chromium
from zoo_table import zoo_table

from reszoo import zoo

ASSETS = Path(__file__).resolve().parents[2] / "docs" / "assets"


@pytest.fixture(scope="module")
def table() -> str:
    """Of seven checkpoints."""
    return zoo_table([*zoo.list_models("resnet8*"), *zoo.list_models("resnet20*")]).partition("\n\n")[0]


def line(table: str, ref: str) -> str:
    """What is written in a checkpoint's line."""
    (body,) = (body for body in table.split("<tbody")[1:] if f"<code>{ref}</code>" in body)
    return re.sub(r"<[^>]+>", " ", body.partition(">")[2])


def test_it_says_who_measured_an_accuracy_and_how_to_get_the_checkpoint(table: str) -> None:
    published = " ".join(line(table, "resnet20_v1.akamaster_cifar10").split())
    assert "91.73 % published , n = 10,000 by us: 91.73 %, n = 10,000" in published
    assert "270 k 40.6 M BSD-2-Clause He et al. 2015" in published
    assert re.search(r"\d ms \S+ int8 .* times as fast as PyTorch", published)
    assert 'reszoo download resnet20_v1.akamaster_cifar10 checkpoint = reszoo.load("resnet20_v1.' in published
    bundled = " ".join(line(table, "resnet8_v1.reszoo_digits").split())
    assert "measured by us, n = 359" in bundled
    assert "reszoo download" not in bundled


@pytest.mark.parametrize("width", [390, 1280])
def test_it_filters_and_sorts_without_a_network(table: str, width: int, tmp_path: Path) -> None:
    shutil.copytree(ASSETS, tmp_path / "assets")
    file, head = tmp_path / "zoo.html", '<meta charset="utf-8"><link rel="stylesheet" href="assets/site.css">'
    file.write_text(f'<!doctype html>{head}<body class="md-typeset">{table}</body>', encoding="utf-8")
    with chromium() as browser:
        visit = Visit(browser, file, viewport={"width": width, "height": 800})
        page = visit.page
        everything = shown(page)
        assert len(everything) == 7
        page.select_option("[name=sort]", "accuracy")
        assert set(shown(page)) == set(everything)
        assert shown(page)[0] == "resnet8_v1.reszoo_digits"
        page.select_option("[name=sort]", "latency")
        assert shown(page)[0] == "resnet20_v1.akamaster_cifar10"
        page.select_option("[name=dataset]", "digits")
        assert shown(page) == ["resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"]
        page.fill("[name=search]", "V2 reszoo")
        assert shown(page) == ["resnet8_v2.reszoo_digits"]
        assert page.inner_text("#zoo-count") == "1 of 7"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.errors == []
        assert all(request.startswith(tmp_path.as_uri()) for request in visit.requests)
        visit.close()


def shown(page: Any) -> list[str]:
    names = page.locator("tbody:visible th code").all_inner_texts()
    return [str(name) for name in names]
