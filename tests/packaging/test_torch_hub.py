"""hubconf.py: every architecture for `torch.hub.load`."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import torch

import reszoo

ROOT = Path(__file__).parents[2]


def test_torch_hub_loads_a_pretrained_network() -> None:
    found = torch.hub.load(str(ROOT), "resnet20_v2", pretrained="reszoo_cifar10", source="local", trust_repo=True)
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(found(images), reszoo.load("resnet20_v2.reszoo_cifar10").module()(images))


def test_every_architecture_is_an_entry_that_explains_itself() -> None:
    """As `torch.hub.list` and `torch.hub.help` read the file, which know no local folder."""
    found = runpy.run_path(str(ROOT / "hubconf.py"))
    for name in reszoo.models.names():
        assert callable(found[name])
        assert "pretrained" in found[name].__doc__


def test_it_needs_no_installation(tmp_path: Path) -> None:
    """A checkout that torch.hub downloads is nowhere on Python's path."""
    made = f"runpy.run_path({str(ROOT / 'hubconf.py')!r})['resnet8_v1'](num_classes=4)"
    program = f"import runpy; print({made}.spec.num_classes)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.stdout == "4\n", done.stderr
