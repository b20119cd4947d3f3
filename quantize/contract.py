"""What a scheme is. Each is one file in `schemes/`, found by listing the folder.

Vendor packages are imported inside methods only, so that every scheme can be listed where none is installed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..core.errors import UnavailableError, UsageError
from ..core.registry import choose, discover
from ..core.types import Certificate, Precision, Unavailable
from .config import QuantizeConfig

if TYPE_CHECKING:
    import numpy as np

Feeds = Callable[[], "Iterator[np.ndarray]"]


class Scheme(ABC):
    """A way to quantize model files of some formats.

    `formats` are those whose files it takes and gives, `natural_for` those where `--precision int8` means it.
    The versions of `packages` go into the lineage.
    """

    name: ClassVar[str]
    precision: ClassVar[Precision]
    formats: ClassVar[tuple[str, ...]]
    natural_for: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]]

    @abstractmethod
    def unavailable(self) -> Unavailable | None:
        """Why this scheme cannot work here, or None."""

    @abstractmethod
    def passes(self, config: QuantizeConfig) -> int:
        """How often `apply` goes through all feeds, for who shows the time left."""

    @abstractmethod
    def apply(self, model: Path, out: Path, feeds: Feeds, config: QuantizeConfig) -> Certificate | None:
        """Quantize the float file `model` into the file `out`; the same inputs give the same bytes.

        `feeds()` yields the calibration batches, the same each time, as the model's input takes them. Gives the
        certificate of the integer layers, or None where it was not asked for or the scheme has none.
        Raises UsageError for a model that is quantized already or a layer that is not there, and ReszooError for
        operators that it does not know, weights or activations that are not finite, and images that tell nothing.
        """


def schemes() -> dict[str, Scheme]:
    from . import schemes as package

    return discover(package, "SCHEME")


def scheme_named(name: str) -> Scheme:
    """The scheme; an unknown one is a usage error, one that cannot work here an UnavailableError."""
    chosen: Scheme = choose(schemes(), name, "quantization scheme")
    if missing := chosen.unavailable():
        raise UnavailableError(f"{missing.what} is not available here: {missing.reason}", missing.fix)
    return chosen


def natural_scheme(format_name: str) -> Scheme:
    """The scheme that a format is quantized with unless the user names another."""
    for scheme in schemes().values():
        if format_name in scheme.natural_for:
            return scheme
    raise UsageError(f"no scheme quantizes the format {format_name}", f"Choose {', '.join(_formats())}.")


def _formats() -> list[str]:
    return sorted({name for scheme in schemes().values() for name in scheme.formats})
