"""Makers' libraries talk on both outputs; a verb's own words, and JSON, are all that reaches them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from reszoo.export.contract import formats, runtimes
from reszoo.export.quantizing import format_for
from reszoo.quantize.contract import schemes

REF = "resnet8_v1.reszoo_digits"
# In one process, which has each library imported once; with outputs that are no terminal, so that there are no bars.
VERBS = """
import json, sys
from reszoo.cli.main import app
for arguments in json.loads(sys.argv[1]):
    app([*arguments, "--json"], standalone_mode=False)
"""


def documents(text: str) -> list[object]:
    """JSON, one after the other, and nothing else."""
    found, decoder = [], json.JSONDecoder()
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip("\n")
    return found


def test_no_maker_is_heard(tmp_path: Path) -> None:
    """All formats that can be made here are exported; where they can be run, they are; all schemes quantize."""
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "image.png")
    here = [name for name, plugin in formats().items() if plugin.unavailable() is None]
    verbs = [["export", REF, "--to", ",".join(here), "--out", "made"]]
    for name in here:
        runtime = runtimes()[formats()[name].parity_runtime]
        if runtime.unavailable(runtime.devices[0]) is None:
            verbs.append(["predict", f"made/{REF}-{name}-fp32", "image.png", "--runtime", runtime.name])
    for name, scheme in schemes().items():
        if scheme.unavailable() is None and format_for(name) in here:
            verbs.append(["quantize", REF, "--scheme", name, "--images", "32", "--no-measure", "--out", name])
    command = [sys.executable, "-c", VERBS, json.dumps(verbs)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(documents(done.stdout)) == len(verbs)
