"""`reszoo serve` as people start it: the protocol, pictures, batches, limits, and how it stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from browser import chromium
from environments import python_of_tritons_client
from once import once
from PIL import Image
from processes import children, wait_until_gone
from server import Server, binary, served, tensor

from reszoo import zoo
from reszoo.core.hosts import available_cores
from reszoo.core.types import Artifact
from reszoo.datasets.builtin import PICTURES
from reszoo.datasets.photos import PHOTOGRAPHS
from reszoo.export import artifacts, export
from reszoo.export.feeding import feed, sample_images
from reszoo.workflows.predicting import predict, session

for package in ("httptools", "prometheus_client"):
    pytest.importorskip(package, reason="needs the extra serve: pip install 'reszoo[serve]'")

REF = "resnet8_v1.reszoo_digits"
MODEL = f"/v2/models/{REF}"
INFER = f"{MODEL}/infer"
FUZZED = 200
PHOTOGRAPH = PICTURES / PHOTOGRAPHS[0]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return artifacts.read(once(tmp_path_factory, "digits-onnx", lambda out: export(zoo.load(REF), "onnx", out=out)))


@pytest.fixture(scope="module")
def inputs(artifact: Artifact) -> np.ndarray:
    pixels, _ = sample_images("digits", artifact.preprocess, 8)
    return feed(pixels, artifact.input, artifact.preprocess)


@pytest.fixture(scope="module")
def logits(artifact: Artifact, inputs: np.ndarray) -> np.ndarray:
    with session(artifact) as opened:
        return opened.predict(inputs)


@pytest.fixture(scope="module")
def server(artifact: Artifact) -> Iterator[Server]:
    """With limits that can be reached in a test."""
    with served(artifact.path, "--max-body", "0.25", "--max-pixels", "400000", "--timeout", "1") as it:
        yield it


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address, timeout=60) as it:
        yield it


def answered(response: httpx.Response) -> np.ndarray:
    """The logits of an answer, from its JSON or from behind it."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    (output,) = json.loads(response.content[:length])["outputs"]
    assert (output["name"], output["datatype"]) == ("logits", "FP32")
    if "data" in output:
        return np.array(output["data"], np.float32).reshape(output["shape"])
    assert output["parameters"]["binary_data_size"] == len(response.content) - length
    return np.frombuffer(response.content[length:], np.float32).reshape(output["shape"])


def text(refused: httpx.Response, status: int) -> str:
    assert refused.status_code == status, refused.text
    return str(refused.json()["error"])


# the protocol


def test_it_says_that_it_is_ready_and_what_it_serves(server: Server, client: httpx.Client) -> None:
    assert server.about["runtime"] == "onnxruntime"
    assert server.about["threads"] == available_cores()
    for path in ("/v2/health/live", "/v2/health/ready", f"{MODEL}/ready", f"{MODEL}/versions/1/ready"):
        assert client.get(path).status_code == 200
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    about = client.get(MODEL).json()
    assert about == client.get(f"{MODEL}/versions/1").json()
    assert about["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert about["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, 10]}]
    head = client.head(MODEL)
    assert (head.status_code, head.content) == (200, b"")
    assert "/v2" in text(client.get("/v2/models/other/ready"), 404) or REF in text(client.get("/v2/models/other"), 404)
    assert client.get(INFER).headers["allow"] == "POST"


def test_every_way_to_ask_gives_the_logits_of_the_runtime(
    client: httpx.Client, inputs: np.ndarray, logits: np.ndarray
) -> None:
    flat, nested = tensor(inputs), tensor(inputs, data=inputs.tolist())
    content, header = binary(inputs)
    for response in (
        client.post(INFER, json={"inputs": [flat]}),
        client.post(f"{MODEL}/versions/1/infer", json={"inputs": [nested], "outputs": [{"name": "logits"}]}),
        client.post(INFER, json={"inputs": [flat], "parameters": {"binary_data_output": True}}),
        client.post(INFER, content=content, headers=header),
    ):
        np.testing.assert_allclose(answered(response), logits, atol=1e-5)
    promised = tensor(inputs, parameters={"binary_data_size": inputs.nbytes})
    del promised["data"]
    assert "0 bytes" in text(client.post(INFER, json={"inputs": [promised]}), 400)
    with_id = client.post(INFER, json={"inputs": [flat], "id": 'a "name"'})
    assert with_id.json()["id"] == 'a "name"'
    for number, image in enumerate(inputs):
        content, header = binary(image[None])
        one = client.post(INFER, content=content, headers=header)
        np.testing.assert_allclose(answered(one), logits[number : number + 1], atol=1e-5)


def test_requests_may_be_sent_before_the_answer_to_the_one_before(
    server: Server, inputs: np.ndarray, logits: np.ndarray
) -> None:
    requests = b""
    for image in inputs:
        content, header = binary(image[None])
        ((name, value),) = header.items()
        requests += (
            f"POST {INFER} HTTP/1.1\r\n{name}: {value}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
        )
    with server.connect() as line:
        line.sendall(requests + b"GET /v2 HTTP/1.0\r\n\r\n")
        found = b"".join(iter(lambda: line.recv(1 << 16), b""))
    values = [each[:40] for each in re.split(rb'"binary_data_size":40\}\}\]\}', found)[1:]]
    np.testing.assert_allclose(np.frombuffer(b"".join(values), np.float32).reshape(8, 10), logits, atol=1e-5)
    assert found.count(b"HTTP/1.1 200 OK") == 9


@pytest.mark.long
def test_the_client_of_triton_is_understood(
    artifact: Artifact,
    inputs: np.ndarray,
    logits: np.ndarray,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    python = str(python_of_tritons_client(tmp_path_factory))
    np.save(tmp_path / "inputs.npy", inputs)
    with served(artifact.path) as server:
        program = Path(__file__).parents[1] / "support" / "ask_by_tritonclient.py"
        command = [python, str(program), f"127.0.0.1:{server.port}", REF, str(tmp_path / "inputs.npy")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["live"], found["ready"], found["model_ready"]) == (True, True, True)
    assert found["metadata"]["inputs"][0]["datatype"] == "FP32"
    for way in ("json", "binary", "together"):
        np.testing.assert_allclose(np.array(found[way], np.float32), logits, atol=1e-5)
    assert "binary_data_size" not in found["error"]
    assert "shape" in found["error"]


# pictures


def test_pictures_are_classified_as_predict_does(client: httpx.Client, artifact: Artifact) -> None:
    small = BytesIO()
    Image.linear_gradient("L").resize((8, 8)).save(small, "PNG")
    for content in (PHOTOGRAPH.read_bytes(), small.getvalue()):
        image = Image.open(BytesIO(content))
        (expected,) = predict(artifact, image, top=3)
        found = client.post("/predict?top=3", content=content).json()
        assert [guess["label"] for guess in found["top"]] == [guess.label for guess in expected.top]
        assert found["top"][0]["probability"] == pytest.approx(expected.probability, abs=1e-4)
        assert (found["width"], found["height"]) == image.size
        assert found["resized_from"] == (list(expected.resized_from) if expected.resized_from else None)


def test_the_page_classifies_what_is_dropped_on_it(server: Server, artifact: Artifact) -> None:
    (expected,) = predict(artifact, PHOTOGRAPH)
    with chromium() as browser:
        it = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme="dark")
        it.set_default_timeout(60_000)
        page, requests, errors = it.new_page(), [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(server.address)
        page.get_by_text("Ready").wait_for()
        assert REF in page.title()
        assert "sent to the server" in page.inner_text("footer")
        assert "The model was compared" in page.inner_text("#proof")
        page.set_input_files("#files", PHOTOGRAPH)
        page.get_by_text("1 picture classified.").wait_for()
        assert page.locator(".classes li").count() == 5
        assert page.locator(".classes li span").first.inner_text() == expected.label
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") in ("INPUT", "BUTTON")
        if shot := os.environ.get("RESZOO_TEST_SCREENSHOT"):
            page.screenshot(path=shot, full_page=True)
        it.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((server.address, "blob:", "data:"))] == []


# limits


def test_what_is_too_large_is_refused_before_it_is_read(server: Server, client: httpx.Client) -> None:
    with server.connect() as line:
        line.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 999999999\r\nExpect: 100-continue\r\n\r\n")
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert "262,144 bytes" in text(client.post("/predict", content=bytes(1 << 20)), 413)
    assert "too long" in text(client.post("/predict", content=(bytes(1 << 16) for _ in range(9))), 413)
    assert "headers" in text(client.get("/v2", headers={"x": "y" * (1 << 20)}), 431)
    wide = BytesIO()
    Image.new("L", (4000, 4000)).save(wide, "PNG")
    assert "limit is 400,000" in text(client.post("/predict", content=wide.getvalue()), 400)


def test_slow_clients_are_told_so_and_hold_up_nobody(server: Server, client: httpx.Client) -> None:
    starts = (
        b"POST /predict HTT",
        b"POST /predict HTTP/1.1\r\nContent-Length: 99\r\n\r\nhalf",
        b"GET /v2 HTTP/1.1\r\nA: b\r\n",
    )
    lines = [server.connect() for _ in starts]
    for line, start in zip(lines, starts, strict=True):
        line.sendall(start)
    assert client.get("/v2").status_code == 200
    for line in lines:
        with line:
            assert line.recv(1 << 16).startswith(b"HTTP/1.1 408 ")


def fuzzed(seed: int, good: np.ndarray) -> bytes:
    """A request that is wrong in one way or in several."""
    draw = np.random.default_rng(seed)

    def one_of(*choices: object) -> object:
        return choices[draw.integers(len(choices))]

    head, header = binary(good[:1])
    kind = draw.integers(8)
    path = INFER
    extra = b""
    if kind == 0:  # bytes
        return draw.bytes(int(draw.integers(1, 3000))) + b"\r\n\r\n"
    if kind == 1:  # a tensor of another shape, type or content
        wrong = tensor(good[:1])
        field = one_of("shape", "datatype", "name", "data", "parameters")
        wrong[str(field)] = one_of(
            None, [], [1], [-1, 1, 8, 8], [1 << 62, 1, 8, 8], [0, 1, 8, 8], "FP64", "../../etc/passwd", 7, [[[[]]]],
            ["a"] * 64, [1e400] * 64, [None] * 64, [[1.0] * 8] * 9, {"binary_data_size": 256}, {"binary_data_size": -1},
            {"shared_memory_region": "x"}, [True] * 64,
        )  # fmt: skip
        body = json.dumps({"inputs": [wrong] * int(one_of(1, 1, 1, 0, 2))}).encode()  # type: ignore[call-overload]
    elif kind == 2:  # binary, of another length
        body = head[: int(draw.integers(len(head)))] + draw.bytes(int(draw.integers(9)))
        extra = (
            b"Inference-Header-Content-Length: %b\r\n"
            % str(one_of(*header.values(), -1, 1 << 70, "x", len(body) + 1, 0, int(draw.integers(1, 300)))).encode()
        )
    elif kind == 3:  # values that are no numbers
        bad = good[:1].copy()
        bad.flat[draw.integers(bad.size)] = one_of(np.nan, np.inf, -np.inf)
        body, lines = binary(bad)
        extra = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()
    elif kind == 4:  # a broken picture
        path = str(one_of("/predict", "/predict?top=0", "/predict?top=x", "/predict?top=" + "9" * 40))
        picture = bytearray(PHOTOGRAPH.read_bytes())
        for _ in range(40):
            picture[draw.integers(200 if draw.integers(2) else len(picture))] = draw.integers(256)
        body = bytes(picture[: int(draw.integers(len(picture)))]) if "top" not in path else draw.bytes(500)
    elif kind == 5:  # too much of it
        body = bytes(int(draw.integers(300_000, 3_000_000)))
    elif kind == 6:  # JSON that is none, or deep, or of another kind
        body = one_of(
            b"[" * 100_000, b'{"inputs":' * 5000, b"{}", b"null", b"\xff\xfe{}", b'{"inputs":[{"name":"input"}]}', b""
        )  # type: ignore[assignment]
    else:  # what is not there
        path = str(
            one_of("/../../etc/passwd", "/page/../../artifact.json", "/v2/models/x/infer", "//", "/%00", "/page/", "*")
        )
        body = b""
    method = one_of(b"POST", b"POST", b"POST", b"PUT", b"DELETE", b"PATCH") if kind != 7 else b"GET"
    return b"%b %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n%b" % (
        method,
        path.encode(),
        len(body),
        extra,
        body,
    )


def test_fuzzed_requests_are_refused_and_the_server_lives(
    server: Server, client: httpx.Client, inputs: np.ndarray, logits: np.ndarray, artifact: Artifact
) -> None:
    """4xx, never 5xx; no answer names a path of this machine."""
    seen: dict[int, int] = {}

    def ask(seed: int) -> tuple[int, bytes]:
        with server.connect() as line:
            try:
                line.sendall(fuzzed(seed, inputs))
                line.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it was refused before all was sent
            answer = b"".join(iter(lambda: line.recv(1 << 16), b""))
        return int(answer[9:12] or 0), answer

    with ThreadPoolExecutor(8) as pool:
        for seed, (status, answer) in enumerate(pool.map(ask, range(FUZZED))):
            seen[status] = seen.get(status, 0) + 1
            assert 400 <= status < 500, (seed, answer[:300])
            leaks = (str(artifact.path), str(Path.home()), "/usr/", "site-packages", "Traceback", ".py", "0x7f")
            assert not [leak for leak in leaks if leak.encode() in answer], (seed, answer[:300])
    assert sum(seen.values()) == FUZZED
    assert {400, 404, 413} <= seen.keys()
    assert server.process.poll() is None
    content, header = binary(inputs)
    np.testing.assert_allclose(answered(client.post(INFER, content=content, headers=header)), logits, atol=1e-5)


# batches, back-pressure, and the end


def test_what_waits_is_computed_together_and_too_much_is_told_to_come_again(
    artifact: Artifact, inputs: np.ndarray, logits: np.ndarray
) -> None:
    with (
        served(artifact.path, "--max-batch", "4", "--max-delay", "10000", "--queue", "4") as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
        ThreadPoolExecutor(8) as pool,
    ):

        def ask(first: int, images: int = 1) -> httpx.Response:
            content, header = binary(inputs[first : first + images])
            return client.post(INFER, content=content, headers=header)

        began = time.monotonic()
        for number, response in enumerate(pool.map(ask, range(4))):
            np.testing.assert_allclose(answered(response), logits[number : number + 1], atol=1e-5)
        assert time.monotonic() - began < 9  # a full batch does not wait
        assert 'reszoo_batch_images_bucket{le="2.0"} 0.0' in client.get("/metrics").text
        assert 'reszoo_batch_images_bucket{le="4.0"} 4.0' in client.get("/metrics").text

        waiting = [pool.submit(ask, number) for number in range(3)]
        while "reszoo_waiting_images 3.0" not in client.get("/metrics").text:
            time.sleep(0.05)
        refused = ask(0, 2)
        assert "too many images" in text(refused, 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert "1 to 4 images" in text(ask(0, 5), 400)

        # and told to stop, it answers what waits, and takes nothing new
        server.process.send_signal(signal.SIGTERM)
        for number, future in enumerate(waiting):
            np.testing.assert_allclose(answered(future.result(60)), logits[number : number + 1], atol=1e-5)
        assert server.process.wait(60) == 0
        with pytest.raises(OSError, match=r"refused|reset"):
            server.connect()


def test_a_worker_that_dies_is_replaced_and_all_are_counted_together(
    artifact: Artifact, inputs: np.ndarray, logits: np.ndarray
) -> None:
    with served(artifact.path, "--workers", "2", "--threads", "1") as server:
        workers = children(server.process.pid)
        assert len(workers) == 2
        content, header = binary(inputs)

        def ask() -> None:
            with httpx.Client(base_url=server.address, timeout=60) as client:
                response = client.post(INFER, content=content, headers=header)
            np.testing.assert_allclose(answered(response), logits, atol=1e-5)

        for _ in range(20):
            ask()
        counted = httpx.get(f"{server.address}/metrics").text
        assert 'reszoo_requests_total{code="200",route="infer"} 20.0' in counted
        os.kill(workers[0], signal.SIGKILL)
        end = time.monotonic() + 60
        while len(new := set(children(server.process.pid)) - {workers[0]}) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        for _ in range(20):
            ask()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
        wait_until_gone(list(new))


def refused_to_start(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reszoo.cli.main", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_what_cannot_be_served_is_told_with_its_fix(artifact: Artifact) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = refused_to_start(str(artifact.path), "--port", str(other.getsockname()[1]), "--workers", "2")
    assert taken.returncode == 2
    assert "Address already in use" in taken.stderr
    assert "Choose another --port or --host." in taken.stderr
    engine = refused_to_start(str(artifact.path), "--runtime", "ncnn", "--port", "0")
    assert engine.returncode in (2, 3)
    assert "Traceback" not in taken.stderr + engine.stderr


def test_without_its_extra_it_says_how_to_get_it(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    blinkers = str(Path(__file__).parents[1] / "support" / "blinkers")
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [blinkers, path])))
    monkeypatch.setenv("HIDDEN_MODULES", "httptools,uvloop,prometheus_client")
    without = refused_to_start(str(artifact.path))
    assert without.returncode == 3
    assert "pip install 'reszoo[serve]'" in without.stderr
