"""`reszoo download` as a user meets it: in a process of its own, with what it prints and how it ends."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shelf import REF, weights, write_card
from webserver import Resource, WebServer, serving

OTHER = "resnet8_v1.other_cifar10"
RUN = """
import sys
from pathlib import Path
from reszoo.zoo import catalogue
catalogue.CARDS = Path(sys.argv.pop(1))
from reszoo.cli.main import main
main()
"""
Reszoo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture
def reszoo(tmp_path: Path, web: WebServer) -> Reszoo:
    """The command with a catalogue of two cards, whose one file the server has."""
    content = weights()
    url = web.add("/example.org/w.pth", Resource(content))
    write_card(tmp_path / "cards", url, content, REF)
    write_card(tmp_path / "cards", "https://example.org/w.pth", content, OTHER)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", RUN, str(tmp_path / "cards"), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    return run


def test_a_mirror_and_a_pattern_and_then_offline(reszoo: Reszoo, web: WebServer, cache: Path) -> None:
    done = reszoo("download", "resnet8_v1.[ot]*_cifar10", "--mirror", web.url, "--json")
    assert done.returncode == 3  # the mirror has no file of the other card
    rows = {row["ref"]: row for row in json.loads(done.stdout)}
    assert rows[OTHER]["status"] == "downloaded"
    assert rows[OTHER]["folder"] == str(cache / "checkpoints" / OTHER)
    assert rows[OTHER]["size_bytes"] == (cache / "checkpoints" / OTHER / "weights.safetensors").stat().st_size
    assert rows[REF]["status"] == "failed"
    assert f"1 of 2 checkpoints could not be had: {REF}" in done.stderr
    assert "404" in done.stderr
    assert "Traceback" not in done.stderr

    again = reszoo("download", OTHER, "--offline")
    assert again.returncode == 0, again.stderr
    assert "already there" in again.stdout
    assert again.stderr == ""  # no progress bar where nobody looks

    offline = reszoo("download", REF, "--offline")
    assert offline.returncode == 3
    assert len(offline.stderr.splitlines()) == 2
    assert "RESZOO_OFFLINE" in offline.stderr


def test_a_wrong_checksum(reszoo: Reszoo, web: WebServer, cache: Path) -> None:
    web.files["/example.org/w.pth"].content += b"!"
    done = reszoo("download", REF)
    assert done.returncode == 1
    assert "wrong checksum" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_an_unknown_name(reszoo: Reszoo, web: WebServer) -> None:
    done = reszoo("download", "resnet8_v1.test_cifar", REF)
    assert done.returncode == 2
    assert f"Did you mean {REF}" in done.stderr
    assert web.seen == []


def test_help_has_an_example(reszoo: Reszoo) -> None:
    done = reszoo("download", "--help")
    assert done.returncode == 0
    assert "Example: reszoo download" in " ".join(done.stdout.split())
