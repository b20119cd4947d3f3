"""Packages of npm: what is kept, and what is said where they cannot be had. npm is a script here."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from reszoo.core.errors import ReszooError, UnavailableError
from reszoo.export import npm
from reszoo.export.contract.format import format_named, formats

CONTENT = b"export const it = 1;\n"
PACKAGE = npm.Package("@some/package", "1.2.3", {"dist/index.js": hashlib.sha256(CONTENT).hexdigest()})


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What goes by the name of npm; with nothing else on PATH but the system's own."""
    monkeypatch.setattr(npm, "home", lambda: tmp_path / "kept")
    path = tmp_path / "bin" / "npm"
    path.parent.mkdir()
    monkeypatch.setenv("PATH", f"{path.parent}:/bin")
    return path


def be(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def pack(program: Path, tmp_path: Path, content: bytes) -> Path:
    """An npm that brings a package with this file, and counts how often."""
    (tmp_path / "package" / "dist").mkdir(parents=True, exist_ok=True)
    (tmp_path / "package" / "dist" / "index.js").write_bytes(content)
    with tarfile.open(tmp_path / "it.tgz", "w:gz") as archive:
        archive.add(tmp_path / "package", "package")
    be(program, f'for last; do :; done; cp {tmp_path}/it.tgz "$last/"; echo "$@" >> {tmp_path}/calls')
    return tmp_path / "calls"


def test_a_package_is_brought_once_and_without_its_scripts(program: Path, tmp_path: Path) -> None:
    calls = pack(program, tmp_path, CONTENT)
    for _ in range(2):
        assert (npm.bring(PACKAGE) / "dist" / "index.js").read_bytes() == CONTENT
    (call,) = calls.read_text().splitlines()
    assert call.startswith("pack @some/package@1.2.3 --ignore-scripts")


def test_a_file_that_was_damaged_in_the_cache_is_brought_anew(program: Path, tmp_path: Path) -> None:
    pack(program, tmp_path, CONTENT)
    (npm.bring(PACKAGE) / "dist" / "index.js").write_bytes(b"cut")
    assert (npm.bring(PACKAGE) / "dist" / "index.js").read_bytes() == CONTENT


def test_another_file_than_the_one_that_is_meant_never_appears(program: Path, tmp_path: Path) -> None:
    pack(program, tmp_path, b"steal();")
    with pytest.raises(ReszooError, match="is not the file that is meant: expected sha256"):
        npm.bring(PACKAGE)
    assert not PACKAGE.folder.exists()


def test_npm_that_fails_is_quoted(program: Path) -> None:
    be(program, "echo 'npm error code ENOTFOUND' >&2; echo 'npm error network request failed' >&2; exit 1")
    with pytest.raises(UnavailableError, match=r"npm cannot bring @some/package@1\.2\.3: network request failed"):
        npm.bring(PACKAGE)


def test_without_npm_the_format_is_unavailable_and_says_how_to_get_it(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    missing = npm.unavailable("web", PACKAGE)
    assert missing is not None
    assert missing.reason == "npm, which brings @some/package@1.2.3, is not installed"
    assert "Install Node.js" in missing.fix
    if not formats()["onnx"].unavailable():
        with pytest.raises(UnavailableError, match="npm, which brings onnxruntime-web"):
            format_named("web")


def test_offline_only_what_is_in_the_cache_is_used(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(program, tmp_path, CONTENT)
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    missing = npm.unavailable("web", PACKAGE)
    assert missing is not None
    assert "RESZOO_OFFLINE forbids" in missing.reason
    monkeypatch.delenv("RESZOO_OFFLINE")
    npm.bring(PACKAGE)
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    assert npm.unavailable("web", PACKAGE) is None
