"""Makers' libraries talk on both outputs; a verb's own words, and JSON, are all that reaches them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo.export.contract.format import formats

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


@pytest.mark.timeout(900)  # on a busy machine its converters take minutes
@pytest.mark.long
@pytest.mark.parametrize("maker", ["executorch", "litert", "ncnn"])
def test_no_maker_is_heard(maker: str, tmp_path: Path) -> None:
    """The libraries that write to both outputs by themselves: on exporting, quantizing and running."""
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "image.png")
    if missing := formats()[maker].unavailable():
        pytest.skip(missing.reason)
    most = formats()[maker].precisions[-1]  # int8 first writes the graph in float, as fp32 does
    verbs = [["export", REF, "--to", maker, "--precision", most, "--out", "made"], ["predict", "made", "image.png"]]
    command = [sys.executable, "-c", VERBS, json.dumps(verbs)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(documents(done.stdout)) == len(verbs)
