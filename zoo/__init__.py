"""The zoo: a catalogue of trained networks, and the way from a name to a verified checkpoint.

checkpoint = reszoo.zoo.load("resnet20_v1.akamaster_cifar10")
model = reszoo.zoo.build(checkpoint)

Nothing here imports torch before weights are touched.
"""

from .catalogue import Card as Card
from .catalogue import cards as cards
from .catalogue import resolve as resolve
from .checkpoints import build as build
from .checkpoints import read as read
from .checkpoints import save as save
from .store import download as download
from .store import find as find
from .store import load as load
from .summary import Summary as Summary
from .summary import summary as summary

__all__ = [
    "Card",
    "Summary",
    "build",
    "cards",
    "download",
    "find",
    "load",
    "read",
    "resolve",
    "save",
    "summary",
]
