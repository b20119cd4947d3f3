"""What a search for an artifact found, as data: a row for every candidate, with why it was chosen or was not."""

from typing import Literal

from ..core.types import Fraction, NotNegative, Positive, Record
from .rows import Estimate

Status = Literal["chosen", "nearest", "beaten", "refused", "open", "failed", "unavailable", "not tried"]
# how far a candidate came
STAGES = ("named", "made", "looked at", "in the race", "judged", "chosen")
Stage = Literal["named", "made", "looked at", "in the race", "judged", "chosen"]


class SearchRow(Record, frozen=True, kw_only=True):
    """One candidate, or what could not be one.

    how          its arithmetic: a precision, or a scheme of int8
    why          one sentence: why it is what its status says
    latency_s    of a batch, over rounds of fresh processes, or of a first look where it did not race
    ratio        its latency over the choice's
    rounds       how many it ran in
    accuracy     top-1 on `val`
    is_sources   that accuracy is its source's, whose answers it gives: it was proven, not counted
    drop         what it loses against its source, with the interval that decides
    """

    key: str
    network: str = ""
    plan: str = ""
    format: str = ""
    how: str = ""
    runtime: str = ""
    threads: NotNegative = 0
    status: Status
    stage: Stage = "named"
    why: str
    fix: str = ""
    latency_s: Estimate | None = None
    ratio: Estimate | None = None
    rounds: NotNegative = 0
    accuracy: Estimate | None = None
    is_sources: bool = False
    images: NotNegative = 0
    drop: Estimate | None = None
    size_bytes: NotNegative | None = None
    memory_bytes: int | None = None
    cold_start_s: float | None = None


class SearchRound(Record, frozen=True, kw_only=True):
    """One round of fresh processes: each candidate's median latency in it."""

    number: Positive
    latencies_s: dict[str, float]


class OnTest(Record, frozen=True, kw_only=True):
    """The choice and its source on the test split."""

    split: str
    n: Positive
    accuracy: Estimate
    source_accuracy: Estimate
    drop: Estimate


class Search(Record, frozen=True, kw_only=True):
    """The answer, and everything that it rests on.

    limits    what was asked for, in words
    machine   facts about it
    minutes   that the search took, in all its sittings
    notes     what has to be known to read it
    warnings  of the rounds
    """

    outcome: Literal["met", "not reachable", "cannot tell"]
    choice: str | None
    nearest: str | None
    reason: str
    gives: tuple[str, ...]
    limits: tuple[str, ...]
    objective: str
    rows: tuple[SearchRow, ...]
    rounds: tuple[SearchRound, ...]
    test: OnTest | None
    data: str
    machine: dict[str, str]
    minutes: float
    max_drop: Fraction | None = None
    longest_s: float | None = None
    batch: Positive = 1
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Search({self.outcome}: {self.choice or self.nearest}; {self.reason}; {len(self.rows)} candidates)"
