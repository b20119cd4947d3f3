"""Native code that dies, or never ends, is an error in one line; signals reach what does the work."""

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from processes import started

from reszoo.cli import guard
from reszoo.core.documents import read_json, write_json
from reszoo.core.types import Artifact
from reszoo.export import artifacts

GOOD = Path(__file__).resolve().parents[1] / "documents" / "schema1" / "artifact"
RESZOO = [sys.executable, "-m", "reszoo.cli.main"]
PROGRAM = """
import os, signal, sys, time
from reszoo.cli import main, predict
{what}
sys.argv = ["reszoo", "predict", "x", "y"]
main._verb = work
main.main()
"""


def ended(what: str, **more: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(what=what)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | more)


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("def work(): os.abort()", 134, "error: the engine's native code failed: SIGABRT\nTry another engine"),
        ("def work(): os.kill(os.getpid(), signal.SIGSEGV)", 139, "error: the engine's native code failed: SIGSEGV"),
        ("def work(): os.kill(os.getpid(), signal.SIGKILL)", 137, "error: killed by SIGKILL: the kernel does that"),
        ("def work(): sys.exit(3)", 3, ""),
        ("def work(): print('done')", 0, ""),
    ],
)
def test_how_the_child_ends_is_told(what: str, code: int, said: str) -> None:
    done = ended(what)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_an_option_in_front_of_the_verb_changes_nothing() -> None:
    program = PROGRAM.format(what="def work(): os.abort()").replace('"predict", "x"', '"--debug", "predict", "x"')
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 134


def test_a_number_of_seconds_is_one() -> None:
    done = ended("def work(): pass", RESZOO_PATIENCE="soon")
    assert done.returncode == 2
    assert "RESZOO_PATIENCE=soon is no number of seconds" in done.stderr


def test_a_signal_reaches_the_child() -> None:
    what = "def work(): print('in', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", PROGRAM.format(what=what)]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "in\n"
        before = time.monotonic()
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - before < 50


INTERRUPTED = """
def work():
    for turn in range(2):
        try:
            if turn == 0:
                print("in", flush=True)  # the interrupt may come at once
            time.sleep(3)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
"""


def test_an_interrupt_that_was_sent_to_the_verb_alone_reaches_the_child() -> None:
    command = [sys.executable, "-c", PROGRAM.format(what=INTERRUPTED)]
    with started(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "in\n"
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=60)[0] == "interrupted\n"


def test_ctrl_c_in_a_terminal_interrupts_once() -> None:
    """The terminal gives it to parent and child: were it passed on too, the second would end the cleaning up."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM.format(what=INTERRUPTED)])  # noqa: S606
    said = b""
    with open(terminal, "r+b", buffering=0) as screen:  # noqa: PTH123 - a descriptor
        while b"in\r\n" not in said:
            said += screen.read(1)
        screen.write(b"\x03")
        with contextlib.suppress(OSError):  # how a terminal tells the end on Linux
            while more := screen.read(100):
                said += more
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert said.count(b"interrupted") == 1


def test_a_converter_that_dies_is_told_with_what_helps(tmp_path: Path) -> None:
    program = """
import os, sys
from reszoo.cli import main
from reszoo.export.formats import onnx
onnx.FORMAT.__class__.convert = lambda *_: os.abort()
sys.argv = ["reszoo", "export", "resnet8_v1.reszoo_digits", "--to", "onnx", "--out", "made"]
main.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 134
    assert done.stderr.splitlines() == ["error: the engine's native code failed: SIGABRT", guard.OTHER_FORMAT]
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_graph_that_never_ends_is_ended(verb: str, tmp_path: Path) -> None:
    folder = shutil.copytree(GOOD, tmp_path / "made")
    _endless(folder / "model.onnx")
    kept = read_json(folder / artifacts.MANIFEST, Artifact, "")
    files = (artifacts.record(folder / "model.onnx"),)
    import msgspec

    write_json(folder / artifacts.MANIFEST, msgspec.structs.replace(kept, files=files))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "image.png")
    what = {"predict": [str(tmp_path / "image.png")], "evaluate": ["--data", "digits"]}
    command = [*RESZOO, verb, str(folder), *what[verb], "--runtime", "onnxruntime"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"RESZOO_PATIENCE": "2"})
    assert done.returncode == 128 + signal.SIGALRM, done.stderr
    assert done.stderr.startswith("error: the engine did not answer for 2 s\n")


def _endless(path: Path) -> None:
    """The largest number of rounds that a loop can be given, and no condition."""
    make = onnx.helper
    condition = make.make_tensor_value_info("go", onnx.TensorProto.BOOL, ())
    inside = [
        make.make_tensor_value_info("round", onnx.TensorProto.INT64, ()),
        condition,
        make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("n", 10)),
    ]
    body = make.make_graph(
        [make.make_node("Identity", ["go"], ["on"]), make.make_node("Sin", ["x"], ["y"])],
        "body",
        inside,
        [
            make.make_tensor_value_info("on", onnx.TensorProto.BOOL, ()),
            make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ("n", 10)),
        ],
    )
    constants = [
        make.make_tensor("rounds", onnx.TensorProto.INT64, (), [2**62]),
        make.make_tensor("true", onnx.TensorProto.BOOL, (), [True]),
        make.make_tensor("first", onnx.TensorProto.INT64, (1,), [0]),
        make.make_tensor("last", onnx.TensorProto.INT64, (1,), [10]),
        make.make_tensor("axis", onnx.TensorProto.INT64, (1,), [1]),
    ]
    nodes = [
        make.make_node("Flatten", ["input"], ["flat"]),
        make.make_node("Slice", ["flat", "first", "last", "axis"], ["ten"]),
        make.make_node("Loop", ["rounds", "true", "ten"], ["logits"], body=body),
    ]
    fed = make.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ("n", 1, 8, 8))
    given = make.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ("n", 10))
    graph = make.make_graph(nodes, "endless", [fed], [given], constants)
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)
