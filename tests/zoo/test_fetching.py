"""Where foreign files come from: this machine, an address, the Hugging Face hub through a mirror."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from webserver import Resource, Trouble, WebServer, serving

import reszoo
from reszoo.core.errors import NotFoundError, ReszooError, UnavailableError, UsageError
from reszoo.zoo.fetching import addresses, opened

HUB = "https://huggingface.co"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A mirror of the hub on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        monkeypatch.setenv("RESZOO_MIRROR", server.url)
        yield server


def content() -> bytes:
    buffer = io.BytesIO()
    torch.save(reszoo.create_model("resnet8_v2", num_classes=4).state_dict(), buffer)
    return buffer.getvalue()


def put(hub: WebServer, name: str, data: bytes) -> None:
    hub.add(f"/huggingface.co/me/net/resolve/main/{name}", Resource(data))


def test_the_addresses_of_the_hub() -> None:
    assert addresses("hf://me/my-net.v2/sub/w.pth") == [f"{HUB}/me/my-net.v2/resolve/main/sub/w.pth"]
    files = ("model.safetensors", "pytorch_model.bin")
    assert addresses("hf://me/net") == [f"{HUB}/me/net/resolve/main/{name}" for name in files]
    assert addresses("https://example.org/w.pth") == ["https://example.org/w.pth"]
    assert addresses("hf://me/net@v1.2/w.pth") == [f"{HUB}/me/net/resolve/v1.2/w.pth"]
    assert addresses(f"{HUB}/me/net/blob/main/w.pth?download=true") == [
        f"{HUB}/me/net/resolve/main/w.pth?download=true"
    ]
    assert addresses("https://github.com/me/net/blob/main/w.pth") == ["https://github.com/me/net/raw/main/w.pth"]
    for wrong in ("hf://me", "hf://", "s3://bucket/w.pth"):
        with pytest.raises(UsageError, match=r"names no (file|repository of the hub)"):
            addresses(wrong)


@pytest.mark.parametrize(
    ("source", "name"), [("hf://me/net", "pytorch_model.bin"), ("hf://me/net/v2/w.pth", "v2/w.pth")]
)
def test_a_repository_of_the_hub_becomes_a_checkpoint(
    hub: WebServer, source: str, name: str, tmp_path: Path, cache: Path
) -> None:
    put(hub, name, content())
    made = reszoo.import_checkpoint(source, out=tmp_path / "made")
    config = made.provenance[-1].config
    assert config["url"] == f"{HUB}/me/net/resolve/main/{name}"
    assert config["file"] == name.rpartition("/")[2]
    assert made.spec.num_classes == 4
    assert made.ref == ("resnet8_v2.net" if source == "hf://me/net" else "resnet8_v2.w")
    assert [path for path in cache.rglob("*") if path.is_file() and path.parent.name != "local"] == []


def test_safetensors_come_first(hub: WebServer) -> None:
    put(hub, "model.safetensors", b"one")
    put(hub, "pytorch_model.bin", b"other")
    with opened("hf://me/net") as file:
        assert (file.path.read_bytes(), file.name) == (b"one", "model.safetensors")
    assert not file.path.exists()


def test_what_is_not_there_is_said_with_what_was_tried(hub: WebServer) -> None:
    with (
        pytest.raises(NotFoundError, match=r"has neither model\.safetensors nor pytorch_model\.bin"),
        opened("hf://me/net"),
    ):
        pass
    with pytest.raises(NotFoundError, match="the server answered 404"), opened("hf://me/net/w.pth"):
        pass


def test_what_needs_a_login_is_said_to_be_downloaded_by_the_user(hub: WebServer) -> None:
    hub.add("/huggingface.co/me/net/resolve/main/w.pth", Resource(content(), troubles=[Trouble(status=401)]))
    with pytest.raises(ReszooError, match="the server answered 401") as caught, opened("hf://me/net/w.pth"):
        pass
    assert "set HF_TOKEN" in caught.value.fix
    assert "that you download where you are signed in can be imported as well" in caught.value.fix


def test_a_page_in_the_files_place_is_named(hub: WebServer) -> None:
    put(hub, "model.safetensors", b"<!DOCTYPE html><html><body>Sign in</body></html>")
    with pytest.raises(ReszooError, match="a web page instead of the file"), opened("hf://me/net"):
        pass


def test_offline_nothing_is_asked(hub: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="RESZOO_OFFLINE forbids"), opened("hf://me/net"):
        pass
    assert hub.seen == []


def test_what_identifies_the_user_is_in_no_provenance_and_long_addresses_fit(hub: WebServer, tmp_path: Path) -> None:
    source = f"https://files.example.org/w.pth?X-Amz-Signature={'ab' * 300}"
    hub.add(source.removeprefix("https:/"), Resource(content()))
    made = reszoo.import_checkpoint(source, out=tmp_path / "made")
    assert made.provenance[-1].config["url"] == "https://files.example.org/w.pth"
    assert "Amz" not in (tmp_path / "made" / "checkpoint.json").read_text()


def test_a_file_that_lies_in_the_cache_is_not_taken_for_one_that_cannot_be_verified(
    hub: WebServer, cache: Path
) -> None:
    put(hub, "w.pth", b"right")
    with opened("hf://me/net/w.pth") as file:
        left = file.path
    left.write_bytes(b"left by a killed process")
    with opened("hf://me/net/w.pth") as file:
        assert file.path == left
        assert file.path.read_bytes() == b"right"


def test_two_addresses_are_two_files(hub: WebServer) -> None:
    hub.add("/example.org/a/b/w.pth", Resource(b"one"))
    hub.add("/example.org/a-b/w.pth", Resource(b"other"))
    with opened("https://example.org/a/b/w.pth") as one, opened("https://example.org/a-b/w.pth") as other:
        assert (one.path.read_bytes(), other.path.read_bytes()) == (b"one", b"other")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(UsageError, match="there is no file"), opened(str(tmp_path / "w.pth")):
        pass
