"""The records of measuring: a machine, a scenario, and what was seen when an artifact ran in it on that machine.

Raw samples are kept; every statistic is derived from them, and nothing is rounded before it is printed.
"""

from typing import Annotated, ClassVar, Literal

import msgspec

from . import samples
from .choices import Choices
from .estimates import Ratio, carries, log_ratio, median, median_interval, quantile, ratio_of_rounds, throughput
from .looking import confidence_of_round
from .schemas import Schema
from .statistics import Interval
from .types import DType, FileRecord, NotNegative, Positive, Precision, ProvenanceStep, Record, Way

BASELINE, AGAIN = 0, 1  # the first two of a comparison's subjects
CONFIDENCE = 0.99  # of the interval of a comparison's ratio
LOCAL = "local"  # the target that is this machine


class Host(Record, frozen=True, kw_only=True):
    """The machine a measurement was made on: what does not change while it runs. None is "could not be found out".

    cpu_limit and memory_limit_bytes are the control group's; `commit` is reszoo's own, with "+" if it was changed.
    `emulated_by` is the program that plays the processor, where one does.
    """

    machine: str
    cpu: str
    cores: Positive
    memory_bytes: Positive
    instruction_sets: tuple[str, ...]
    gpu: str | None
    os: str
    python: str
    versions: dict[str, str]
    governor: str | None = None
    turbo: bool | None = None
    max_mhz: float | None = None
    last_level_cache_bytes: NotNegative | None = None
    cpu_limit: float | None = None
    memory_limit_bytes: NotNegative | None = None
    commit: str | None = None
    emulated_by: str | None = None


MEASURED = Way(kind="measured")


class Scenario(Choices, frozen=True, kw_only=True):
    """How an artifact is run: by which runtime (and variant of it), on what, and with how much at a time.

    Attributes:
        runtime: The engine's name.
        variant: How it loads a model; empty is as its users' programs do.
        device: Where it runs.
        batch: Images at a time.
        threads: Threads of each stream.
        streams: Sessions that run at once.
        cores: The worker is bound to these; () leaves it to the scheduler.
        seed: Chooses the real images that are the inputs.
        cold_cache: The CPU's caches are emptied before every run.
        precision: Sampling ends when the median's 95 % interval is at most this far to either side, relative to it.
        warmup_limit_s: Seconds of warming up until the latency is steady.
        sampling_limit_s: Seconds of sampling, if the precision is not reached.
        target: The machine, as it is written for `target`: "local", or "ssh://pi@board".
    """

    runtime: str
    variant: str
    device: Literal["cpu", "cuda"]
    batch: Positive
    threads: Positive
    streams: Positive = 1
    cores: tuple[NotNegative, ...] = ()
    seed: NotNegative = 0
    cold_cache: bool = False
    precision: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    warmup_limit_s: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    sampling_limit_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    target: str = LOCAL

    @property
    def runtime_name(self) -> str:
        """As it is written on the command line: "torch", or "torch:channels_last"."""
        return f"{self.runtime}:{self.variant}" if self.variant else self.runtime

    def __str__(self) -> str:
        streams = f", {self.streams} streams" if self.streams > 1 else ""
        cold = ", cold cache" if self.cold_cache else ""
        target = f", at {self.target}" if self.target != LOCAL else ""
        return f"{self.runtime_name}, {self.device}, {self.threads} threads, batch {self.batch}{streams}{cold}{target}"


class ColdStart(Record, frozen=True, kw_only=True):
    """Seconds to the first answer, step by step. Making the harness's inputs is not counted.

    start_s       the process and the interpreter, until the worker can read its first request
    import_s      the runtime's packages
    load_s        the model
    first_run_s   the first batch
    """

    start_s: float
    import_s: float
    load_s: float
    first_run_s: float


class Pages(Record, frozen=True, kw_only=True):
    """Resident memory of the worker at one moment, in bytes, as the kernel counts it.

    private is not shared with any other process; file is mapped from a file (code, and weights that are mapped).
    """

    resident_bytes: NotNegative
    private_bytes: NotNegative
    file_bytes: NotNegative


class DeviceMemory(Record, frozen=True, kw_only=True):
    """GPU memory at its peak, in bytes: of the runtime's allocator, and of the process as the driver counts it."""

    allocator_bytes: NotNegative | None
    driver_bytes: NotNegative | None


class Memory(Record, frozen=True, kw_only=True):
    """The worker's memory, step by step: its inputs made, runtime imported, model loaded, first run, steady; the peak.

    What the runtime and the model take is the difference to `started`. `cgroup_peak_bytes` counts the page cache and
    the kernel's own memory too, where the worker could have a control group of its own.
    """

    started: Pages
    imported: Pages
    loaded: Pages
    first_run: Pages
    steady: Pages
    peak_bytes: NotNegative
    cgroup_peak_bytes: NotNegative | None
    device: DeviceMemory | None

    @property
    def taken_bytes(self) -> int:
        """By the runtime and the model together, at the peak."""
        return self.peak_bytes - self.started.resident_bytes


Among = Literal["network", "data"]


def split_name(dataset: str, split: str, among: Among | None) -> str:
    """ "digits/test"; "flowers/test, answers among all classes of the network"."""
    classes = {None: "", "network": ", answers among all classes of the network", "data": ", answers among its classes"}
    return f"{dataset}/{split}{classes[among]}"


class Accuracy(Record, frozen=True, kw_only=True):
    """Top-1 accuracy on a whole split: how many of `n` were right, and the file with every single prediction.

    among   where the network knows more classes than the data set has: whether its answers were chosen among all that
            it knows, or among those of the data set
    classes the file that said which class of the data set is which of the network's, as it was named, where one did
    """

    dataset: str
    split: str
    n: Positive
    correct: NotNegative
    among: Among | None = None
    classes: FileRecord | None = None
    predictions: FileRecord | None = None

    def __post_init__(self) -> None:
        if self.correct > self.n:
            raise ValueError(f"{self.correct} of {self.n} answers cannot be correct")

    @property
    def where(self) -> str:
        """What it was measured on."""
        return split_name(self.dataset, self.split, self.among)

    @property
    def value(self) -> float:
        return self.correct / self.n


class Conditions(Record, frozen=True, kw_only=True):
    """What the machine did while the samples were taken. None is "this machine does not tell".

    seconds            how long that was
    load_before        the 1-minute load average before the worker started
    foreign_cpu_s      CPU time of all other processes, on the cores that this one may use
    steal_s            taken by the hypervisor from these cores
    cgroup_throttled_s the control group's quota kept the worker waiting
    min_mhz, max_mhz   clock of the worker's cores, as read now and then; a tenth of the readings was below min_mhz
    thermal_events     times that the CPU slowed down to cool
    max_celsius        of the hottest thermal zone, as read now and then
    major_faults       pages that had to be read from disk
    gpu_min_mhz, gpu_max_mhz  clock of the GPU's multiprocessors, at the lowest and highest that was seen
    gpu_slowdowns      the driver's active reasons for a lower clock
    gpu_processes      other processes that compute on the GPU
    """

    seconds: float
    load_before: float | None
    foreign_cpu_s: float | None
    steal_s: float | None
    cgroup_throttled_s: float | None
    min_mhz: float | None
    max_mhz: float | None
    thermal_events: NotNegative | None
    major_faults: NotNegative
    gpu_min_mhz: float | None = None
    gpu_max_mhz: float | None = None
    gpu_slowdowns: tuple[str, ...] = ()
    gpu_processes: NotNegative = 0
    max_celsius: float | None = None


WarningKind = Literal[
    "foreign_load",
    "steal",
    "throttled",
    "quota",
    "powersave",
    "oversubscribed",
    "not_steady",
    "drift",
    "imprecise",
    "paging",
    "gpu_slowdown",
    "gpu_shared",
]


class MeasurementWarning(Record, frozen=True, kw_only=True):
    """A reason not to trust a measurement, from a closed set, with what was seen. `bench.machine` knows what to do."""

    kind: WarningKind
    detail: str


class Window(Record, frozen=True, kw_only=True):
    """A stretch of sampling: `runs` batches were finished by all streams together in `seconds`."""

    runs: Positive
    seconds: float


class Subject(Record, frozen=True, kw_only=True):
    """What was measured: an artifact, by its hashes, in a scenario; `made` is how, from its checkpoint on."""

    source_ref: str
    weights_sha256: str
    artifact_format: str
    artifact_sha256: str
    artifact_bytes: Positive
    compressed_bytes: Positive
    precision: Precision
    input_dtype: DType
    scenario: Scenario
    made: tuple[ProvenanceStep, ...] = ()

    def __str__(self) -> str:
        return f"{self.source_ref} as {self.artifact_format} {self.precision} on {self.scenario}"


class Measurement(Record, frozen=True, kw_only=True):
    """What one worker saw.

    Attributes:
        subject: What was measured, and in which scenario.
        host: The machine.
        samples_s: Raw seconds per run of one batch; each is the mean of `runs_per_sample` runs, which is 1 unless a
            run is too short to be timed alone.
        windows: The same time, as runs finished: what the throughput follows from.
        warmup_s: How long it took until the latency was steady.
        clock: host is the processor's, cuda_events the GPU's own.
        cold_start: Seconds to the first answer, step by step.
        memory: What was taken, step by step.
        warnings: Whatever disturbed the measurement.
        accuracy: Where it was counted, too.
        way: How the samples were got.
    """

    schema: ClassVar[Schema] = samples.MEASUREMENT

    subject: Subject
    host: Host
    started_at: str
    samples_s: tuple[float, ...]
    runs_per_sample: Positive
    windows: tuple[Window, ...]
    warmup_s: float
    clock: Literal["host", "cuda_events"]
    cold_start: ColdStart
    memory: Memory
    conditions: Conditions
    warnings: tuple[MeasurementWarning, ...]
    accuracy: Accuracy | None
    way: Way

    def __repr__(self) -> str:
        low, high = self.interval_s
        latency = f"{1e3 * self.median_s:.3g} ms ({1e3 * low:.3g} to {1e3 * high:.3g})"
        return f"Measurement({self.subject}: {latency}, {len(self.warnings)} warnings)"

    @property
    def median_s(self) -> float:
        """Of one batch."""
        return median(self.samples_s)

    @property
    def interval_s(self) -> Interval:
        """The median's 95 % interval."""
        return median_interval(self.samples_s)

    def against(self, limit_s: float) -> Literal["pass", "fail", "cannot tell"]:
        """Whether the median batch takes at most `limit_s` seconds: if its whole interval says so."""
        low, high = self.interval_s
        if high <= limit_s:
            return "pass"
        return "fail" if low > limit_s else "cannot tell"

    @property
    def p90_s(self) -> float | None:
        return self.quantile_s(0.9)

    @property
    def p99_s(self) -> float | None:
        return self.quantile_s(0.99)

    def quantile_s(self, q: float) -> float | None:
        """Of one batch; None where the samples do not carry it. Means of several runs say nothing about single ones."""
        is_carried = self.runs_per_sample == 1 and carries(len(self.samples_s), q)
        return quantile(self.samples_s, q) if is_carried else None

    @property
    def images_per_s(self) -> float | None:
        """Of all streams together; None with cold caches, as nobody serves images like that."""
        return None if (found := self._throughput) is None else found[0]

    @property
    def images_per_s_interval(self) -> Interval | None:
        """Its 95 % interval."""
        return None if (found := self._throughput) is None else found[1]

    @property
    def _throughput(self) -> tuple[float, Interval] | None:
        scenario = self.subject.scenario
        return None if scenario.cold_cache else throughput(self.windows, scenario.batch)


class Block(Record, frozen=True, kw_only=True):
    """A short stretch of one contestant's runs, in the order in which they were made."""

    contestant: NotNegative
    samples_s: tuple[float, ...]


Samples = tuple[float, ...]


def _visits(blocks: tuple[Block, ...], contestant: int) -> list[Samples]:
    return [block.samples_s for block in blocks if block.contestant == contestant]


class Comparison(Record, frozen=True, kw_only=True):
    """Contestants measured in turn: `subjects[0]` is the baseline, `subjects[1]` the same again, for the noise floor.

    Each of `rounds` had fresh processes, all alive at once; its blocks stand in the order in which they ran.

    Attributes:
        gate: A ratio that the rounds went on until they had decided on; the intervals are wider then.
        warnings: Whatever disturbed the comparison.
    """

    schema: ClassVar[Schema] = samples.COMPARISON

    subjects: tuple[Subject, ...]
    host: Host
    started_at: str
    rounds: tuple[tuple[Block, ...], ...]
    conditions: tuple[Conditions, ...]
    warnings: tuple[MeasurementWarning, ...]
    gate: float | None = None

    def __repr__(self) -> str:
        contestants = zip(self.subjects[AGAIN + 1 :], self.ratios[AGAIN:] if len(self.rounds) > 1 else (), strict=False)
        ratios = [f"{subject}: {ratio}" for subject, ratio in contestants]
        against = f"against {self.subjects[BASELINE]}, {len(self.rounds)} rounds, {len(self.warnings)} warnings"
        return f"Comparison({'; '.join(ratios)}; {against})"

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """Of `subjects[1:]` to the baseline: the first is the baseline against itself. Needs two rounds."""
        return tuple(self.ratio(contestant) for contestant in range(1, len(self.subjects)))

    def ratio(self, contestant: int, baseline: int = BASELINE) -> Ratio:
        """Of any two of `subjects`."""
        logs = [log_ratio(pairs) for pairs in self.pairs(contestant, baseline)]
        confidence = confidence_of_round(len(logs), CONFIDENCE, gated=self.gate is not None)
        return Ratio(*ratio_of_rounds(logs, confidence))

    def pairs(self, contestant: int, baseline: int = BASELINE) -> list[list[tuple[Samples, Samples]]]:
        """Round by round, the baseline's and the contestant's blocks that lie nearest to each other."""
        return [
            list(zip(_visits(blocks, baseline), _visits(blocks, contestant), strict=True)) for blocks in self.rounds
        ]

    def median_s(self, contestant: int) -> float:
        """Of one batch, over all rounds."""
        blocks = (block for blocks in self.rounds for block in blocks if block.contestant == contestant)
        return median([sample_s for block in blocks for sample_s in block.samples_s])


class Kernel(Record, frozen=True, kw_only=True):
    """One kernel of a runtime's optimised model, as the runtime's own profiler saw it.

    name           the node's in the model's file, where the runtime keeps it
    operator       what it computes, as the runtime calls it: QLinearConv, FusedConv, Reorder
    precision      of its operands: int8 (signed or not), fp32, fp16, bf16; else that type's own name
    seconds        one run of the profiled batch
    fell_back_to   the part of the runtime that computed it, where it was asked to run on another
    """

    name: str
    operator: str
    precision: str
    seconds: float
    fell_back_to: str | None = None


class Failure(Record, frozen=True, kw_only=True):
    """Something that was tried and went wrong: an export, an image to classify, or a measurement in `scenario`.

    `output` is what the measurement's worker printed last, `artifact_sha256` tells which of several artifacts it ran.
    """

    what: str
    reason: str
    fix: str = ""
    scenario: Scenario | None = None
    output: str = ""
    artifact_sha256: str = ""

    def __repr__(self) -> str:
        return f"Failure({self.what}: {self.reason})"
