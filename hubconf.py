"""For `torch.hub.load(FOLDER or "OWNER/reszoo", ARCH, ...)`: every architecture that has a name is an entry point.

    torch.hub.load(".", "resnet20_v2", pretrained="reszoo_cifar10", source="local")

The arguments are those of `reszoo.create_model`. reszoo has to be importable: installed, or this folder, whose `src` is
taken then.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

dependencies = ["torch", "numpy", "safetensors", "msgspec"]

if find_spec("reszoo") is None:
    sys.path.insert(0, str(Path(__file__).parent / "src"))

from reszoo import create_model  # noqa: E402
from reszoo.models import names  # noqa: E402


def _entry(name: str) -> Callable[..., Any]:
    entry = partial(create_model, name)
    entry.__doc__ = f"{name}. {create_model.__doc__}"
    return entry


globals().update({name: _entry(name) for name in names()})
