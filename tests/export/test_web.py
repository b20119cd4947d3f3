"""An artifact for browsers, as its users have it: served by its own server or a plain one, opened in Chromium."""

import functools
import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from browser import chromium
from once import once
from PIL import Image

from reszoo import zoo
from reszoo.core.errors import ReszooError
from reszoo.core.types import Artifact, Preprocess
from reszoo.datasets import images
from reszoo.datasets.builtin import PICTURES
from reszoo.datasets.photos import PHOTOGRAPHS, pictures
from reszoo.export import artifacts, export
from reszoo.export.browser import driving, finding
from reszoo.export.browser.driving import Page
from reszoo.export.browser.processes import family
from reszoo.export.browser.running import PageSession, png
from reszoo.export.contract.format import formats
from reszoo.export.deployment.serve import Handler
from reszoo.export.predicting import seen_by
from reszoo.workflows.predicting import predict

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright").expect
REF = "resnet8_v1.reszoo_cifar10"
SLOW = {"timeout": 120_000}  # ms
# A decoder of JPEG files may round a value to the other side.
LEVELS = 1
pytestmark = pytest.mark.skipif(finding.find() is None, reason=finding.FIX)


class Plain(SimpleHTTPRequestHandler):
    """What `python -m http.server` runs, without its log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(folder: Path, handler: type[SimpleHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The artifact; nobody may change it."""
    if missing := formats()["web"].unavailable():
        pytest.skip(missing.reason)
    return artifacts.read(once(tmp_path_factory, "web", lambda out: export(zoo.load(REF), "web", out=out)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as it:
        yield it


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open an address; afterwards, nothing must have gone wrong, and nobody else been asked."""
    visits: list[tuple[Any, str, list[str], list[str]]] = []

    def open_page(address: str, **context: Any) -> Any:
        requests: list[str] = []
        errors: list[str] = []
        it = browser.new_context(**context)
        it.set_default_timeout(SLOW["timeout"])
        page = it.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        visits.append((it, address, requests, errors))
        return page

    yield open_page
    for it, address, requests, errors in visits:
        it.close()
        assert errors == []
        ours = (address.removesuffix("index.html"), "blob:", "data:")
        assert [url for url in requests if not url.startswith(ours)] == []


def file(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def in_python(content: bytes, preprocess: Preprocess) -> np.ndarray:
    """The pixels that the network sees of a file."""
    decoded = images.decode(content, "a picture", preprocess.input[0])
    return seen_by(preprocess, decoded, "a picture").pixels


def test_an_export_is_proven_through_its_page(site: Artifact) -> None:
    assert site.parity.through is None
    assert [way.name for way in site.parity.ways] == ["index.html", "onnxruntime-web"]
    assert all((way.n, way.batches, way.top1_agreement) == (256, (1, 3, 32), 1) for way in site.parity.ways)
    assert {file.name for file in site.files} == {
        "model.onnx",
        "runtime/README.txt",
        "runtime/onnxruntime-web/dist/ort.wasm.min.mjs",
        "runtime/onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
        "runtime/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    }
    assert {"index.html", "serve.py", "page/page.js", "page/engine.js"} < {file.name for file in site.extras}
    assert artifacts.is_untouched(site.path)
    assert "python serve.py" in (site.path / "README.md").read_text()


@pytest.mark.parametrize("handler", [Handler, Plain], ids=["serve.py", "http.server"])
def test_pictures_are_classified_as_in_python(
    site: Artifact, visit: Callable[..., Any], handler: type[SimpleHTTPRequestHandler], tmp_path: Path
) -> None:
    """One that is none costs a line, and the others nothing."""
    (tmp_path / "text.png").write_text("no picture")
    files = [*(PICTURES / name for name in PHOTOGRAPHS), tmp_path / "text.png"]
    with serving(site.path, handler) as address:
        page = visit(address)
        expect(page.locator("#state")).to_contain_text("Ready", **SLOW)
        assert ("serve.py lets it have more" in page.inner_text("#about")) == (handler is Plain)
        page.set_input_files("#files", files)
        expect(page.locator("#state")).to_have_text("2 pictures classified, 1 not.", **SLOW)
        cards = {card.inner_text().split("\n")[0]: card for card in page.locator("#results article").all()}
    for made in predict(site, [str(path) for path in files[:2]], top=5):
        card = cards[Path(made.image).name]
        shown = [item.inner_text().split("\n") for item in card.locator("li").all()]
        assert shown == [[guess.label, f"{100 * guess.probability:.1f} %"] for guess in made.top]
        assert "640 × 427 pixels, resized to cover 32 × 32" in card.inner_text()
        assert re.search(r"\d ms: [\d.]+ to decode and resize, [\d.]+ to classify", card.inner_text())
    assert "It is no picture that this browser can read" in cards["text.png"].inner_text()


@pytest.mark.long
@pytest.mark.parametrize("changes", [{}, {"resize": 41, "crop": 32, "interpolation": "bicubic"}], ids=str)
def test_256_pictures_of_other_sizes_give_the_same_pixels_and_logits(
    site: Artifact, changes: dict[str, Any], tmp_path: Path
) -> None:
    import onnxruntime

    from reszoo.export.feeding import feed

    artifact = prepared_otherwise(site, tmp_path / "site", **changes)
    given = [png(np.asarray(picture)) for picture in pictures(256, artifact.preprocess, seed=3)]
    expected = np.stack([in_python(content, artifact.preprocess) for content in given])
    with PageSession(artifact) as session:
        np.testing.assert_array_equal(session.pixels(given, artifact.preprocess.input), expected)
        logits = np.concatenate([session.classify(given[start : start + 32]) for start in range(0, 256, 32)])
    native = onnxruntime.InferenceSession(artifact.path / "model.onnx")
    wanted = native.run(None, {"input": feed(expected, artifact.input, artifact.preprocess)})[0]
    np.testing.assert_allclose(logits, wanted, atol=1e-4 * np.abs(wanted).max(), rtol=0)


def test_files_of_every_kind_give_the_pixels_that_python_reads(site: Artifact) -> None:
    """Upright, without transparency, without colour management, of 16-bit grey the high byte."""
    (picture,) = pictures(1, site.preprocess, seed=5)
    turned = Image.Exif()
    turned[images.ORIENTATION] = 6
    grey, alpha = np.asarray(picture.convert("L")), np.random.default_rng(0).integers(0, 256, picture.size[::-1])
    deep = Image.fromarray((grey.astype(np.uint16) << 8) + 200)
    clear = Image.fromarray(np.dstack([np.asarray(picture), alpha.astype(np.uint8)]))
    exact = {
        "PNG": file(picture),
        "grey PNG": file(picture.convert("L")),
        "16-bit PNG": file(deep),
        "PNG with a palette": file(picture.convert("P")),
        "PNG with transparency": file(clear),
        "PNG that is turned": file(picture, exif=turned),
        "WebP with transparency": file(clear, "WEBP", lossless=True, exact=True),
        "GIF": file(picture.convert("P"), "GIF"),
        "BMP": file(picture, "BMP"),
    }
    close = {f"JPEG {n}": file(picture, "JPEG", quality=75 + 10 * n, subsampling=n) for n in range(3)}
    close["JPEG that is turned"] = file(picture, "JPEG", exif=turned)
    close |= {name: (PICTURES / name).read_bytes() for name in PHOTOGRAPHS}
    with PageSession(site) as session:
        for names, levels in ((exact, 0), (close, LEVELS)):
            found = session.pixels(list(names.values()), site.preprocess.input)
            for name, pixels in zip(names, found.astype(int), strict=True):
                assert np.abs(pixels - in_python(names[name], site.preprocess)).max() <= levels, name
        for content, said in (
            (b"no picture", "It is no picture that this browser can read"),
            (file(Image.new("L", (1, 100_000))), "too narrow|that this browser can read"),  # as it has a limit too
        ):
            with pytest.raises(ReszooError, match=said):
                session.pixels([content], site.preprocess.input)
        assert session.pixels([exact["PNG"]], site.preprocess.input).shape == (1, 32, 32, 3)


def prepared_otherwise(site: Artifact, folder: Path, **changes: Any) -> Artifact:
    """The same model, whose pictures are prepared in another way."""
    shutil.copytree(site.path, folder)
    about = json.loads((folder / "artifact.json").read_text())
    about["preprocess"] |= changes
    (folder / "artifact.json").write_text(json.dumps(about))
    return artifacts.read(folder)


def test_opened_as_a_file_the_page_says_how_to_open_it(site: Artifact, visit: Callable[..., Any]) -> None:
    page = visit(site.path.as_uri() + "/index.html")
    expect(page.locator("#not-started")).to_be_visible(**SLOW)
    assert "python serve.py" in page.inner_text("#not-started")
    assert not page.locator("#input").is_visible()


def test_a_folder_that_was_not_copied_whole_says_what_is_missing(
    site: Artifact, visit: Callable[..., Any], tmp_path: Path
) -> None:
    folder = shutil.copytree(site.path, tmp_path / "site")
    (folder / "artifact.json").unlink()
    with serving(folder, Handler) as address:
        page = visit(address)
        expect(page.locator("#state")).to_contain_text("artifact.json is missing on this server", **SLOW)


@pytest.mark.parametrize("width", [360, 640, 1400])
def test_it_fits_every_width_in_both_schemes(site: Artifact, visit: Callable[..., Any], width: int) -> None:
    with serving(site.path, Handler) as address:
        page = visit(address, viewport={"width": width, "height": 800}, color_scheme="dark")
        expect(page.locator("#state")).to_contain_text("Ready", **SLOW)
        page.set_input_files("#files", PICTURES / PHOTOGRAPHS[0])
        expect(page.locator("#state")).to_have_text("1 picture classified.", **SLOW)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        page.emulate_media(color_scheme="light")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_keyboard_reaches_what_a_pointer_does_and_every_control_has_a_name(
    site: Artifact, visit: Callable[..., Any]
) -> None:
    with serving(site.path, Handler) as address:
        page = visit(address)
        expect(page.locator("#state")).to_contain_text("Ready", **SLOW)
        reached = []
        for _ in range(2):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
        assert reached == ["files", "camera"]
        assert page.get_by_label("Choose pictures").count() == 1
        assert page.get_by_role("button", name="Use the camera").count() == 1
        assert page.locator("main h1").count() == 1


def test_the_camera_is_classified_until_it_is_turned_off(site: Artifact, visit: Callable[..., Any]) -> None:
    with serving(site.path, Handler) as address:
        page = visit(address, permissions=["camera"])
        expect(page.locator("#state")).to_contain_text("Ready", **SLOW)
        page.click("#camera")
        expect(page.locator("#seen li")).to_have_count(5, **SLOW)
        page.click("#take")
        expect(page.locator("#results h2")).to_contain_text("Camera, ", **SLOW)
        page.click("#stop")
        assert not page.locator("#live").is_visible()
        assert page.evaluate("document.getElementById('video').srcObject") is None


def test_without_a_browser_the_record_says_what_was_proven_instead(
    site: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from reszoo.export.parity import prove

    monkeypatch.setenv("RESZOO_BROWSER", str(tmp_path / "nothing"))
    parity = prove(site, zoo.load(REF), "onnxruntime-web")
    assert (parity.through, [way.name for way in parity.ways]) == ("onnx", ["onnxruntime"])
    missing = finding.unavailable("it")
    assert missing is not None
    assert missing.reason == f"RESZOO_BROWSER names {tmp_path / 'nothing'}, which is no program"
    assert "apt-get install chromium" in missing.fix


def test_a_page_that_resizes_in_another_way_is_refused(site: Artifact, tmp_path: Path) -> None:
    from reszoo.export.ways import ways

    folder = shutil.copytree(site.path, tmp_path / "site")
    script = folder / "page" / "resize.js"
    script.write_text(script.read_text().replace("Math.max(scale, 1)", "1"))  # as a canvas does it
    shipped, _ = ways(msgspec.structs.replace(site, path=folder), "onnxruntime-web")
    with pytest.raises(ReszooError, match="the page resizes pictures in another way"):
        shipped.run([])


def test_a_program_that_is_no_browser_is_told_apart_and_leaves_nothing(
    site: Artifact, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "browser"
    program.write_text("#!/bin/sh\necho no display >&2; exit 7\n")
    program.chmod(0o755)
    monkeypatch.setenv("RESZOO_BROWSER", str(program))
    with pytest.raises(ReszooError, match="it ended with exit code 7: no display"):
        PageSession(site)


def test_a_page_that_does_not_answer_is_given_up_and_its_browser_is_gone(site: Artifact) -> None:
    with Page(site.path) as page:
        page.ask("open")
        processes = family(page.process.pid)
        assert len(processes) > 1
        with pytest.raises(ReszooError, match="it did not answer for 0 s"):
            page.ask("open", patience_s=0)
    for pid in processes:
        wait_for_end(pid)


def wait_for_end(pid: int) -> None:
    """A child that was killed with its parent may take a moment, or stay a zombie of a container without an init."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"process {pid} is still there")


def test_nobody_else_can_give_the_page_tasks(site: Artifact) -> None:
    import httpx

    with Page(site.path) as page:
        address = f"http://127.0.0.1:{page.server.server_port}/"
        for name in (*driving.OWN_FILES, "task"):
            assert httpx.get(f"{address}guess/{name}").status_code == 404
        assert httpx.post(f"{address}guess/answer", content=b"{}\n").status_code == 404
