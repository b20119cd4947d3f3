"""Pruning, step by step: prune, check the speed against the parent, fine-tune."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...core.errors import ReszooError, UsageError
from ...core.files import beside, check_free, is_free, staged_folder
from ...core.measured import MeasurementWarning
from ...core.progress import Progress

if TYPE_CHECKING:
    from ...core.measured import Comparison, Failure, Scenario
    from ...core.types import Checkpoint, ModelSpec
    from ...prune import PruneConfig
    from ...training.progress import Watcher
    from ...training.recipe import Recipe
    from .verdict import Verdict

RACE = "race.json"
OnWarnings = Callable[[Sequence[MeasurementWarning]], None]


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


class Request(NamedTuple):
    """What is asked for. `scenario` None: no latency is measured; `auto`: what channels are rounded to is measured."""

    target: Target
    config: "PruneConfig"
    auto: bool
    scenario: "Scenario | None"
    finetuning: Finetuning | None
    folder: Path
    ref: str


class Pruned(NamedTuple):
    """The network as it was cut, its verdict if it was raced, and the fine-tuned one."""

    parent: "Checkpoint"
    cut: "Checkpoint"
    verdict: "Verdict | None"
    tuned: "Checkpoint | None"

    @property
    def result(self) -> "Checkpoint":
        return self.tuned or self.cut


class Observer(NamedTuple):
    """Who follows the work: its progress, warnings of what disturbed a measurement, and the steps of training."""

    progress: Progress
    on_warnings: OnWarnings
    watchers: "Sequence[Watcher]"


def run(parent: "Checkpoint", request: Request, observer: Observer) -> Pruned:
    """Before it is trained, or appears at all, a network has to have passed its speed check."""
    from ...core.locks import locked

    with locked(request.folder, wait=False):
        folder = _cut_folder(request)
        make = _new if is_free(folder) else _known
        cut, verdict = make(parent, request, folder, observer)
    tuned = _trained(cut, request, request.finetuning, observer) if request.finetuning else None
    return Pruned(parent, cut, verdict, tuned)


def _trained(cut: "Checkpoint", request: Request, how: Finetuning, observer: Observer) -> "Checkpoint":
    from msgspec.structs import replace

    from ... import training, zoo
    from ...training.progress import Steps

    spec = training.for_training(cut.spec, how.recipe)
    return training.fit(
        zoo.build(replace(cut, spec=spec)),
        spec,
        cut.dataset,
        how.recipe,
        request.folder,
        ref=request.ref,
        parent=cut,
        teacher=how.teacher,
        device=how.device,
        resume=how.resume,
        watchers=(Steps(observer.progress), *observer.watchers),
    )


def _cut_folder(request: Request) -> Path:
    """Where the network lies as it was cut. Nothing that is there is overwritten; a run may go on with it."""
    folder = request.folder
    check_free(folder)
    cut, training = (beside(folder, suffix) for suffix in (".pruned", ".unfinished"))
    left = [path for path in (cut, training) if path.exists()]
    names = " and ".join(map(str, left))
    again = f"Delete {names} to start again."
    if left and not request.finetuning:
        raise UsageError(
            f"an earlier run with `finetune` has left {names}",
            f"Finish it with `resume=True`, or choose another `out`. {again}",
        )
    if not request.finetuning:
        return folder
    if left and not request.finetuning.resume:
        raise UsageError(f"an earlier run has left {names}", f"Give `resume=True` to go on with it. {again}")
    if left == [training]:
        raise UsageError(f"the network that {training} trains is gone: there is no {cut}", again)
    return cut


def _new(
    parent: "Checkpoint", request: Request, folder: Path, observer: Observer
) -> "tuple[Checkpoint, Verdict | None]":
    """The folder appears with its race in it when that is won."""
    from ... import zoo

    with staged_folder(folder) as staging:
        outcome = _pruned(parent, request, staging, observer)
        verdict = _won(outcome, request, staging) if outcome else None
    return zoo.read(folder), verdict


def _known(
    parent: "Checkpoint", request: Request, folder: Path, observer: Observer
) -> "tuple[Checkpoint, Verdict | None]":
    """What an earlier run has left, if this command would have made it too."""
    from ... import zoo
    from ...core.documents import read_json
    from ...core.measured import Comparison
    from ...core.types import ChannelPlan
    from ...prune.pruning import step

    cut = zoo.read(folder)
    done = cut.provenance[-1]
    asked = step(parent, request.config, cut.spec.plan or ChannelPlan(), {}).config
    free = ("plan", "round_to") if request.auto else ("plan",)
    same = {name: value for name, value in asked.items() if name not in free}.items() <= done.config.items()
    if (
        not same
        or (cut.ref, done.input_sha256) != (request.ref, parent.sha256)
        or _cost_name(request) not in done.config
    ):
        raise _other_options(folder)
    if request.scenario is None:
        return cut, None
    if not (folder / RACE).exists():  # it was made with measure=False
        return cut, _won(_raced(parent, cut, request.scenario, observer), request, folder)
    race = read_json(folder / RACE, Comparison, f"Delete {folder} to start again.")
    if str(race.subjects[-1].scenario) != str(request.scenario):
        raise _other_options(folder)
    return cut, _judged(race, request)


def _other_options(folder: Path) -> UsageError:
    return UsageError(
        f"the unfinished run in {folder} was started with other options",
        "Resume with the options that it was started with, or choose another `out`.",
    )


def _pruned(parent: "Checkpoint", request: Request, folder: Path, observer: Observer) -> "Comparison | Failure | None":
    """Write the network; gives its race, if it has to run one."""
    from ...models.cost import cost_of
    from ...prune import prune

    (cost, share), scenario = request.target, request.scenario
    if cost == "latency" and scenario:
        return _fitted(parent, request, scenario, folder, observer)

    def count(spec: "ModelSpec") -> int:
        found = cost_of(spec)
        return found.macs if cost == "macs" else found.params

    cut = prune(
        parent, request.config, count, share * count(parent.spec), folder, request.ref, what=_cost_name(request)
    )
    return _raced(parent, cut, scenario, observer) if scenario else None


def _fitted(
    parent: "Checkpoint", request: Request, scenario: "Scenario", folder: Path, observer: Observer
) -> "Comparison | Failure":
    from .fitting import prune_to_latency
    from .latency_table import table_for

    whole = request.config.remove == "units" and not (parent.spec.plan and parent.spec.plan.channels)
    table = table_for(parent.spec, scenario, observer.progress, whole=whole)
    observer.on_warnings(table.warnings)
    _cut, outcome = prune_to_latency(
        parent,
        request.config,
        table,
        request.target.share,
        folder,
        request.ref,
        auto=request.auto,
        on_round=_rounds(observer.progress),
    )
    return outcome


def _raced(parent: "Checkpoint", cut: "Checkpoint", scenario: "Scenario", observer: Observer) -> "Comparison | Failure":
    from .verdict import race

    return race(cut, parent, scenario, on_round=_rounds(observer.progress))


def _rounds(progress: Progress) -> "Callable[[Comparison], None]":
    """Tells the ratio so far, after each round of a speed check."""
    from .verdict import judge

    def on_round(known: "Comparison") -> None:
        progress(f"speed check: {judge(known).told} of its parent's latency", len(known.rounds))

    return on_round


def _cost_name(request: Request) -> str:
    """As in the provenance."""
    from .fitting import cost_name

    return cost_name(request.scenario) if request.target.cost == "latency" and request.scenario else request.target.cost


def _won(outcome: "Comparison | Failure", request: Request, folder: Path) -> "Verdict":
    """The race goes into the network's folder. Raises ReszooError for one that was lost."""
    from ...core.documents import write_json
    from ...core.measured import Failure

    may_stay = request.target.cost != "latency"
    if isinstance(outcome, Failure):
        fix = outcome.fix or f"Try another `runtime`{', or `measure=False`' if may_stay else ''}."
        raise ReszooError(f"{outcome.what}: {outcome.reason}\n{outcome.output}".rstrip(), fix)
    verdict = _judged(outcome, request)
    if reason := verdict.refusal:
        keep = ", or keep it all the same with `measure=False`" if may_stay else ""
        raise ReszooError(f"{request.ref} is refused: {reason}", f"{_otherwise(request, verdict)}{keep}.")
    write_json(folder / RACE, outcome)
    return verdict


def _otherwise(request: Request, verdict: "Verdict") -> str:
    """What may well give a network that is not refused."""
    from ...prune.config import COARSE

    is_faster = verdict.ratio.verdict == "faster"  # but misses the target
    met = math.ceil(100 * verdict.ratio.value) / 100
    share = f"Ask for `latency={met:g}`" if is_faster and met < 1 else "Ask for a smaller share"
    if request.config.remove == "units":
        return f"{share}, or leave `units` away"
    coarser = not is_faster and not request.auto and request.config.round_to % COARSE
    return f"{share}, or try `units=True`{f', or `round_to={COARSE}`' if coarser else ''}"


def _judged(race: "Comparison", request: Request) -> "Verdict":
    """A target of the latency is the ratio that the network must not miss."""
    from .verdict import judge

    limit = request.target.share if request.target.cost == "latency" else 1.0
    return judge(race, limit)
