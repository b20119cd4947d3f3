"""What a target is: a place where artifacts run and are measured, such as this machine or a board.

A kind of target is one file in `targets/`, which defines `TARGET`, a `TargetKind`; other packages bring theirs by the
entry points "reszoo.targets". The harness starts its workers and watches the machine through a target, and judges what
it is told as it does for this machine.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import TracebackType
from typing import ClassVar, Protocol, Self

from ..core.errors import UsageError
from ..core.foreign import ForeignPlugins
from ..core.measured import LOCAL as LOCAL
from ..core.measured import MEASURED, Conditions, Host, Scenario
from ..core.missing import unavailable_error
from ..core.registry import choose, discover
from ..core.types import Artifact, Unavailable, Way
from ..export.contract.runtime import Engine
from .client import Worker


class Watch(Protocol):
    """What the machine of a worker does, from when it is made until `stop`."""

    def look(self) -> None:
        """Called now and then while a worker is at work."""

    def stop(self) -> Conditions: ...


class Target(ABC):
    """A context manager: on entering, it is reached; on leaving, nothing that is ours is left at work there.

    `name` is how the user wrote it; it stands in every scenario. `way` is how its figures are got.
    """

    name: str
    way: ClassVar[Way] = MEASURED

    @abstractmethod
    def host(self) -> Host:
        """The record of the machine where its workers run."""

    @abstractmethod
    def engines(self) -> Mapping[str, Engine]:
        """What runs artifacts there, by name. What is known but not there says so when it is asked (`unavailable`)."""

    @abstractmethod
    def choose_cores(self, n: int) -> tuple[int, ...]:
        """`n` cores for a worker; () where there are fewer, or where it cannot be bound."""

    @abstractmethod
    def worker(self, artifact: Artifact, scenario: Scenario, *, patience_s: float) -> Worker:
        """A fresh worker, which is told nothing so far. Raises ReszooError where it cannot be started."""

    @abstractmethod
    def watch(self, workers: Sequence[Worker]) -> Watch:
        """Watch the machine, whose work for these workers is not foreign, and the cores that they are bound to.

        Without workers, all of it is.
        """

    def clean(self) -> int:
        """Remove what is kept there from one measurement to the next. Returns its bytes."""
        return 0

    def untimed(self) -> Unavailable | None:
        """Why no time that is taken there says anything (it is emulated), or None."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@dataclass(frozen=True)
class TargetKind:
    """A way to reach targets. `address` says how one is written; `target` makes it, and is given what was written.

    `target` does not reach it yet. It raises UsageError for what is no such address.
    """

    name: str
    address: str
    target: Callable[[str], Target]


@cache
def target_kinds() -> Mapping[str, TargetKind]:
    from . import targets as package

    return discover(package, "TARGET", ForeignPlugins("targets", TargetKind, _unusable))


def parse_target(text: str) -> Target:
    """ "ssh://pi@board" -> that board, by the scheme; "local" -> this machine. Raises UsageError for anything else."""
    scheme = text.partition(":")[0]
    kind: TargetKind = choose(target_kinds(), scheme, "target")
    return kind.target(text)


def only(name: str, target: Callable[[], Target], text: str) -> Target:
    """The target of a kind that has just one, which goes by the kind's name."""
    if text != name:
        raise UsageError(f"{text!r} is no target", f"Write {name}.")
    return target()


def bound(workers: Sequence[Worker]) -> tuple[int, ...]:
    """The cores of all of them, where these are the same; else ()."""
    cores = {worker.scenario.cores for worker in workers}
    return cores.pop() if len(cores) == 1 else ()


def load_before(workers: Sequence[Worker]) -> float | None:
    """The load average from before the first of them started."""
    return workers[0].load_before if workers else None


def _unusable(missing: Unavailable) -> TargetKind:
    return TargetKind(missing.what, "", partial(_refuse, missing))


def _refuse(missing: Unavailable, text: str) -> Target:
    raise unavailable_error(missing)
