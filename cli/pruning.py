"""What `reszoo prune` does, step by step: prune, race against the parent, fine-tune."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..core.errors import ReszooError, UsageError
from . import output
from .train import watchers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..bench.pruning.latency_table import Watch
    from ..bench.pruning.verdict import Verdict
    from ..core.measured import Comparison, Failure, Scenario
    from ..core.types import Checkpoint, ModelSpec
    from ..prune import PruneConfig
    from ..train.recipe import Recipe

RACE = "race.json"


class Target(NamedTuple):
    """At most `share` of what the network costs now."""

    cost: Literal["macs", "params", "latency"]
    share: float


class Finetuning(NamedTuple):
    recipe: "Recipe"
    teacher: "Checkpoint"
    device: Literal["auto", "cpu", "cuda"]
    resume: bool


class Wish(NamedTuple):
    """What was asked for. `scenario` None: no latency is measured; `auto`: channels are rounded to what it likes."""

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
    """Before it is trained, a network has to have won its race; one that has not leaves nothing behind."""
    from .. import train, zoo

    folder = _cut_folder(wish)
    cut, verdict = _known(parent, wish, folder) if folder.exists() else _new(parent, wish, folder)
    tuned = None
    if wish.finetuning:
        recipe, teacher, device, resume = wish.finetuning
        tuned = train.fit(
            zoo.build(cut),
            cut.spec,
            cut.dataset,
            recipe,
            wish.folder,
            ref=wish.ref,
            parent=cut,
            teacher=teacher,
            device=device,
            resume=resume,
            watchers=watchers(recipe, None),
        )
    return Made(parent, cut, verdict, tuned)


def _cut_folder(wish: Wish) -> Path:
    """Where the network lies as it was cut. Nothing that is there is overwritten; a run may go on with it."""
    folder = wish.folder
    if folder.exists():
        raise UsageError(f"{folder} is there already", "Choose another --out, or delete it first.")
    if not wish.finetuning:
        return folder
    before = folder.with_name(folder.name + ".pruned")
    if before.exists() and not wish.finetuning.resume:
        fix = f"Add --resume to go on with it. Delete {before} to start again."
        raise UsageError(f"there is an unfinished run in {before}", fix)
    return before


def _new(parent: "Checkpoint", wish: Wish, folder: Path) -> "tuple[Checkpoint, Verdict | None]":
    try:
        cut, outcome = _pruned(parent, wish, folder)
        if outcome is None:
            return cut, None
        return cut, _judged(outcome, wish, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _known(parent: "Checkpoint", wish: Wish, folder: Path) -> "tuple[Checkpoint, Verdict | None]":
    """What an earlier run has left, if this command would have made it too."""
    from .. import zoo
    from ..bench.pruning.verdict import judge
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
        fix = "Resume with the options that it was started with, or choose another --out."
        raise UsageError(f"the unfinished run in {folder} was started with other options", fix)
    if wish.scenario is None:
        return cut, None
    if not (folder / RACE).exists():  # it was stopped before it had won
        return _new(parent, wish, folder)
    race = read_json(folder / RACE, Comparison, f"Delete {folder} to start again.")
    return cut, judge(race, _limit(wish))


def _pruned(parent: "Checkpoint", wish: Wish, folder: Path) -> "tuple[Checkpoint, Comparison | Failure | None]":
    from msgspec.structs import replace

    from ..bench.pruning.fitting import prune_to_latency
    from ..bench.pruning.latency_table import multiple_for, table_for
    from ..bench.pruning.verdict import race
    from ..models.cost import cost_of
    from ..prune import prune

    (cost, share), scenario, config = wish.target, wish.scenario, wish.config
    if cost == "latency" and scenario:
        with _watched(parent.ref) as watch:
            table = table_for(parent.spec, scenario, watch)
        config = replace(config, round_to=table.multiple()) if wish.auto else config
        with _racing(wish.ref) as on_round:
            return prune_to_latency(parent, config, table, share, folder, wish.ref, on_round=on_round)
    if wish.auto and scenario:
        with _watched(parent.ref) as watch:
            config = replace(config, round_to=multiple_for(parent.spec, scenario, watch))

    def count(spec: "ModelSpec") -> int:
        found = cost_of(spec)
        return found.macs if cost == "macs" else found.params

    cut = prune(parent, config, count, share * count(parent.spec), folder, wish.ref, what=_cost_name(wish))
    if scenario is None:
        return cut, None
    with _racing(wish.ref) as on_round:
        return cut, race(cut, parent, scenario, on_round=on_round)


def _cost_name(wish: Wish) -> str:
    """As in the lineage."""
    from ..bench.pruning.fitting import cost_name

    return cost_name(wish.scenario) if wish.target.cost == "latency" and wish.scenario else wish.target.cost


def _limit(wish: Wish) -> float:
    """The ratio of latencies that the network must not miss."""
    return wish.target.share if wish.target.cost == "latency" else 1.0


def _judged(outcome: "Comparison | Failure", wish: Wish, folder: Path) -> "Verdict":
    from ..bench.pruning.verdict import judge
    from ..core.documents import write_json
    from ..core.measured import Failure

    if isinstance(outcome, Failure):
        raise ReszooError(f"{outcome.what}: {outcome.reason}\n{outcome.output}".rstrip())
    verdict = judge(outcome, _limit(wish))
    if reason := verdict.refusal:
        keep = "" if wish.target.cost == "latency" else ", or keep it all the same with --no-measure"
        raise ReszooError(
            f"{wish.ref} is refused: {reason}", f"Ask for a smaller share, or try --units, or --round-to 16{keep}."
        )
    write_json(folder / RACE, outcome)
    return verdict


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

    from ..bench.pruning.verdict import judge

    with output.progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as bar:
        task = bar.add_task(f"racing {ref} against its parent", total=None)

        def on_round(known: "Comparison") -> None:
            bar.update(task, description=f"{ref}: {judge(known).told} of its parent's latency")

        yield on_round
