"""Artifacts on an emulated ARM64 device, through the ssh target: answers are compared, and no latency is given."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import arm64
import pytest
from inprocess import reszoo
from sshd import NAME, board

from reszoo import zoo
from reszoo.bench.targets.ssh import SshTarget
from reszoo.export import ExportOptions, export

REF = "resnet8_v1.reszoo_digits"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which(arm64.QEMU) is None:
        pytest.skip(f"{arm64.QEMU} is not here: apt-get install qemu-user-static")
    try:
        return arm64.system(tmp_path_factory.mktemp("arm64"))
    except (RuntimeError, FileNotFoundError) as error:  # no network, or no apt
        pytest.skip(f"the emulated system cannot be made: {error}")


@pytest.fixture
def name(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "board").mkdir()
    with board(tmp_path / "board") as found:
        for variable, value in found.environment.items():
            monkeypatch.setenv(variable, value)
        yield f"ssh://{NAME}{python}"


@pytest.mark.long
@pytest.mark.parametrize("case", arm64.CASES, ids=lambda case: "-".join(case))
def test_answers_are_those_of_this_processor(case: arm64.Case, name: str, tmp_path: Path) -> None:
    options = ExportOptions(precision=case.precision)
    artifact = export(zoo.load(REF), case.format, out=tmp_path / "artifact", options=options)
    with SshTarget(name) as target:
        assert target.host().machine == "aarch64"
        row = arm64.compared(target, artifact, case, 30)
    assert row["equal"], row


@pytest.mark.long
def test_no_latency_is_measured_there(name: str, tmp_path: Path) -> None:
    done = reszoo("bench", REF, "--target", name, "--runtime", "onnxruntime", "--out", tmp_path)
    assert done.returncode == 3, done.stderr
    assert "qemu-aarch64 plays its processor" in done.stderr
    assert list(tmp_path.glob("*.json")) == []
