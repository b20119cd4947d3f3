"""What a format is: a way to write a network to disk."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...core.errors import UsageError
from ...core.foreign import ForeignPlugins, unusable
from ...core.hosts import versions
from ...core.missing import unavailable_error
from ...core.registry import choose, discover
from ...core.types import Artifact, Candidate, Checkpoint, Figure, Precision, TensorSpec, Unavailable
from ...quantize.config import Activations, QuantizeConfig
from ...quantize.contract import GraphKind, Scheme
from .options import ExportOptions, input_spec, output_spec

if TYPE_CHECKING:
    from .runtime import Runtime


class Format(ABC):
    """A way to write a network to disk.

    `parity_runtime` is the runtime that runs the files for the parity record. An option that is not in
    `precisions` or `inputs`, or an opset where `has_opset` is false, is refused before anything is written.
    `accelerators` are the NPUs that it can be compiled for, `isas` the sets of kernels that it can be written with.
    A dynamic batch ends at `largest_batch`; None is no end.
    `opened` are the files that a runtime opens, or folders of which it may open all; `named_in`
    says which others these name.
    One that `holds` the files of another format is not measured beside it.
    The same checkpoint and options give the same bytes, where `is_reproducible`. `companions` are those of the files
    written that stand beside the model for people: a runtime needs none of them.
    """

    name: ClassVar[str]
    parity_runtime: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]]
    inputs: ClassVar[tuple[str, ...]] = ("float",)
    has_opset: ClassVar[bool] = False
    has_static_batch: ClassVar[bool] = False
    has_batch_range: ClassVar[bool] = False
    largest_batch: ClassVar[int | None] = None
    is_for_gpus: ClassVar[bool] = False
    accelerators: ClassVar[tuple[str, ...]] = ()
    isas: ClassVar[tuple[str, ...]] = ()
    is_reproducible: ClassVar[bool] = True
    opened: ClassVar[tuple[str, ...]] = ()
    companions: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]]

    @abstractmethod
    def unavailable(self) -> Unavailable | None:
        """Why this format cannot be written here, or None."""

    @abstractmethod
    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        """Write the model's files into the empty `folder`."""

    def check(self, options: ExportOptions) -> None:
        """Refuse options that this format does not have."""
        if options.precision not in self.precisions:
            raise UsageError(
                f"format {self.name} has no precision {options.precision}", f"It has {', '.join(self.precisions)}."
            )
        if options.quantize is not None and options.precision != "int8":
            raise UsageError(f"precision {options.precision} is not quantized", "Choose precision int8.")
        if options.input not in self.inputs:
            raise UsageError(f"format {self.name} has no {options.input} input", f"It has {', '.join(self.inputs)}.")
        if options.opset is not None and not self.has_opset:
            raise UsageError(f"format {self.name} has no opset", "Leave `opset` away.")
        if options.batch is not None and not self.has_static_batch:
            raise UsageError(f"format {self.name} always has a dynamic batch", "Leave `batch` away.")
        if options.batches is not None and not self.has_batch_range:
            raise UsageError(
                f"format {self.name} takes no range of batch sizes", "Leave `batch` away, or give one size: `batch=8`."
            )
        if options.compute_capability and not self.is_for_gpus:
            raise UsageError(f"format {self.name} is not built for a GPU", "Leave `compute_capability` away.")
        if unknown := [name for name in options.accelerator if name not in self.accelerators]:
            raise UsageError(
                f"format {self.name} is not compiled for the accelerator {unknown[0]}",
                f"It is for {', '.join(self.accelerators)}." if self.accelerators else "Leave `accelerator` away.",
            )

        if unknown := [name for name in options.isa if name not in self.isas]:
            raise UsageError(
                f"format {self.name} has no kernels {unknown[0]}",
                f"It has {', '.join(self.isas)}." if self.isas else "Leave `isa` away.",
            )

    def complete(self, options: ExportOptions) -> ExportOptions:
        """The options with what they leave open and this format has to decide."""
        return options

    def versions(self) -> dict[str, str]:
        """What it is written with, for the provenance; packages that are not installed are left out."""
        return versions(self.packages)

    def named_in(self, folder: Path) -> tuple[str, ...]:
        """Other files that the model's files name, and that a runtime would open with them."""
        return ()

    def ends(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> tuple[TensorSpec, TensorSpec]:
        """The input and the output of what was written into `folder`."""
        most = self.largest_batch
        return input_spec(checkpoint, options, most), output_spec(checkpoint, options, most)

    def figures(self, written: Candidate) -> tuple[Figure, ...]:
        """What the proven files need on devices that are not here, where that can be known."""
        return ()

    def guide(self, artifact: Artifact) -> str:
        """What README.md says of running it elsewhere, where there is more to say than of run.py."""
        return ""

    def stand_in(self, written: Candidate) -> "tuple[Candidate, Runtime] | None":
        """What proves the files where they can be written but not run, if anything does, and what runs that."""
        return None


class GraphFormat(Format):
    """A format that is converted from a graph, so that a quantization scheme can stand between the two.

    `graph_kind` says what the graph is, and with `activations`, those that it can be converted with, which schemes
    there are. `natural_int8` is what precision int8 means, in all that the user leaves open.
    """

    graph_kind: ClassVar[GraphKind]
    activations: ClassVar[tuple[Activations, ...]] = ("u8", "s8")
    natural_int8: ClassVar[QuantizeConfig]

    def fits(self, scheme: Scheme) -> bool:
        """Whether it can be converted from what the scheme makes."""
        return scheme.graph_kind == self.graph_kind and not set(scheme.activations).isdisjoint(self.activations)

    def check(self, options: ExportOptions) -> None:
        super().check(options)
        asked = options.quantize.activations if options.quantize else None
        if asked not in (None, *self.activations):
            raise UsageError(
                f"format {self.name} takes no {asked} activations",
                f"Leave `activations` away, or choose {' or '.join(self.activations)}.",
            )

    @abstractmethod
    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> Any:
        """The network as this format is converted from it: what `graph_kind` stands for."""

    @abstractmethod
    def convert(self, graph: Any, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        """Write the files of the graph, which is quantized where `options.precision` is int8, into `folder`."""

    def write(self, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
        self.convert(self.graph(checkpoint, options), checkpoint, options, folder)


@cache
def formats() -> Mapping[str, Format]:
    from .. import formats as package

    def stand_in(missing: Unavailable) -> Any:
        precisions = ("fp32", "fp16", "int8")
        return unusable(Format, missing, parity_runtime="", precisions=precisions, packages=(missing.what,))

    return discover(package, "FORMAT", ForeignPlugins("formats", Format, stand_in))


def format_named(name: str) -> Format:
    """The format plug-in; an unknown one is a usage error, one that cannot work here an UnavailableError."""
    chosen: Format = choose(formats(), name, "format")
    if missing := chosen.unavailable():
        raise unavailable_error(missing)
    return chosen
