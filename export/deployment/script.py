"""run.py: `runner.py` with an engine's `load` in the place where it imports one."""

import inspect
import json
from pathlib import Path
from typing import NamedTuple

from ...core.types import Candidate
from .engine import Engine, engines

SCRIPT = "run.py"
# What stands in runner.py for an engine.
PACKAGES = "onnxruntime, "
FILE = '"model.onnx"'
IMPORT = "from .engines.onnxruntime import load\n"


class Entry(NamedTuple):
    """Where a model is entered without reszoo: the engine, and the name of the file that it opens."""

    engine: Engine
    file: str


def find_entry(model: Candidate, runtime_name: str) -> Entry | None:
    """None where that runtime needs reszoo to run these files."""
    engine = engines().get(runtime_name)
    names = [record.name for record in model.files if engine and record.name.endswith(engine.opens)]
    return Entry(engine, names[0]) if engine and names else None


def script(entry: Entry) -> str:
    """The text of run.py."""
    text = Path(__file__).with_name("runner.py").read_text(encoding="utf-8")
    text = text.replace(PACKAGES, "".join(f"{package}, " for package in entry.engine.packages))
    text = text.replace(FILE, json.dumps(entry.file))
    return text.replace(IMPORT, f"\n{inspect.getsource(entry.engine.load)}")
