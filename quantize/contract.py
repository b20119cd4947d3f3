"""What a scheme is. Each is one file in `schemes/`, found by listing the folder.

Vendor packages are imported inside methods only, so that every scheme can be listed where none is installed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from msgspec.structs import replace

from ..core.errors import UnavailableError, UsageError
from ..core.registry import choose, discover
from ..core.types import Certificate, Precision, Unavailable
from .config import Activations, Calibration, QuantizeConfig

if TYPE_CHECKING:
    import numpy as np

Feeds = Callable[[], "Iterator[np.ndarray]"]


class Layer(NamedTuple):
    """A graph node that is quantized unless it is kept in float.

    `macs` are its multiply-adds for one image: 0 for what multiplies nothing, such as additions and pools.
    """

    name: str
    op: str
    macs: int


class Variants(ABC):
    """A calibrated model, from which files with any of its layers in float are written without calibrating again.

    `layers` are all that could be quantized and may be kept in float, in the graph's order.
    """

    layers: tuple[Layer, ...]

    @abstractmethod
    def write(self, keep_float: Collection[str], out: Path) -> Certificate | None:
        """Write the file in which the nodes of these names stay in float; their order does not matter.

        The same names give the same bytes, whatever was written before. Gives the certificate of the integer layers,
        or None where it was not asked for or the scheme has none. Raises UsageError for a node that is not there.
        """


class Scheme(ABC):
    """A way to quantize model files of some formats.

    `formats` are those whose files it takes and gives, `natural_for` those where `--precision int8` means it.
    The versions of `packages` go into the lineage. It has these `calibrations`, the default first, and `activations`.
    `runtime` is the one that it is made for, where it is made for one: what it gives is raced and examined there.
    """

    name: ClassVar[str]
    precision: ClassVar[Precision]
    formats: ClassVar[tuple[str, ...]]
    natural_for: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]]
    calibrations: ClassVar[tuple[Calibration, ...]]
    activations: ClassVar[tuple[Activations, ...]]
    runtime: ClassVar[str | None] = None

    @abstractmethod
    def unavailable(self) -> Unavailable | None:
        """Why this scheme cannot work here, or None."""

    def complete(self, config: QuantizeConfig) -> QuantizeConfig:
        """The configuration with this scheme's own calibration where it names none.

        Raises UsageError for what the scheme does not have.
        """
        config = replace(config, calibration=config.calibration or self.calibrations[0])
        for name, known in (("calibration", self.calibrations), ("activations", self.activations)):
            if (value := getattr(config, name)) not in known:
                raise UsageError(f"scheme {self.name} has no {name} {value}", f"It has {', '.join(known)}.")
        return config

    @abstractmethod
    def passes(self, config: QuantizeConfig) -> int:
        """How often `variants` goes through all feeds, for who shows the time left."""

    @abstractmethod
    def variants(self, model: Path, feeds: Feeds, config: QuantizeConfig) -> Variants:
        """Calibrate the float file `model`, as if no layer were to stay in float. `config` is complete.

        `feeds()` yields the calibration batches, the same each time, as the model's input takes them; nothing is fed
        once this has returned, and `model` has to stay where it is. Raises UsageError for a model that is quantized
        already or a name in `config.keep_float` that is not there, and ReszooError for operators that it does not
        know, weights or activations that are not finite, and images that tell nothing.
        """

    def apply(self, model: Path, out: Path, feeds: Feeds, config: QuantizeConfig) -> Certificate | None:
        """Quantize the float file `model` into the file `out`; the same inputs give the same bytes."""
        return self.variants(model, feeds, self.complete(config)).write(config.keep_float, out)


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
