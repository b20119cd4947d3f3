"""What a scheme is. Each is one file in `schemes/`, found by listing the folder.

Vendor packages are imported inside methods only, so that every scheme can be listed where none is installed.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from msgspec.structs import replace

from ..core.errors import UsageError
from ..core.foreign import ForeignPlugins, unusable
from ..core.missing import unavailable_error
from ..core.registry import choose, discover, unknown
from ..core.types import Certificate, Precision, Unavailable
from .config import Activations, Calibration, QuantizeConfig, Saturation

if TYPE_CHECKING:
    import numpy as np

Feeds = Callable[[], "Iterator[np.ndarray]"]

# What schemes take and give, always in memory. onnx, litert: the bytes of such a file; torch: an ExportedProgram.
GraphKind = Literal["onnx", "litert", "torch"]

NUMBERED = re.compile(r"node_[A-Za-z]\w*")  # as in "node_Conv_124"


class Layer(NamedTuple):
    """A graph node that is quantized unless it is kept in float.

    `macs` are its multiply-adds for one image: 0 for what multiplies nothing, such as additions and pools.
    """

    name: str
    op: str
    macs: int


class Quantized(NamedTuple):
    """A graph of its scheme's kind, and the certificate of its integer layers.

    The certificate is None where it was not asked for or the scheme has none.
    """

    graph: Any
    certificate: Certificate | None = None


class Variants(ABC):
    """A calibrated graph, from which others with any of its layers in float are made without calibrating again.

    `layers` are all that could be quantized and may be kept in float, in the graph's order.
    """

    layers: tuple[Layer, ...]

    @abstractmethod
    def quantized(self, keep_float: Collection[str]) -> Quantized:
        """The graph in which the nodes of these names stay in float; their order does not matter.

        The same names give the same graph, whatever was made before. Raises UsageError for a node that is not there.
        """


class Scheme(ABC):
    """A way to quantize graphs of one kind.

    The versions of `packages` go into the provenance. `calibrations` and the fields below it hold what the options of
    QuantizeConfig can be, the scheme's own choice first.
    `runtime` is the one that it is made for, where it is made for one: its artifacts are timed and profiled there.
    """

    name: ClassVar[str]
    precision: ClassVar[Precision]
    graph_kind: ClassVar[GraphKind]
    packages: ClassVar[tuple[str, ...]]
    runtime: ClassVar[str | None] = None
    calibrations: ClassVar[tuple[Calibration, ...]]
    activations: ClassVar[tuple[Activations, ...]]
    equalise: ClassVar[tuple[bool, ...]]
    bias_correction: ClassVar[tuple[bool, ...]]
    saturation: ClassVar[tuple[Saturation, ...]]

    @abstractmethod
    def unavailable(self) -> Unavailable | None:
        """Why this scheme cannot work here, or None."""

    def complete(self, config: QuantizeConfig) -> QuantizeConfig:
        """The configuration with this scheme's own choices where it names none.

        Raises UsageError for what the scheme does not have.
        """
        choices: dict[str, tuple[str | bool, ...]] = {
            "calibration": self.calibrations,
            "activations": self.activations,
            "equalise": self.equalise,
            "bias_correction": self.bias_correction,
            "saturation": self.saturation,
        }
        for name, known in choices.items():
            value = getattr(config, name)
            if value is None:
                config = replace(config, **{name: known[0]})
            elif value not in known:
                is_switch = isinstance(value, bool)
                asked = name.replace("_", " ") if is_switch else f"{name} {value}"
                fix = "Leave the option away." if is_switch else f"It has {', '.join(map(str, known))}."
                raise UsageError(f"scheme {self.name} has no {asked}", fix)
        return config

    @abstractmethod
    def passes(self, config: QuantizeConfig) -> int:
        """How often `variants` goes through all feeds, for who shows the time left."""

    @abstractmethod
    def variants(self, graph: Any, feeds: Feeds, config: QuantizeConfig) -> Variants:
        """Calibrate the float `graph`, as if no layer were to stay in float. `config` is complete.

        `feeds()` yields the calibration batches, the same each time, as the graph's input takes them; nothing is fed
        once this has returned, and `graph` is left as it was. Raises UsageError for a graph that is quantized already
        or a name in `config.keep_float` that is not there, and ReszooError for operators that it does not know,
        weights or activations that are not finite, and images that tell nothing.
        """

    def apply(self, graph: Any, feeds: Feeds, config: QuantizeConfig) -> Quantized:
        """Quantize the float `graph`; the same inputs give the same bytes."""
        return self.variants(graph, feeds, self.complete(config)).quantized(config.keep_float)


@cache
def schemes() -> Mapping[str, Scheme]:
    from . import schemes as package

    stand_in = partial(
        unusable,
        Scheme,
        precision="int8",
        graph_kind="onnx",
        packages=(),
        calibrations=(),
        activations=(),
        equalise=(),
        bias_correction=(),
        saturation=(),
    )
    return discover(package, "SCHEME", ForeignPlugins("schemes", Scheme, stand_in))


def scheme_named(name: str) -> Scheme:
    """The scheme; an unknown one is a usage error, one that cannot work here an UnavailableError."""
    chosen: Scheme = choose(schemes(), name, "quantization scheme")
    if missing := chosen.unavailable():
        raise unavailable_error(missing)
    return chosen


def check_names(nodes: Collection[str], keep_float: Collection[str], what: str = "graph node") -> None:
    """Refuse names of nodes that a graph with these `nodes` does not have."""
    for name in keep_float:
        if name not in nodes:
            raise _numbered(name, nodes, what) if NUMBERED.fullmatch(name) else unknown(name, nodes, what)


def _numbered(name: str, nodes: Collection[str], what: str) -> UsageError:
    """Earlier versions left nodes the exporter's names, which nothing here can be found by but their kind."""
    kind = name.split("_")[1].lower()
    error = unknown(name, [node for node in nodes if kind in node] or nodes, what)
    return UsageError(error.problem, f"Nodes have the names of the network's modules, not numbers. {error.fix}")
