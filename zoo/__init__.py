"""The zoo: a catalogue of trained networks, and the way from a name to a verified checkpoint.

checkpoint = reszoo.zoo.load("resnet20_v1.akamaster_cifar10")
model = reszoo.zoo.build(checkpoint)

Nothing here imports torch before weights are touched.
"""

from .catalogue import Card as Card
from .catalogue import cards as cards
from .checkpoints import build as build
from .checkpoints import read as read
from .checkpoints import save as save
from .creating import create_model as create_model
from .foreign import from_timm as from_timm
from .foreign import from_torchvision as from_torchvision
from .foreign import to_timm as to_timm
from .foreign import to_torchvision as to_torchvision
from .listing import ModelCard as ModelCard
from .listing import list_models as list_models
from .local import remember as remember
from .names import folder_of as folder_of
from .names import resolve as resolve
from .store import download as download
from .store import find as find
from .store import is_unverified as is_unverified
from .store import load as load

__all__ = [
    "Card",
    "ModelCard",
    "build",
    "cards",
    "create_model",
    "download",
    "find",
    "folder_of",
    "from_timm",
    "from_torchvision",
    "is_unverified",
    "list_models",
    "load",
    "read",
    "remember",
    "resolve",
    "save",
    "to_timm",
    "to_torchvision",
]
