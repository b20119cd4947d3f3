"""The docs say what was measured, and name only what exists."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import reszoo
from reszoo.export.contract.format import formats
from reszoo.export.contract.runtime import runtimes

ROOT = Path(__file__).resolve().parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]


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


def test_every_public_name_is_in_the_api_reference() -> None:
    reference = "\n".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    names = {name for name in reszoo.__all__ if not isinstance(getattr(reszoo, name), ModuleType)}
    names -= {"__version__", "build"}  # build is `Checkpoint.module`
    assert {name for name in names if f"::: reszoo.{name}\n" not in reference} == set()


def test_the_table_of_formats_says_what_the_plugins_do() -> None:
    page = (ROOT / "docs" / "runtimes.md").read_text()
    rows = {name: line for line in page.splitlines() for name in re.findall(r"^\| `([a-z-]+)` \|", line)}
    assert rows.keys() == formats().keys()
    for name, plugin in formats().items():
        precisions = rows[name].split("|")[-3].split()
        assert precisions == [p for p in ("fp32", "fp16", "int8") if p in plugin.precisions]
        variants = {v for runtime in runtimes().values() if runtime.name == name for v in runtime.variants if v}
        assert {variant for variant in variants if f":{variant}`" not in rows[name]} == set()
