"""One conversion of a network serves all tests that need the same: the makers' converters take seconds for each.

What is kept is what they have really written, for this run only, under all that decides it. A test that is about
converting itself is marked `afresh`: it converts anew, in whatever it does.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from once import once

from reszoo.core.types import Checkpoint
from reszoo.export import ExportOptions
from reszoo.export.formats import coreml, executorch, litert, ncnn, onnx

GRAPHS = (onnx.OnnxFormat, litert.LiteRtFormat)  # `graph` gives bytes
FILES = (coreml.CoreMlFormat, executorch.ExecuTorchFormat, ncnn.NcnnFormat)  # `write` makes files


@pytest.fixture(scope="session", autouse=True)
def conversions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind in GRAPHS:
            patch.setattr(kind, "graph", _kept_graph(kind.graph, tmp_path_factory))
        for other in FILES:
            patch.setattr(other, "write", _kept_files(other.write, tmp_path_factory))
        yield


@pytest.fixture(autouse=True)
def _afresh(request: pytest.FixtureRequest) -> Iterator[None]:
    Fresh.is_wanted = request.node.get_closest_marker("afresh") is not None
    yield
    Fresh.is_wanted = False


class Fresh:
    is_wanted = False
    deployed = onnx.deployed  # a test that puts another network in its place converts that


def _is_kept() -> bool:
    return not Fresh.is_wanted and onnx.deployed is Fresh.deployed


@cache
def _keep_operators() -> None:
    """PyTorch's exporter makes its table of operators anew for each graph, which is a third of the work."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))  # type: ignore[method-assign]


def _kept_graph(graph: Callable[..., bytes], factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    def kept(self: Any, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        _keep_operators()
        if not _is_kept():
            return graph(self, checkpoint, options)
        floats = msgspec.structs.replace(options, quantize=None)
        if isinstance(self, litert.LiteRtFormat):  # the precision comes behind the graph
            floats = msgspec.structs.replace(floats, precision="fp32")
        name = _name(self, checkpoint, floats)
        return once(factory, name, lambda path: path.write_bytes(graph(self, checkpoint, options))).read_bytes()

    return kept


def _kept_files(write: Callable[..., None], factory: pytest.TempPathFactory) -> Callable[..., None]:
    def kept(self: Any, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        if not _is_kept():
            write(self, checkpoint, options, folder)
            return

        def make(path: Path) -> None:
            path.mkdir()
            write(self, checkpoint, options, path)

        made = once(factory, _name(self, checkpoint, options), make)
        shutil.copytree(made, folder, dirs_exist_ok=True)

    return kept


def _name(plugin: Any, checkpoint: Checkpoint, options: ExportOptions) -> str:
    """By all that decides the bytes; where the weights lie does not."""
    elsewhere = msgspec.structs.replace(checkpoint, weights_path=Path())
    what = msgspec.json.encode((type(plugin).__qualname__, elsewhere, options), enc_hook=str)
    return f"{plugin.name}-{hashlib.sha256(what).hexdigest()[:16]}"
