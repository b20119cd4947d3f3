"""No verb asks anything of the network but a download, whatever runtime it uses: makers' libraries would."""

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sockets import asked

from reszoo import zoo
from reszoo.export import export
from reszoo.export.contract.format import formats
from reszoo.export.contract.options import ExportOptions
from reszoo.export.contract.runtime import runtimes

DOCUMENT = Path(__file__).resolve().parents[1] / "documents" / "schema1" / "artifact"
REF = "resnet8_v1.reszoo_digits"
RESZOO = [sys.executable, "-m", "reszoo.cli.main"]
OTHERS = {f"{runtime.name}-{name}": (runtime, name) for runtime in runtimes().values() for name in runtime.formats}
TALKATIVE = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", int(sys.argv[1])))
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def quiet(command: list[str], folder: Path) -> None:
    done, calls = asked([*RESZOO, *command], folder)
    assert done.returncode == 0, done.stderr
    assert calls == []
    left = [path for name in ("home", "tmp") for path in (folder / name).rglob("*") if path.is_file()]
    assert [path for path in left if "Microsoft" in str(path) or path.name == ".ses"] == []


def test_a_socket_is_seen(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        _, calls = asked([sys.executable, "-c", TALKATIVE, str(listener.getsockname()[1])], tmp_path)
    assert len(calls) == 2


@pytest.mark.parametrize("verb", [["list"], ["show", REF], ["cache", "list"], ["data", "list"]], ids=" ".join)
def test_what_lists_asks_nothing(verb: list[str], tmp_path: Path) -> None:
    quiet(verb, tmp_path)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_predicting_asks_nothing(runtime: str, tmp_path: Path, image: Path) -> None:
    if missing := runtimes()[runtime].unavailable("cpu"):
        pytest.skip(missing.reason)
    quiet(["predict", str(DOCUMENT), str(image), "--runtime", runtime], tmp_path)


def test_a_measuring_process_asks_nothing(tmp_path: Path) -> None:
    command = [
        "bench",
        str(DOCUMENT),
        "--runtime",
        "onnxruntime",
        "--time-limit",
        "0.2",
        "--out",
        str(tmp_path / "runs"),
    ]
    quiet(command, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(
    "verb",
    [
        ["doctor"],
        ["export", REF, "--to", "onnx,openvino"],
        ["quantize", REF, "--images", "32"],
        ["prune", REF, "--macs", "0.5", "--no-measure"],
        ["evaluate", REF, "--data", "digits"],
    ],
    ids=lambda verb: verb[0],
)
def test_what_makes_something_asks_nothing(verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quiet(verb, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("runtime", "format_name"), OTHERS.values(), ids=OTHERS)
def test_no_runtime_asks_anything(runtime: object, format_name: str, tmp_path: Path, image: Path) -> None:
    engine, plugin = runtimes()[runtime.name], formats()[format_name]  # type: ignore[attr-defined]
    if missing := engine.unavailable(engine.devices[0]) or plugin.unavailable():
        pytest.skip(missing.reason)
    made = export(
        zoo.load(REF), plugin.name, out=tmp_path / "made", options=ExportOptions(precision=plugin.precisions[0])
    )
    quiet(["predict", str(made.path), str(image), "--runtime", engine.name], tmp_path)
