"""The records of a study: what it claims, what it runs, and what it found. Frozen, typed, and plain data."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ...core.choices import Choices
from ...core.types import NotNegative, Positive, Record, Sha256

Scale = Literal["smoke", "cpu", "gpu"]
Verdict = Literal["supported", "refuted", "conditional", "cannot tell"]
Condition = dict[str, str | int]  # what is varied, by name: {"family": "v2", "depth": 20}
Where = dict[str, str | int | tuple[str | int, ...]]  # the same with alternatives: {"family": ("v1", "v2")}


def name_of(condition: Mapping[str, str | int]) -> str:
    """ "v2-batch-he-20": the values, in the order in which the study varies them."""
    return "-".join(str(value) for value in condition.values())


class Settings(Choices, frozen=True, kw_only=True):
    """What whoever runs a study chooses. It decides every run.

    Attributes:
        scale: How much is run: `smoke` takes seconds, `cpu` up to hours on two cores, `gpu` needs a CUDA GPU.
        data: The data set.
        seeds: Runs of each condition.
    """

    scale: Scale
    data: str
    seeds: Positive


class Region(Record, frozen=True, kw_only=True):
    """The values that make a claim true: between `low` and `high`; None is no limit."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None:
            return f"below {self.high:g}"
        return f"above {self.low:g}" if self.high is None else f"from {self.low:g} to {self.high:g}"


def above(effect: float) -> Region:
    return Region(low=effect)


def below(effect: float) -> Region:
    return Region(high=effect)


def between(low: float, high: float) -> Region:
    return Region(low=low, high=high)


def within(margin: float) -> Region:
    """Equivalence: no difference that is of interest."""
    return Region(low=-margin, high=margin)


class Contrast(Record, frozen=True, kw_only=True):
    """What has to be true of which runs.

    Attributes:
        metric: A value that these runs have. One that could not measure it is left out.
        where: The conditions it is about: all that have these values. Each is a case, judged by itself.
        against: Paired differences instead: less the value of the same seed in the condition that has these values.
        region: Where the mean over the seeds has to lie. Its ends are the smallest effects of interest.
        floor: What fails gives no more than this: a pair of which neither value is above it says nothing of a
            difference, and is left out. None: every pair counts.
        is_share: Each value is 0 or 1, and their mean a share, which is tested by the exact binomial distribution.
    """

    metric: str
    where: Where
    against: Condition | None = None
    region: Region
    floor: float | None = None
    is_share: bool = False


class Claim(Record, frozen=True, kw_only=True):
    """A hypothesis, where it comes from, and the contrast that decides it.

    Attributes:
        key: Its name in the study.
        hypothesis: One sentence that can be wrong.
        textbook: What the textbook says, in short; "" where it says nothing.
        paper: What the paper says, in short.
        contrast: What has to be true.
        is_universal: The hypothesis says "always", so that one case against it refutes it.
    """

    key: str
    hypothesis: str
    textbook: str
    paper: str
    contrast: Contrast
    is_universal: bool = False


class Control(Record, frozen=True, kw_only=True):
    """Something whose answer is known, measured by the same probe.

    A positive one shows that the probe sees what is there, a negative one that it does not see what is not.
    """

    key: str
    kind: Literal["positive", "negative"]
    says: str
    contrast: Contrast


class Figure(Record, frozen=True, kw_only=True):
    """A plot of means over the seeds, with their intervals.

    Attributes:
        name: Of its files.
        title: What it shows.
        y: A metric, or a series.
        x: What is varied along the axis, or a metric, whose mean is the place. For a series, `position`, or a series of
            these places.
        where: The conditions that are drawn.
        lines: Each combination of these gets a line.
        x_title: With its unit.
        log_x: Whether the axis is logarithmic.
        log_y: Whether the axis is logarithmic.
    """

    name: str
    title: str
    y: str
    x: str
    where: Where
    lines: tuple[str, ...]
    x_title: str
    log_x: bool = False
    log_y: bool = False


class Measured(Record, frozen=True, kw_only=True):
    """What one run gives: figures by name, series by name, and how many images went through a network for them.

    A figure that could not be measured is left out.
    """

    values: dict[str, float]
    series: dict[str, tuple[float, ...]] = msgspec.field(default_factory=dict)
    images: NotNegative = 0


class Plan(Record, frozen=True, kw_only=True):
    """What a results folder is for. Only a study that says the same may go on with it.

    version  the hash of all that decides the runs, `Study.version`
    recipe   the fields of the recipe that networks are trained with, where a study trains
    """

    study: str
    version: Sha256
    settings: Settings
    recipe: dict[str, Any]


class RunResult(Record, frozen=True, kw_only=True):
    """One finished run: a condition with a seed, what was measured, what it cost, and by which version of the study."""

    version: Sha256
    condition: Condition
    seed: NotNegative
    measured: Measured
    core_s: float
    host: str


class Case(Record, frozen=True, kw_only=True):
    """A contrast in one condition: the mean, its 95 % interval over `n` runs, and how surely it is in or out.

    `low` and `high` are None where nothing is known of the spread, `mean` too where no run says anything (`n` is 0).
    `p` is of the better of the two answers, two-sided; `adjusted_p` is after Holm's correction over all cases of the
    study's claims.
    """

    condition: Condition
    n: NotNegative
    mean: float | None
    low: float | None
    high: float | None
    p: float
    adjusted_p: float
    verdict: Verdict


class Finding(Record, frozen=True, kw_only=True):
    """A claim with the verdict on it."""

    claim: Claim
    cases: tuple[Case, ...]
    verdict: Verdict


class Checked(Record, frozen=True, kw_only=True):
    """A control with what came of it. It holds where its known answer was measured."""

    control: Control
    cases: tuple[Case, ...]
    verdict: Verdict

    @property
    def is_wrong(self) -> bool:
        """Whether something else than the known answer was measured: then no verdict of the study stands."""
        return self.verdict == "refuted"


class StudyResult(Record, frozen=True, kw_only=True):
    """The answer of a study.

    Attributes:
        study: Its name.
        question: What it asks.
        version: The hash of all that decides its runs.
        settings: What was chosen.
        recipe: The fields of the recipe that networks are trained with, where it trains any.
        findings: Its claims with their verdicts.
        controls: What the controls of its probes gave.
        runs: How many there were.
        core_minutes: Of processor time, over all runs.
        core_s: Of processor time, the mean run of each condition.
        images: How many went through a network.
        hosts: Where it ran, and with which versions.
    """

    study: str
    question: str
    version: Sha256
    settings: Settings
    recipe: dict[str, Any]
    findings: tuple[Finding, ...]
    controls: tuple[Checked, ...]
    runs: Positive
    core_minutes: float
    core_s: dict[str, float]
    images: NotNegative
    hosts: tuple[str, ...]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By the claim's key."""
        return {finding.claim.key: finding.verdict for finding in self.findings}
