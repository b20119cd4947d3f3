"""docs/your-own.md, from a training script that knows nothing of reszoo to int8, with few photos."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "your_own.py"


@pytest.mark.long
@pytest.mark.cifar10
def test_trained_elsewhere_it_keeps_its_answers_all_the_way(cifar10_cache: Path, tmp_path: Path) -> None:
    few = ("--train", "24", "--test", "12", "--epochs", "1", "--out", str(tmp_path / "figures.json"))
    done = subprocess.run([sys.executable, SCRIPT, *few], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "figures.json").read_text())["recognised"] == "resnet18_v1"
