"""How large things from outside may be. A few bytes of a document can ask for all memory, or for a computation without
end; these bounds lie far above every network that there is, and are checked before anything is allocated.
"""

import os
from collections.abc import Iterable
from math import prod
from numbers import Integral

from .errors import UsageError

DOCUMENT_BYTES = 32 << 20
LARGEST_NUMBER = 1 << 20  # of channels, classes, or anything else that a spec counts
BLOCKS = 4096  # of all stages: ResNet-1202 has 600
PARAMETERS = 1 << 33
IMAGE_ELEMENTS = 1 << 26  # of one input: 4700 x 4700 pixels in colour
ACTIVATION_ELEMENTS = 1 << 30  # of one layer, of one image
BATCH = 1 << 16
TENSOR_ELEMENTS = 1 << 28  # of the smallest batch that an artifact takes: 1 GiB in float32


def check_numbers(what: str, values: Iterable[int], most: int = LARGEST_NUMBER) -> None:
    """Raises ValueError for one that is too large."""
    if (largest := max(values, default=0)) > most:
        raise ValueError(f"{largest:,} {what}, and {most:,} are the most")


def check_elements(what: str, shape: Iterable[int], most: int) -> None:
    """Raises ValueError for a shape of too many elements."""
    sides = tuple(shape)
    if prod(sides) > most:
        raise ValueError(f"{what} of {' x '.join(map(str, sides))} is too large: {most:,} elements are the most")


def check_counts(*, batches: Iterable[int] = (), threads: Iterable[int] = (), streams: int = 1) -> None:
    """Raises UsageError for more images, threads or streams at a time than can be meant."""
    cores = os.cpu_count() or 1
    for name, values, most in (
        ("batch", batches, BATCH),
        ("threads", threads, max(64, 4 * cores)),  # engines fail in native code where threads cannot be started
        ("streams", [streams], max(64, 4 * cores)),
    ):
        several = list(values)
        if strange := [each for each in several if not isinstance(each, Integral)]:
            raise UsageError(f"`{name}={strange[0]!r}` is no whole number", f"Give `{name}=1` or more.")
        if (largest := max(several, default=0)) > most:
            raise UsageError(
                f"`{name}={largest}` is too much: {most} are the most here", f"Give `{name}={most}` or less."
            )
