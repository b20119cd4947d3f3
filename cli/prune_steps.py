"""What `reszoo prune` does, step by step: prune, race against the parent, fine-tune."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..core.errors import ReszooError, UsageError
from ..core.files import beside, check_free, is_free, staged_folder
from . import output
from .train import watchers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.measured import Comparison, Failure, Scenario
    from ..core.types import Checkpoint, ModelSpec
    from ..prune import PruneConfig
    from ..train.recipe import Recipe
    from ..workflows.pruning.latency_table import Watch
    from ..workflows.pruning.verdict import Verdict

RACE = "race.json"


class Target(NamedTuple):
    """At most `share` of what the network costs now."""

    cost: Literal["macs", "params", "latency"]
    share: float


class Finetuning(NamedTuple):
    """How the network is trained after its race. `teacher` None: on the labels alone."""

    recipe: "Recipe"
    teacher: "Checkpoint | None"
    device: Literal["auto", "cpu", "cuda"]
    resume: bool


class Wish(NamedTuple):
    """What was asked for. `scenario` None: no latency is measured; `auto`: what channels are rounded to is measured."""

    target: Target
    config: "PruneConfig"
    auto: bool
    scenario: "Scenario | None"
    finetuning: Finetuning | None
    folder: Path
    ref: str


class Made(NamedTuple):
    """The network as it was cut, its verdict if it was raced, and the fine-tuned one."""

    parent: "Checkpoint"
    cut: "Checkpoint"
    verdict: "Verdict | None"
    tuned: "Checkpoint | None"

    @property
    def result(self) -> "Checkpoint":
        return self.tuned or self.cut


def make(parent: "Checkpoint", wish: Wish) -> Made:
    """Before it is trained, or appears at all, a network has to have won its race."""
    from ..core.locks import locked

    with locked(wish.folder, wait=False):
        folder = _cut_folder(wish)
        cut, verdict = _new(parent, wish, folder) if is_free(folder) else _known(parent, wish, folder)
    return Made(parent, cut, verdict, _trained(cut, wish, wish.finetuning) if wish.finetuning else None)


def _trained(cut: "Checkpoint", wish: Wish, how: Finetuning) -> "Checkpoint":
    from msgspec.structs import replace

    from .. import train, zoo

    spec = train.for_training(cut.spec, how.recipe)
    return train.fit(
        zoo.build(replace(cut, spec=spec)),
        spec,
        cut.dataset,
        how.recipe,
        wish.folder,
        ref=wish.ref,
        parent=cut,
        teacher=how.teacher,
        device=how.device,
        resume=how.resume,
        watchers=watchers(how.recipe, None),
    )


def _cut_folder(wish: Wish) -> Path:
    """Where the network lies as it was cut. Nothing that is there is overwritten; a run may go on with it."""
    folder = wish.folder
    check_free(folder)
    cut, training = (beside(folder, suffix) for suffix in (".pruned", ".unfinished"))
    left = [path for path in (cut, training) if path.exists()]
    names = " and ".join(map(str, left))
    again = f"Delete {names} to start again."
    if left and not wish.finetuning:
        raise UsageError(
            f"an earlier run with --finetune has left {names}",
            f"Finish it with --resume, or choose another --out. {again}",
        )
    if not wish.finetuning:
        return folder
    if left and not wish.finetuning.resume:
        raise UsageError(f"an earlier run has left {names}", f"Add --resume to go on with it. {again}")
    if left == [training]:
        raise UsageError(f"the network that {training} trains is gone: there is no {cut}", again)
    return cut


def _new(parent: "Checkpoint", wish: Wish, folder: Path) -> "tuple[Checkpoint, Verdict | None]":
    """The folder appears with its race in it when that is won."""
    from .. import zoo

    with staged_folder(folder) as staging:
        outcome = _pruned(parent, wish, staging)
        verdict = _won(outcome, wish, staging) if outcome else None
    return zoo.read(folder), verdict


def _known(parent: "Checkpoint", wish: Wish, folder: Path) -> "tuple[Checkpoint, Verdict | None]":
    """What an earlier run has left, if this command would have made it too."""
    from .. import zoo
    from ..core.documents import read_json
    from ..core.measured import Comparison
    from ..core.types import ChannelPlan
    from ..prune.pruning import step

    cut = zoo.read(folder)
    done = cut.lineage[-1]
    asked = step(parent, wish.config, cut.spec.plan or ChannelPlan(), {}).config
    free = ("plan", "round_to") if wish.auto else ("plan",)
    same = {name: value for name, value in asked.items() if name not in free}.items() <= done.config.items()
    if not same or (cut.ref, done.input_sha256) != (wish.ref, parent.sha256) or _cost_name(wish) not in done.config:
        raise _other_options(folder)
    if wish.scenario is None:
        return cut, None
    if not (folder / RACE).exists():  # it was made with --no-measure
        return cut, _won(_raced(parent, cut, wish.scenario), wish, folder)
    race = read_json(folder / RACE, Comparison, f"Delete {folder} to start again.")
    if str(race.subjects[-1].scenario) != str(wish.scenario):
        raise _other_options(folder)
    return cut, _judged(race, wish)


def _other_options(folder: Path) -> UsageError:
    return UsageError(
        f"the unfinished run in {folder} was started with other options",
        "Resume with the options that it was started with, or choose another --out.",
    )


def _pruned(parent: "Checkpoint", wish: Wish, folder: Path) -> "Comparison | Failure | None":
    """Write the network; gives its race, if it has to run one."""
    from ..models.cost import cost_of
    from ..prune import prune

    (cost, share), scenario = wish.target, wish.scenario
    if cost == "latency" and scenario:
        return _fitted(parent, wish, scenario, folder)

    def count(spec: "ModelSpec") -> int:
        found = cost_of(spec)
        return found.macs if cost == "macs" else found.params

    cut = prune(parent, wish.config, count, share * count(parent.spec), folder, wish.ref, what=_cost_name(wish))
    return _raced(parent, cut, scenario) if scenario else None


def _fitted(parent: "Checkpoint", wish: Wish, scenario: "Scenario", folder: Path) -> "Comparison | Failure":
    from ..workflows.pruning.fitting import prune_to_latency
    from ..workflows.pruning.latency_table import table_for

    with _watched(parent.ref) as watch:
        whole = wish.config.remove == "units" and not (parent.spec.plan and parent.spec.plan.channels)
        table = table_for(parent.spec, scenario, watch, whole=whole)
    output.tell_doubts(table.warnings)
    with _racing(wish.ref) as on_round:
        _cut, outcome = prune_to_latency(
            parent, wish.config, table, wish.target.share, folder, wish.ref, auto=wish.auto, on_round=on_round
        )
    return outcome


def _raced(parent: "Checkpoint", cut: "Checkpoint", scenario: "Scenario") -> "Comparison | Failure":
    from ..workflows.pruning.verdict import race

    with _racing(cut.ref) as on_round:
        return race(cut, parent, scenario, on_round=on_round)


def _cost_name(wish: Wish) -> str:
    """As in the lineage."""
    from ..workflows.pruning.fitting import cost_name

    return cost_name(wish.scenario) if wish.target.cost == "latency" and wish.scenario else wish.target.cost


def _won(outcome: "Comparison | Failure", wish: Wish, folder: Path) -> "Verdict":
    """The race goes into the network's folder. Raises ReszooError for one that was lost."""
    from ..core.documents import write_json
    from ..core.measured import Failure

    may_stay = wish.target.cost != "latency"
    if isinstance(outcome, Failure):
        fix = outcome.fix or f"Try another --runtime{', or --no-measure' if may_stay else ''}."
        raise ReszooError(f"{outcome.what}: {outcome.reason}\n{outcome.output}".rstrip(), fix)
    verdict = _judged(outcome, wish)
    if reason := verdict.refusal:
        keep = ", or keep it all the same with --no-measure" if may_stay else ""
        raise ReszooError(f"{wish.ref} is refused: {reason}", f"{_otherwise(wish, verdict)}{keep}.")
    write_json(folder / RACE, outcome)
    return verdict


def _otherwise(wish: Wish, verdict: "Verdict") -> str:
    """What may well give a network that is not refused."""
    from ..prune.config import COARSE

    is_faster = verdict.ratio.verdict == "faster"  # but misses the target
    met = math.ceil(100 * verdict.ratio.value) / 100
    share = f"Ask for --latency {met:g}" if is_faster and met < 1 else "Ask for a smaller share"
    if wish.config.remove == "units":
        return f"{share}, or leave --units away"
    coarser = not is_faster and not wish.auto and wish.config.round_to % COARSE
    return f"{share}, or try --units{f', or --round-to {COARSE}' if coarser else ''}"


def _judged(race: "Comparison", wish: Wish) -> "Verdict":
    """A target of the latency is the ratio that the network must not miss."""
    from ..workflows.pruning.verdict import judge

    limit = wish.target.share if wish.target.cost == "latency" else 1.0
    return judge(race, limit)


@contextmanager
def _watched(ref: str) -> "Iterator[Watch]":
    """One bar, begun anew with every stage."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "left", TimeRemainingColumn())
    with output.progress(*columns) as bar:
        task, current = bar.add_task(ref, total=None), ""

        def watch(stage: str, done: int, total: int) -> None:
            nonlocal current
            if stage != current:
                bar.reset(task, description=f"{ref}: {stage}", total=total)
                current = stage
            bar.update(task, completed=done)

        yield watch


@contextmanager
def _racing(ref: str) -> "Iterator[Callable[[Comparison], None]]":
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    from ..workflows.pruning.verdict import judge

    with output.progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as bar:
        task = bar.add_task(f"racing {ref} against its parent", total=None)

        def on_round(known: "Comparison") -> None:
            bar.update(task, description=f"{ref}: {judge(known).told} of its parent's latency")

        yield on_round
