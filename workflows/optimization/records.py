"""What a search is asked for, what it may choose from, and what happened in it: all of it is data."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ...core.choices import Choices
from ...core.types import Fraction, NotNegative, Positive, Precision, Record, Sha256

Objective = Literal["latency", "throughput", "size", "memory", "accuracy"]
Outcome = Literal["met", "not reachable", "cannot tell"]
AboveZero = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Request(Choices, frozen=True, kw_only=True):
    """What the user asked for. None is no limit.

    Attributes:
        max_drop: The most accuracy that may be lost against each network's float source, a fraction.
        latency: Seconds of a batch.
        throughput: Images per second, at least.
        size: Bytes of the artifact's files.
        memory: Bytes that the runtime and the model take at the peak.
        objective: What is to be best among all that keeps the limits.
        threads: Numbers of threads to choose from.
        batch: Images at a time.
        runtimes: Engines, with a variant or without; () is every one that is on the target.
        target: The machine.
        data: The data set of the accuracies.
        finetune: The recipe for pruned networks; None prunes nothing.
        shares: What pruned networks keep of the multiply-adds.
        budget: Seconds that the search may take.
        seed: Chooses images and the order of blocks.
    """

    max_drop: Share | None = None
    latency: AboveZero | None = None
    throughput: AboveZero | None = None
    size: Positive | None = None
    memory: Positive | None = None
    objective: Objective = "latency"
    threads: tuple[Positive, ...] = (1,)
    batch: Positive = 1
    runtimes: tuple[str, ...] = ()
    target: str = "local"
    data: str = ""
    finetune: str | None = None
    shares: tuple[Fraction, ...] = ()
    budget: AboveZero | None = None
    seed: NotNegative = 0

    @property
    def longest_s(self) -> float | None:
        """The most that a batch may take: a throughput is a latency, as batches follow each other."""
        limits = [self.latency, self.batch / self.throughput if self.throughput else None]
        return min((limit for limit in limits if limit), default=None)


CONTROL = ""  # the plan of a network that is fine-tuned as its pruned forms are, without being pruned


class Network(Record, frozen=True, kw_only=True):
    """A source. `accuracy` is what its card says of the data set's test split, with the number of images.

    `sha256` is the checkpoint's `identity`, of all that decides its answers. `val` is its accuracy on that split, which
    is asked for only where pruned forms of it may be trained.
    """

    ref: str
    sha256: Sha256
    accuracy: Fraction | None = None
    n: NotNegative = 0
    val: Fraction | None = None


class Configuration(Record, frozen=True, kw_only=True):
    """A candidate: a network, how it is pruned, what it is exported to, and what runs it.

    plan     "" or what is removed and what share of the multiply-adds stays, "channels 0.5"
    scheme   of int8; "" otherwise
    kept     int8 with the fewest layers in float that keep the accuracy
    runtime  with its variant, "openvino:static"
    is_exact whether its answers are the source's, as the parity proof says: float arithmetic of full precision
    """

    network: str
    plan: str = ""
    format: str
    precision: Precision
    scheme: str = ""
    kept: bool = False
    runtime: str
    threads: Positive = 1
    is_exact: bool = True

    @property
    def build(self) -> str:
        """What has to be made for it: candidates that differ in how they are run share it."""
        how = self.scheme or self.precision
        return "/".join(filter(None, [self.network, self.plan, f"{self.format} {how}{' +float' * self.kept}"]))

    @property
    def subject(self) -> str:
        """What an accuracy is a property of: threads do not change it."""
        return f"{self.build} on {self.runtime}"

    @property
    def key(self) -> str:
        return f"{self.subject} t{self.threads}"


class Event(Record, frozen=True, kw_only=True):
    """Something that happened, and the seconds that it took."""

    seconds: float = 0.0


class Built(Event, frozen=True, kw_only=True, tag="built"):
    """An artifact was made. `is_trained`: of a pruned network, after fine-tuning; before it only shapes count."""

    build: str
    path: Path
    size_bytes: Positive
    is_trained: bool = True


class Missing(Event, frozen=True, kw_only=True, tag="missing"):
    """A build, a configuration or a plan ("REF/PLAN") that cannot be had, and why.

    What would take `needs_s` seconds more than the `budget` has is missing only as long as that is so.
    """

    what: str
    kind: Literal["unavailable", "failed", "not tried"]
    reason: str
    fix: str = ""
    needs_s: float = 0.0


class Screened(Event, frozen=True, kw_only=True, tag="screened"):
    """One process, for a moment: a first look at the latency, and the memory."""

    key: str
    latency_s: AboveZero
    low_s: float
    high_s: float
    memory_bytes: int
    cold_start_s: float


class Round(Event, frozen=True, kw_only=True, tag="round"):
    """One round of fresh processes in turn: each latency's ratio to the baseline's, as a logarithm; medians."""

    number: Positive
    logs: dict[str, float]
    latencies_s: dict[str, float]
    warnings: tuple[str, ...] = ()


class Judged(Event, frozen=True, kw_only=True, tag="judged"):
    """All images of `val`, of which there are `of`, that a subject has answered so far, against its reference.

    That is its source; of a pruned network whose source knows `val` by heart, the control.
    """

    subject: str
    n: Positive
    of: Positive
    only_reference: NotNegative
    only_candidate: NotNegative
    same_answer: NotNegative
    correct: NotNegative


class Trained(Event, frozen=True, kw_only=True, tag="trained"):
    """A pruned network was fine-tuned, or, as the plan CONTROL, the whole one."""

    network: str
    plan: str
    path: Path


class Tested(Event, frozen=True, kw_only=True, tag="tested"):
    """The choice and its source on the test split, once."""

    key: str
    split: str
    n: Positive
    source_correct: NotNegative
    correct: NotNegative
    only_reference: NotNegative
    only_candidate: NotNegative


Happened = Built | Missing | Screened | Round | Judged | Trained | Tested


class Entry(Record, frozen=True, kw_only=True):
    """A line of the log."""

    event: Happened


class Plan(Record, frozen=True, kw_only=True):
    """What the folder is for: the request, the sources, the machine, and everything that can be chosen or cannot.

    `machine` is all that decides what would be measured; a folder goes on only on the machine that it began on.
    `images` is how many `val` has, `has_test` whether there is a test split.
    """

    request: Request
    networks: tuple[Network, ...]
    machine: dict[str, str]
    configurations: tuple[Configuration, ...]
    left_out: tuple[Missing, ...] = ()
    images: NotNegative = 0
    has_test: bool = False


class Verdict(Record, frozen=True, kw_only=True):
    """The answer: one of three outcomes, the choice, or the nearest; what would have to give."""

    outcome: Outcome
    choice: str | None = None
    nearest: str | None = None
    reason: str = ""
    gives: tuple[str, ...] = ()
