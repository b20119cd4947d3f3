"""The docs say what was measured, and name only what exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from reszoo.export.contract import formats, runtimes

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_table_is_what_the_measurements_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "tables.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_backticks_exists(page: Path) -> None:
    """`core/types.py` in a sentence means that file; paths with capitals are patterns (`formats/NAME.py`)."""
    paths = re.findall(r"`([a-z_]+/[a-z_./-]*\.(?:py|toml|md|sh))`", page.read_text())
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert missing == []


def test_the_table_of_formats_says_what_the_plugins_do() -> None:
    page = (ROOT / "docs" / "runtimes.md").read_text()
    rows = {name: line for line in page.splitlines() for name in re.findall(r"^\| `([a-z-]+)` \|", line)}
    assert rows.keys() == formats().keys()
    for name, plugin in formats().items():
        precisions = rows[name].split("|")[-3].split()
        assert precisions == [p for p in ("fp32", "fp16", "int8") if p in plugin.precisions]
        variants = {v for runtime in runtimes().values() if runtime.name == name for v in runtime.variants if v}
        assert {variant for variant in variants if f":{variant}`" not in rows[name]} == set()
