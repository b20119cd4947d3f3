"""The 1,000 classes of ImageNet-1k (ILSVRC2012) in the order of every published network: that of their WordNet ids.

The ids are facts of the challenge; the names are torchvision's, in which no two are alike. It lies here because `zoo`
and `datasets` both need it, and neither may import the other.
"""

import re
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("imagenet1k.txt")
WNID = re.compile(r"n\d{8}(?!\S)")


@cache
def names_by_wnid() -> dict[str, str]:
    """ "n01440764" -> "tench", in order."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


@cache
def wnids_by_name() -> dict[str, str]:
    """ "tench" -> "n01440764"."""
    return {name: wnid for wnid, name in names_by_wnid().items()}


def wnid_of(label: str) -> str | None:
    """The WordNet id of a class: that which its name is or begins with, else that of ImageNet's class of this name."""
    if found := WNID.match(label):
        return found[0]
    return wnids_by_name().get(label)
