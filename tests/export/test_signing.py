"""`reszoo sign`: a signed artifact is what was signed, down to every file, wherever it went."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from environments import python_that_signs

from reszoo.workflows.optimization.log import PLAN

Reszoo = Callable[..., subprocess.CompletedProcess[str]]
WITH_SOURCE = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
LOCK = "of-the-locked-key"
ARTIFACT = Path(__file__).parents[1] / "documents" / "schema1" / "artifact"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return python_that_signs(tmp_path_factory)


@pytest.fixture(scope="module")
def reszoo(python: Path) -> Reszoo:
    def run(*words: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-m", "reszoo.cli.main", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=WITH_SOURCE | settings)

    return run


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs, one of them locked, made as the error says."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"{name}.pem")
        openssl("ec", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub")
    locked = ("ec", "-in", folder / "mine.pem", "-aes256", "-passout", f"pass:{LOCK}", "-out", folder / "locked.pem")
    openssl(*locked)
    return folder


def openssl(*words: str | Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture
def signed(reszoo: Reszoo, keys: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(ARTIFACT, tmp_path / "artifact")
    done = reszoo("sign", folder, "--key", keys / "mine.pem")
    assert done.returncode == 0, done.stderr
    return folder


def change(folder: Path) -> None:
    labels = folder / "labels.txt"
    labels.write_text(labels.read_text().replace("0", "nought", 1))


def add(folder: Path) -> None:
    (folder / "numpy.py").write_text("raise SystemExit('imported by run.py')\n")


def hide(folder: Path) -> None:
    (folder / ".gitignore").write_text("not for git\n")


def remove(folder: Path) -> None:
    (folder / "labels.txt").unlink()


def forge(folder: Path) -> None:
    (folder / "model.sig").write_text("{}")


def unsign(folder: Path) -> None:
    (folder / "model.sig").unlink()


TAMPERED = {
    change: "Hash mismatch for 'labels.txt'",
    add: "Extra files found in model",
    hide: "Extra files found in model",
    remove: "Missing files in model",
    forge: "is not what was signed",
    unsign: "is not signed",
}
CHECK = """
import sys
from reszoo.core.errors import ReszooError
from reszoo.export.signing import check_signature
key, *folders = sys.argv[1:]
for folder in folders:
    try:
        check_signature(folder, key)
        print("good")
    except ReszooError as error:
        print(error.problem)
"""


@pytest.mark.long
def test_tampering_is_found(python: Path, keys: Path, signed: Path) -> None:
    """In one process, which takes seconds to import what checks."""
    copies = [shutil.copytree(signed, signed.with_name(f"{tamper.__name__}.copy")) for tamper in TAMPERED]
    for tamper, copy in zip(TAMPERED, copies, strict=True):
        tamper(copy)
    command = [python, "-c", CHECK, keys / "mine.pub", signed, *copies]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env=WITH_SOURCE)
    good, *found = done.stdout.splitlines()
    assert good == "good", done.stderr
    for says, problem in zip(TAMPERED.values(), found, strict=True):
        assert says in problem


@pytest.mark.long
def test_another_key_is_another_signer_and_the_card_may_change(reszoo: Reszoo, keys: Path, signed: Path) -> None:
    (signed / "README.md").write_text("the hub's model card\n")
    moved = signed.rename(signed.with_name("moved"))
    good = json.loads(reszoo("verify", moved, "--key", keys / "mine.pub", "--json").stdout)
    assert [each["outcome"] for each in good[:2]] == ["reproduced", "reproduced"]  # the signature, and a file's hash
    other = reszoo("verify", moved, "--key", keys / "other.pub", "--json")
    assert other.returncode == 1
    (found,) = json.loads(other.stdout)  # nothing of it was read any more
    assert "is not what was signed with" in found["by"]


@pytest.mark.long
def test_of_a_search_whose_artifact_is_another_nothing_is_run(reszoo: Reszoo, keys: Path, signed: Path) -> None:
    change(signed)
    (signed.parent / PLAN).write_text("{}")
    done = reszoo("verify", signed.parent, "--key", keys / "mine.pub", "--json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    assert "is not what was signed with" in found["by"]


@pytest.mark.long
def test_keys_that_cannot_be_used(reszoo: Reszoo, keys: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(ARTIFACT, tmp_path / "artifact")
    for key in (keys / "missing.pem", keys / "locked.pem"):
        done = reszoo("sign", folder, "--key", key)
        assert done.returncode == 2, done.stderr
        assert "openssl ecparam" in done.stderr
    assert reszoo("sign", folder, "--key", keys / "locked.pem", RESZOO_KEY_PASSWORD=LOCK).returncode == 0
    assert LOCK not in (folder / "model.sig").read_text()


def test_without_the_extra_the_fix_is_named(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reszoo.core import missing
    from reszoo.core.errors import UnavailableError
    from reszoo.export.signing import check_signature, sign

    monkeypatch.setattr(missing, "find_spec", lambda name: None)
    for verb in (sign, check_signature):
        with pytest.raises(UnavailableError) as caught:
            verb(tmp_path, keys / "mine.pem")
        assert caught.value.fix == "pip install 'reszoo[sign]'"
