"""Each study once a run, at its smallest."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from once import once
from smoke import Smoke

import reszoo

NEEDS = {"architecture-search": "optuna"}


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """The results folder of a study at the scale `smoke`."""

    def make(name: str) -> Path:
        if name in NEEDS:
            pytest.importorskip(NEEDS[name])

        def run(folder: Path) -> None:
            with ThreadPoolExecutor(1) as pool:
                reszoo.study(name, scale="smoke", out=folder / "out", executor=pool)

        return once(tmp_path_factory, f"study-{name}", run) / "out"

    return make
