"""serve.py, as people start it: what a browser is told of each file, and what it may have of it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from processes import started

from reszoo.export.deployment import serve

ISOLATED = {"cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("served") / "site"
    (made / "runtime").mkdir(parents=True)
    shutil.copy(str(serve.__file__), made / "serve.py")
    (made / "index.html").write_text("<!doctype html><title>it</title>")
    (made / "runtime" / "engine.wasm").write_bytes(bytes(range(100)))
    for name in ("page.css", "page.js", "engine.mjs", "artifact.json", "model.onnx"):
        (made / name).write_text("text")
    (made.parent / "secret").write_text("not served")
    return made


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """From another folder, as it does not matter which one it is started in."""
    command = [sys.executable, folder / "serve.py", "--port", "0"]
    with started(command, stdout=subprocess.PIPE, text=True, cwd=folder.parent) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stdout.read() == ""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("engine.mjs", "text/javascript; charset=utf-8"),
        ("artifact.json", "application/json"),
        ("model.onnx", "application/octet-stream"),
        ("runtime/engine.wasm", "application/wasm"),
    ],
)
def test_every_file_has_its_type_and_the_headers_that_isolate_a_page(address: str, name: str, kind: str) -> None:
    answer = httpx.get(address + name)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert ISOLATED.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("0-9", 0, 9), ("10-", 10, 99), ("-5", 95, 99), ("-500", 0, 99), ("90-200", 90, 99), ("99-99", 99, 99)],
)
def test_a_part_of_a_file_can_be_asked_for(address: str, asked: str, first: int, last: int) -> None:
    answer = httpx.get(address + "runtime/engine.wasm", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/100"
    assert answer.content == bytes(range(first, last + 1))
    assert ISOLATED.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=7-3", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused(address: str, asked: str) -> None:
    answer = httpx.get(address + "runtime/engine.wasm", headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */100")


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=0-1,5-6", "lines=1-2"])
def test_what_is_no_single_range_gets_the_whole_file(address: str, asked: str) -> None:
    answer = httpx.get(address + "runtime/engine.wasm", headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, 100)


@pytest.mark.parametrize("path", ["runtime/", "nowhere", "../secret", "%2e%2e/secret"])
def test_folders_are_not_listed_and_nothing_outside_is_served(address: str, path: str) -> None:
    with httpx.Client() as client:
        request = client.build_request("GET", address)
        request.url = request.url.copy_with(raw_path=b"/" + path.encode())  # as it is, not resolved by the client
        assert client.send(request).status_code == 404


def test_a_port_that_is_taken_or_none_is_a_line_that_says_so(folder: Path, address: str) -> None:
    taken = address.rstrip("/").rpartition(":")[2]
    for port, said in ((taken, "Address already in use"), ("99999", "port must be 0-65535")):
        done = subprocess.run([sys.executable, folder / "serve.py", "--port", port], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith(f"127.0.0.1:{port}: ")
        assert said in done.stderr
        assert done.stderr.endswith("Try another --port.\n")
        assert len(done.stderr.splitlines()) == 1
