"""Every example runs as it stands, in a folder of its own and without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))
PRINTED = {"deploy": "Comparison(resnet8_v1", "own_pictures": "Prediction(", "plain_torch": "odd or even"}


MEASURES = {"deploy"}  # and refuses a network that is not faster


@pytest.mark.long
@pytest.mark.parametrize(
    "example",
    [pytest.param(path, marks=[pytest.mark.alone] * (path.stem in MEASURES), id=path.stem) for path in EXAMPLES],
)
def test_it_runs(example: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "RESZOO_OFFLINE": "1"}
    command = [sys.executable, str(example)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert PRINTED[example.stem] in done.stdout


def test_the_first_is_short_enough_to_read_at_a_glance() -> None:
    lines = next(path for path in EXAMPLES if path.stem == "deploy").read_text().splitlines()
    assert len(lines) <= 25
