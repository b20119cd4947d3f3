"""`fetch` against a real server that behaves badly in all the ways that servers do."""

import contextlib
import gzip
import hashlib
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path

import pytest
from processes import started
from smalldisk import mounted
from webserver import Resource, Trouble, WebServer, serving

from reszoo.core import transfer
from reszoo.core.download import Source, fetch
from reszoo.core.errors import ReszooError, UnavailableError, UsageError

CONTENT = random.Random(1).randbytes(300_000)  # noqa: S311
DIGEST = hashlib.sha256(CONTENT).hexdigest()
IN_A_PROCESS = """
import sys
from pathlib import Path
from reszoo.core.download import Source, fetch
print(fetch(Source(url=sys.argv[1], sha256=sys.argv[2]), Path(sys.argv[3])))
"""


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting, and no proxy of whoever runs the tests."""
    monkeypatch.setattr(transfer, "BACKOFF_S", 0.001)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture
def certified(tmp_path: Path) -> Path:
    """A certificate of our own making, and its key."""
    file = tmp_path / "certificate.pem"
    what = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", file, "-out", f"{file}.cert"]
    subprocess.run([*command, *what], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + Path(f"{file}.cert").read_bytes())
    return file


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "weights.pth"


def only(target: Path) -> list[str]:
    """The names of all that lies in the target's folder."""
    return sorted(path.name for path in target.parent.iterdir())


@pytest.mark.parametrize("known", [DIGEST, DIGEST[:8], None])
def test_a_file_comes_down_and_nothing_else_stays(web: WebServer, target: Path, known: str | None) -> None:
    url = web.add("/w.pth", Resource(CONTENT))
    seen: list[tuple[str, int, int | None]] = []
    digest = fetch(Source(url=url, sha256=known), target, progress=lambda *done: seen.append(done))
    assert digest == DIGEST
    assert target.read_bytes() == CONTENT
    assert only(target) == ["weights.pth"]
    assert seen[-1] == ("downloading", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_what_is_there_is_not_asked_for_again(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT))
    fetch(Source(url=url, sha256=DIGEST), target)
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert len(web.seen) == 1
    target.write_bytes(b"damaged")
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert target.read_bytes() == CONTENT


def test_a_cut_connection_goes_on_where_it_ended(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT, troubles=[Trouble(cut_after=100_000), Trouble(cut_after=50_000)]))
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert [seen.range for seen in web.seen] == [None, "bytes=100000-", "bytes=150000-"]
    assert sum(seen.sent_bytes for seen in web.seen) == len(CONTENT)


def test_a_length_that_lies_is_a_cut_too(web: WebServer, target: Path) -> None:
    resource = Resource(CONTENT, announced_bytes=len(CONTENT) + 1000)
    url = web.add("/w.pth", resource)
    with pytest.raises(ReszooError, match="5 tries"):
        fetch(Source(url=url, sha256=DIGEST), target)
    assert not target.exists()
    resource.announced_bytes = None
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST


def test_a_length_that_is_too_short_is_another_file(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT[:100_000]))
    with pytest.raises(ReszooError, match=rf"{url} is 100000 bytes, expected 300000\nIt is another file now"):
        fetch(Source(url=url, sha256=DIGEST, size_bytes=len(CONTENT)), target)
    assert len(web.seen) == 1
    assert only(target) == []


PAGE = b"\n<!DOCTYPE HTML><title>Sign in</title>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 300000\n"
IMPOSTERS = {
    "a page": (PAGE, {"Content-Type": "text/html; charset=utf-8"}, r"gave a web page \(text/html\)(?s:.*)sign in"),
    "a page that is larger": (PAGE * 9999, {"Content-Type": "TEXT/HTML"}, r"gave a web page \(text/html\)"),
    "a page that does not say so": (PAGE, {"Content-Type": "application/octet-stream"}, "gave a web page instead"),
    "a message": (
        b'{"error": 1}',
        {"Content-Type": "application/json"},
        r"gave a message in JSON \(application/json\)",
    ),
    "a pointer": (POINTER, {"Content-Type": "text/plain"}, "gave a pointer of Git LFS(?s:.*)git lfs pull"),
    "an encoded body": (gzip.compress(CONTENT), {"Content-Encoding": "gzip"}, r"came encoded \(gzip\)(?s:.*)MIRROR"),
}


@pytest.mark.parametrize("size", [len(CONTENT), None])
@pytest.mark.parametrize(("body", "headers", "reason"), IMPOSTERS.values(), ids=IMPOSTERS)
def test_what_comes_in_place_of_the_file_is_named_at_once(
    web: WebServer, target: Path, body: bytes, headers: dict[str, str], reason: str, size: int | None
) -> None:
    url = web.add("/w.pth", Resource(body, headers=headers))
    with pytest.raises(ReszooError, match=rf"{url} {reason}"):
        fetch(Source(url=url, sha256=None, size_bytes=size), target)
    assert len(web.seen) == 1
    assert only(target) == []


def test_a_page_in_the_middle_costs_nothing_that_came_before(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT, troubles=[Trouble(cut_after=100_000), Trouble(status=511)]))
    with pytest.raises(ReszooError, match=r"511(?s:.*)sign in first"):
        fetch(Source(url=url, sha256=DIGEST), target)
    headers = {"Content-Type": "text/html"}
    web.add("/w.pth", Resource(CONTENT, headers=headers))
    with pytest.raises(ReszooError, match="a web page"):
        fetch(Source(url=url, sha256=DIGEST), target)
    headers.clear()
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert [seen.range for seen in web.seen] == [None, *["bytes=100000-"] * 3]


def test_an_archive_may_be_said_to_be_encoded_as_it_is_stored(web: WebServer, target: Path) -> None:
    archive = gzip.compress(CONTENT)
    url = web.add("/w.tar.gz", Resource(archive, headers={"Content-Encoding": "x-gzip"}))
    fetch(Source(url=url, sha256=hashlib.sha256(archive).hexdigest(), size_bytes=len(archive)), target)


def test_a_mirror_that_was_cloned_without_its_large_files(target: Path, tmp_path: Path) -> None:
    (tmp_path / "pointer").write_bytes(POINTER)
    with pytest.raises(ReszooError, match=r"pointer gave a pointer of Git LFS(?s:.*)git lfs pull"):
        fetch(Source(url=(tmp_path / "pointer").as_uri(), sha256=DIGEST), target)
    assert only(target) == []


def test_a_server_without_ranges_sends_it_all_again(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT, ranges=False, troubles=[Trouble(cut_after=100_000)]))
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert [seen.range for seen in web.seen] == [None, "bytes=100000-"]
    assert target.read_bytes() == CONTENT


def test_a_file_that_changed_in_between_starts_again(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(bytes(len(CONTENT)), etag='"old"', troubles=[Trouble(cut_after=100_000)] * 6))
    web.files["/w.pth"].ranges = False
    with pytest.raises(ReszooError, match="5 tries"):
        fetch(Source(url=url, sha256=DIGEST), target)
    assert target.with_name("weights.pth.reszoo-part").stat().st_size == 100_000
    web.add("/w.pth", Resource(CONTENT, etag='"new"'))
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert target.read_bytes() == CONTENT


def test_without_an_etag_nothing_is_gone_on_with(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT, etag=None, troubles=[Trouble(cut_after=100_000)]))
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert [seen.range for seen in web.seen] == [None, None]


@pytest.mark.parametrize("known", [DIGEST, DIGEST[:8]])
def test_wrong_bytes_never_reach_the_target(web: WebServer, target: Path, known: str) -> None:
    wrong = CONTENT[:-1] + b"?"
    url = web.add("/w.pth", Resource(wrong))
    with pytest.raises(ReszooError) as caught:
        fetch(Source(url=url, sha256=known), target)
    for part in (known, hashlib.sha256(wrong).hexdigest(), url):
        assert part in caught.value.problem
    assert caught.value.fix
    assert only(target) == []


def test_more_bytes_than_expected_are_not_written(web: WebServer, target: Path) -> None:
    source = Source(url=web.add("/w.pth", Resource(CONTENT)), sha256=None, size_bytes=1000)
    with pytest.raises(ReszooError, match="expected 1000"):
        fetch(source, target)
    assert only(target) == []


@pytest.mark.parametrize("status", [401, 403, 404, 407, 410, 501, 511])
def test_what_is_not_there_is_asked_for_once(web: WebServer, target: Path, status: int) -> None:
    url = web.add("/w.pth", Resource(CONTENT, troubles=[Trouble(status=status)]))
    with pytest.raises(ReszooError, match=str(status)):
        fetch(Source(url=url, sha256=DIGEST), target)
    assert len(web.seen) == 1
    assert only(target) == []


def test_a_busy_server_is_asked_again(web: WebServer, target: Path) -> None:
    troubles = [
        Trouble(status=503),
        Trouble(status=429, headers={"Retry-After": "1"}),
        Trouble(status=500, headers={"Retry-After": formatdate(time.time() - 5, usegmt=True)}),
    ]
    url = web.add("/w.pth", Resource(CONTENT, troubles=troubles))
    started = time.monotonic()
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert time.monotonic() - started >= 1
    assert len(web.seen) == 4


def test_a_server_that_stays_busy_is_left_after_five_tries(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT, troubles=[Trouble(status=503)] * 99))
    with pytest.raises(ReszooError, match="503"):
        fetch(Source(url=url, sha256=DIGEST), target)
    assert len(web.seen) == 5


def test_a_server_that_is_not_there(target: Path) -> None:
    with pytest.raises(ReszooError, match="5 tries"):
        fetch(Source(url="http://127.0.0.1:9/w.pth", sha256=DIGEST), target)


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:-1]])
def test_the_hash_that_the_hub_sends_with_its_redirect_is_checked(web: WebServer, target: Path, content: bytes) -> None:
    there = web.add("/cdn/abc", Resource(content))
    url = web.add("/resolve/w.pth", Resource(redirect=there, headers={"X-Linked-Etag": f'"{DIGEST}"'}))
    if content == CONTENT:
        assert fetch(Source(url=url, sha256=None), target) == DIGEST
    else:
        with pytest.raises(ReszooError, match=DIGEST):
            fetch(Source(url=url, sha256=None), target)
        assert only(target) == []


def test_a_mirror_on_the_web_and_in_a_folder(
    web: WebServer, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(url="https://example.org/models/w.pth", sha256=DIGEST)
    web.add("/m/example.org/models/w.pth", Resource(CONTENT))
    monkeypatch.setenv("RESZOO_MIRROR", web.url + "/m/")
    assert fetch(source, target) == DIGEST

    folder = tmp_path / "a mirror" / "example.org" / "models"
    monkeypatch.setenv("RESZOO_MIRROR", (tmp_path / "a mirror").as_uri())
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    target.unlink()
    with pytest.raises(ReszooError, match=r"example\.org/models/w\.pth does not exist"):
        fetch(source, target)
    folder.mkdir(parents=True)
    (folder / "w.pth").write_bytes(CONTENT)
    assert fetch(source, target) == DIGEST
    assert only(target) == ["weights.pth"]

    target.unlink()
    monkeypatch.setenv("RESZOO_MIRROR", "/srv/mirror")
    with pytest.raises(UsageError, match="/srv/mirror"):
        fetch(source, target)


def test_offline_asks_nobody(web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(url=web.add("/w.pth", Resource(CONTENT)), sha256=DIGEST)
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="RESZOO_OFFLINE"):
        fetch(source, target)
    assert web.seen == []
    monkeypatch.setenv("RESZOO_OFFLINE", "0")
    fetch(source, target)
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    assert fetch(source, target) == DIGEST  # what is here needs no network


def test_the_proxy_of_the_environment_is_used(web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web.add("http://weights.invalid/w.pth", Resource(CONTENT))
    monkeypatch.setenv("http_proxy", web.url)
    assert fetch(Source(url="http://weights.invalid/w.pth", sha256=DIGEST), target) == DIGEST


def test_what_a_proxy_refuses_is_asked_for_once(web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what a proxy could not do for a moment."""
    monkeypatch.setenv("https_proxy", web.url)
    with pytest.raises(ReszooError, match=r"502 .*5 tries"):
        fetch(Source(url="https://weights.invalid/w.pth", sha256=DIGEST), target)
    web.connect_status = 407
    with pytest.raises(ReszooError, match=r"407 (?s:.*)Mend HTTP_PROXY and HTTPS_PROXY"):
        fetch(Source(url="https://weights.invalid/w.pth", sha256=DIGEST), target)
    assert len(web.seen) == 6


def test_redirects_that_lead_nowhere(web: WebServer, target: Path) -> None:
    circle = web.add("/w.pth", Resource(redirect=web.url + "/w.pth"))
    ftp = web.add("/ftp.pth", Resource(redirect="ftp://127.0.0.1/w.pth"))
    for url, reason in ((circle, "redirects"), (ftp, "protocol 'ftp://'")):
        with pytest.raises(ReszooError, match=rf"{reason}(?s:.*)Mend the address"):
            fetch(Source(url=url, sha256=DIGEST), target)
    assert len([seen for seen in web.seen if seen.path == "/ftp.pth"]) == 1
    assert len([seen for seen in web.seen if seen.path == "/w.pth"]) == 21  # httpx follows 20


def test_a_certificate_that_nobody_trusts_is_shown_once(target: Path, certified: Path) -> None:
    with serving(certified) as web:
        url = web.add("/w.pth", Resource(CONTENT))
        with pytest.raises(ReszooError, match=r"CERTIFICATE_VERIFY_FAILED(?s:.*)SSL_CERT_FILE"):
            fetch(Source(url=url, sha256=DIGEST), target)
        assert web.connections == 1


def test_killed_in_the_middle_the_next_process_goes_on(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT, troubles=[Trouble(stall_after=200_000)]))
    command = [sys.executable, "-c", IN_A_PROCESS, url, DIGEST, str(target)]
    part = target.with_name("weights.pth.reszoo-part")
    with started(command, stdout=subprocess.DEVNULL) as first:
        until = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 100_000):
            assert time.monotonic() < until, "nothing came down"
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    have = part.stat().st_size
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == DIGEST
    assert web.seen[1].range == f"bytes={have}-"
    assert web.seen[1].sent_bytes == len(CONTENT) - have
    assert only(target) == ["weights.pth"]


def test_killed_after_the_last_byte_nothing_is_asked_for_again(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT))
    target.parent.mkdir()
    target.with_name("weights.pth.reszoo-part").write_bytes(CONTENT)
    origin = {"url": url, "validator": '"first"', "total_bytes": len(CONTENT), "sha256": None}
    target.with_name("weights.pth.reszoo-part.json").write_text(json.dumps(origin))
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert web.seen == []


def test_a_corrupt_note_about_the_partial_file_starts_again(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT))
    target.parent.mkdir()
    target.with_name("weights.pth.reszoo-part").write_bytes(b"x" * 1000)
    target.with_name("weights.pth.reszoo-part.json").write_text('{"url": ')
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST


def test_eight_processes_ask_once(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(CONTENT))
    command = [sys.executable, "-c", IN_A_PROCESS, url, DIGEST, str(target)]
    with ExitStack() as stack:
        eight = [started(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
        running = [stack.enter_context(each) for each in eight]
        assert {process.communicate()[0].strip() for process in running} == {DIGEST}
    assert len(web.seen) == 1
    assert only(target) == ["weights.pth"]


def test_a_folder_that_cannot_be_written(web: WebServer, tmp_path: Path) -> None:
    source = Source(url=web.add("/w.pth", Resource(CONTENT)), sha256=DIGEST)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReszooError, match="is a file, not a folder"):
        fetch(source, tmp_path / "file" / "w.pth")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_permission(web: WebServer, tmp_path: Path) -> None:
    source = Source(url=web.add("/w.pth", Resource(CONTENT)), sha256=DIGEST)
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(ReszooError, match=r"cannot write to .*Permission denied"):
        fetch(source, tmp_path / "locked" / "w.pth")


@pytest.mark.parametrize(("option", "message"), [("size=128k", "no space left"), ("ro", "Read-only file system")])
def test_a_disk_that_is_full_or_read_only(web: WebServer, tmp_path: Path, option: str, message: str) -> None:
    source = Source(url=web.add("/w.pth", Resource(CONTENT)), sha256=DIGEST)
    with mounted(tmp_path / "disk", option) as disk:
        with pytest.raises(ReszooError, match=message) as caught:
            fetch(source, disk / "w.pth")
        assert re.search("choose another (disk|place)", caught.value.fix)
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"url": "ftp://host/w", "sha256": None}, {"url": "https://host/w", "sha256": "12"}])
def test_a_source_that_cannot_be_meant(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"address|sha256"):
        Source(**wrong)  # type: ignore[arg-type]


def with_password(web: WebServer, path: str) -> str:
    return web.url.replace("://", "://me:s3cret@") + path + "?key=s3cret"


@pytest.mark.parametrize("trouble", [Trouble(status=404), Trouble(status=403), Trouble(status=500)], ids=str)
def test_no_error_tells_a_password(web: WebServer, target: Path, trouble: Trouble) -> None:
    web.add("/w.pth?key=s3cret", Resource(CONTENT, troubles=[trouble] * 9))
    with pytest.raises(ReszooError, match=r"cannot download http://127\.0\.0\.1:\d+/w\.pth: ") as caught:
        fetch(Source(url=with_password(web, "/w.pth"), sha256=None), target)
    assert "s3cret" not in str(caught.value)


def test_neither_does_a_wrong_file_nor_a_wrong_address(web: WebServer, target: Path) -> None:
    web.add("/w.pth?key=s3cret", Resource(CONTENT))
    for url in (with_password(web, "/w.pth"), "http://me:s3cret@host:x1/w.pth"):
        with pytest.raises(ReszooError) as caught:
            fetch(Source(url=url, sha256="0" * 64), target)
        assert "s3cret" not in str(caught.value)


def test_no_file_beside_a_partial_one_keeps_a_password_and_it_goes_on(web: WebServer, target: Path) -> None:
    trouble = Trouble(cut_after=100_000)
    resource = Resource(CONTENT, troubles=[trouble, *[Trouble(status=404)]])
    web.add("/w.pth?key=s3cret", resource)
    url = with_password(web, "/w.pth")
    with pytest.raises(ReszooError):
        fetch(Source(url=url, sha256=DIGEST), target)
    origin = target.with_name("weights.pth.reszoo-part.json").read_text()
    assert "/w.pth" in origin
    assert "s3cret" not in origin
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
    assert web.seen[-1].range == f"bytes={web.seen[0].sent_bytes}-"


def test_a_trickle_ends(web: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "WINDOW_S", 0.05)
    monkeypatch.setattr(transfer, "WINDOW_BYTES", 1 << 20)
    url = web.add("/w.pth", Resource(CONTENT, pause_s=0.02))
    with pytest.raises(ReszooError, match=r"the server sent \d+ bytes in 0 s \(5 tries\)"):
        fetch(Source(url=url, sha256=DIGEST), target)


def drop_by_drop(listener: socket.socket, tries: int) -> None:
    """Answer whoever comes with headers that have no end, a byte at a time."""
    for _ in range(tries):
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # the other side has had enough
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while True:
                connection.sendall(b"x")
                time.sleep(0.01)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_headers_that_never_end_are_not_waited_for(
    secure: bool, target: Path, certified: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "HEADERS_S", 0.2)
    monkeypatch.setenv("SSL_CERT_FILE", str(certified))
    listener = socket.create_server(("127.0.0.1", 0))
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certified)
        listener = context.wrap_socket(listener, server_side=True)
    with listener:
        thread = threading.Thread(target=drop_by_drop, args=(listener, transfer.TRIES), daemon=True)
        thread.start()
        url = f"http{'s' * secure}://127.0.0.1:{listener.getsockname()[1]}/w.pth"
        with pytest.raises(ReszooError, match=r"the server did not answer in 0.2 s \(5 tries\)"):
            fetch(Source(url=url, sha256=DIGEST), target)
        thread.join(60)
    assert not thread.is_alive()
    assert not target.exists()


def test_a_redirect_to_nowhere_is_not_tried_again(web: WebServer, target: Path) -> None:
    url = web.add("/w.pth", Resource(redirect="http://127.0.0.1:x1/w.pth"))
    with pytest.raises(ReszooError, match="Mend the address"):
        fetch(Source(url=url, sha256=None), target)
    loop = web.add("/loop", Resource(redirect="/loop"))
    before = len(web.seen)
    with pytest.raises(ReszooError, match="Mend the address"):
        fetch(Source(url=loop, sha256=None), target)
    assert before == 1
    assert len(web.seen) < 30  # one chain of redirects, not five


@pytest.mark.parametrize(
    "value", ["0.001", " 0 ", "-1", "soon", "Fri, 31 Dec 99999999999 23:59:59 GMT", "", "٠", "0x1"]
)
def test_a_wait_of_any_form_is_understood_or_left(web: WebServer, target: Path, value: str) -> None:
    trouble = Trouble(status=503, headers={"Retry-After": value.encode().decode("latin-1")})
    url = web.add("/w.pth", Resource(CONTENT, troubles=[trouble]))
    assert fetch(Source(url=url, sha256=DIGEST), target) == DIGEST
