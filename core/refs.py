"""What a checkpoint may be called, and every path that is made of a name."""

import re
from pathlib import Path

from .errors import UsageError

NAME = re.compile(r"\w[\w.+=,-]*")
HUB_SCHEME = "hf://"
ALLOWED = "letters, digits and _ . + = , - after the first"
LONGEST_REF = 160  # bytes
LONGEST_NAME = 237  # bytes: 255 is what file systems take, and a staging folder adds 18


def problem_of(ref: str) -> str:
    """Why nothing can be called that; "" for a good name."""
    return _problem_of(ref, LONGEST_REF)


def check_ref(ref: str) -> None:
    """Raises UsageError where no checkpoint can be called that."""
    if problem := problem_of(ref):
        raise UsageError(f"{ref!r} cannot name a checkpoint: {problem}", "Name it like resnet20_v1.mine.")


def inside(folder: Path, name: str) -> Path:
    """`folder/name`, which lies in the folder. Raises UsageError where it would not, or is no name."""
    if problem := _problem_of(name, LONGEST_NAME):
        raise UsageError(f"{name!r} cannot name a file: {problem}", "Give a path of your own as `out`.")
    return folder / name


def is_on_hub(ref: str) -> bool:
    """Whether it is meant to be an address on the hub, well written or not."""
    return ref.startswith(HUB_SCHEME)


def _problem_of(name: str, longest: int) -> str:
    if NAME.fullmatch(name) is None:
        return f"a name has {ALLOWED}"
    size = len(name.encode(errors="replace"))
    return f"it has {size} bytes, and {longest} are the most" if size > longest else ""
