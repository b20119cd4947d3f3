"""What README.md and docs/ show of Python runs as it stands, and needs no network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = {page: "\n".join(BLOCK.findall(page.read_text())) for page in PAGES}
# A user's session is no fresh process. The second time it is in another folder: what was made is never overwritten.
TWICE = """
import os, sys

program = compile(sys.stdin.read(), sys.argv[1], "exec")
for folder in ("first", "second"):
    os.makedirs(folder)
    os.chdir(folder)
    exec(program, {"__name__": "__main__"})
    os.chdir("..")
"""


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if PROGRAMS[page]], ids=lambda page: page.stem)
def test_its_python_runs_twice_in_one_process(page: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "RESZOO_OFFLINE": "1"}
    command = [sys.executable, "-c", TWICE, str(page)]
    done = subprocess.run(
        command, input=PROGRAMS[page], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_is_included_is_an_example_and_every_example_is() -> None:
    """tests/examples runs each of them."""
    included = [path for page in PAGES for path in INCLUDED.findall(page.read_text())]
    assert sorted(included) == sorted(f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py"))
