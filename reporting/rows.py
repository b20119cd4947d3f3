"""What a report says, as data: a row for each measurement, in SI units, nothing rounded."""

from typing import Literal

from ..core.measured import Among, ColdStart, Host, Measurement, WarningKind, split_name
from ..core.types import DType, Precision, Record

Axis = Literal["latency", "throughput", "size", "memory"]


class Estimate(Record, frozen=True, kw_only=True):
    """A figure and its 95 % interval; None where the samples are too few for one."""

    value: float
    low: float | None
    high: float | None


class Top1(Estimate, frozen=True, kw_only=True):
    """Accuracy on `n` images of a split, with Wilson's interval.

    `is_shared`: it was counted beside another scenario of the same artifact, runtime and device, and the scenario
    does not change it.
    """

    dataset: str
    split: str
    among: Among | None
    n: int
    is_shared: bool

    @property
    def where(self) -> str:
        """What it was measured on."""
        return split_name(self.dataset, self.split, self.among)


class MemoryParts(Record, frozen=True, kw_only=True):
    """What was taken at the peak, in bytes, by steps that add up to `taken`. A step that frees memory is negative.

    runtime     by importing it
    model       by loading it
    first_run   by the first batch
    later       from there to the peak
    """

    taken: int
    runtime: int
    model: int
    first_run: int
    later: int


class RowWarning(Record, frozen=True, kw_only=True):
    """A warning, and what to do about it."""

    kind: WarningKind
    detail: str
    advice: str


class Row(Record, frozen=True, kw_only=True):
    """One measurement.

    model         the checkpoint's name, with its weights' hash where two share the name
    host          index into the report's hosts
    target        how that machine was reached: "local", "ssh://pi@board"
    way           how the figures were got: "measured"
    latency_s     of one batch: the median
    p90_s, p99_s  None where the samples do not carry them
    images_per_s  of all streams together; None with a cold cache, because emptying it takes time too
    pareto        the axes on which no comparable row is better: see `pareto.py`
    command       measures it again
    """

    model: str
    source_ref: str
    weights_sha256: str
    artifact_sha256: str
    runtime: str
    device: str
    format: str
    precision: Precision
    input_dtype: DType
    threads: int
    streams: int
    batch: int
    cold_cache: bool
    host: int
    target: str
    way: str
    started_at: str
    n_samples: int
    latency_s: Estimate
    p90_s: float | None
    p99_s: float | None
    images_per_s: Estimate | None
    accuracy: Top1 | None
    artifact_bytes: int
    compressed_bytes: int
    memory_bytes: MemoryParts
    cold_start: ColdStart
    warnings: tuple[RowWarning, ...]
    command: str
    pareto: tuple[Axis, ...] = ()


class Report(Record, frozen=True, kw_only=True):
    """`rows[i]` is of `measurements[i]`; sorted by model, device, runtime, artifact and scenario."""

    rows: tuple[Row, ...]
    measurements: tuple[Measurement, ...]
    hosts: tuple[Host, ...]

    def __repr__(self) -> str:
        return f"Report({len(self.rows)} measurements of {', '.join(dict.fromkeys(row.model for row in self.rows))})"
