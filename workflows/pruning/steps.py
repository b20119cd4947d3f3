"""Pruning, step by step: prune, check the speed against the parent, fine-tune."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...core.errors import ReszooError, UsageError
from ...core.files import beside, check_free, is_free, staged_folder
from ...core.measured import MeasurementWarning
from ...core.progress import Progress
from . import older

if TYPE_CHECKING:
    from ...core.measured import Comparison, Failure, Scenario
    from ...core.types import Artifact, Checkpoint, ModelSpec, Precision
    from ...prune import PruneConfig
    from ...training.progress import Watcher
    from ...training.recipe import Recipe
    from .speed_check import SpeedCheck

SPEED_CHECK = "speed_check.json"
OnWarnings = Callable[[Sequence[MeasurementWarning]], None]
TargetCost = Literal["macs", "params", "latency"]


class Target(NamedTuple):
    """At most `share` of what the network costs now."""

    cost: TargetCost
    share: float


class Finetuning(NamedTuple):
    """How the network is trained after its speed check. `teacher` None: on the labels alone."""

    recipe: "Recipe"
    teacher: "Checkpoint | Artifact | None"
    device: Literal["auto", "cpu", "cuda"]
    resume: bool


class Request(NamedTuple):
    """What is asked for. `scenario` None: no latency is measured; `auto`: measuring decides what to round to.

    Latency is measured of networks in the `precision`.
    """

    target: Target
    config: "PruneConfig"
    auto: bool
    scenario: "Scenario | None"
    finetuning: Finetuning | None
    folder: Path
    ref: str
    precision: "Precision" = "fp32"


class Pruned(NamedTuple):
    """The pruned network, its speed check if there was one, and the fine-tuned network if there is one."""

    parent: "Checkpoint"
    pruned: "Checkpoint"
    speed_check: "SpeedCheck | None"
    finetuned: "Checkpoint | None"

    @property
    def result(self) -> "Checkpoint":
        return self.finetuned or self.pruned


class Observer(NamedTuple):
    """Who follows the work: its progress, warnings of what disturbed a measurement, and the steps of training."""

    progress: Progress
    on_warnings: OnWarnings
    watchers: "Sequence[Watcher]"


def run(parent: "Checkpoint", request: Request, observer: Observer) -> Pruned:
    """Prune, and fine-tune. A network is trained, and its folder appears, only after it has passed its speed check."""
    from ...core.locks import locked

    with locked(request.folder, wait=False):
        folder = _pruned_folder(request)
        make = _new if is_free(folder) else _unfinished
        pruned, speed_check = make(parent, request, folder, observer)
    finetuned = _finetuned(pruned, request, request.finetuning, observer) if request.finetuning else None
    return Pruned(parent, pruned, speed_check, finetuned)


def _finetuned(pruned: "Checkpoint", request: Request, how: Finetuning, observer: Observer) -> "Checkpoint":
    from msgspec.structs import replace

    from ... import training, zoo
    from ...core.types import Artifact
    from ...training.progress import Steps
    from ...training.transfer import fit_head
    from ..training import answers_of

    spec = training.for_training(pruned.spec, how.recipe)
    model = zoo.build(replace(pruned, spec=spec))
    head = fit_head(model, spec, pruned.labels, pruned.ref, pruned.dataset, how.recipe.seed)
    return training.fit(
        model,
        spec,
        pruned.dataset,
        how.recipe,
        request.folder,
        ref=request.ref,
        parent=pruned,
        head=head,
        teacher=how.teacher,
        ask=answers_of(how.teacher, how.recipe.threads or None) if isinstance(how.teacher, Artifact) else None,
        device=how.device,
        resume=how.resume,
        watchers=(Steps(observer.progress), *observer.watchers),
    )


def _pruned_folder(request: Request) -> Path:
    """Where the network lies before fine-tuning. Nothing that is there is overwritten; a run may be resumed."""
    folder = request.folder
    check_free(folder)
    pruned, training = (beside(folder, suffix) for suffix in (".pruned", ".unfinished"))
    existing = [path for path in (pruned, training) if path.exists()]
    names = " and ".join(map(str, existing))
    again = f"Delete {names} to start again."
    if existing and not request.finetuning:
        raise UsageError(
            f"an earlier run with `finetune` has left {names}",
            f"Finish it with `resume=True`, or choose another `out`. {again}",
        )
    if not request.finetuning:
        return folder
    if existing and not request.finetuning.resume:
        raise UsageError(f"an earlier run has left {names}", f"Give `resume=True` to go on with it. {again}")
    if existing == [training]:
        raise UsageError(f"the network that {training} trains is gone: there is no {pruned}", again)
    return pruned


def _new(
    parent: "Checkpoint", request: Request, folder: Path, observer: Observer
) -> "tuple[Checkpoint, SpeedCheck | None]":
    """The folder appears, with the speed check in it, when that is passed."""
    from ... import zoo

    with staged_folder(folder) as staging:
        outcome = _pruned(parent, request, staging, observer)
        speed_check = _passed(outcome, request, staging) if outcome else None
    return zoo.read(folder), speed_check


def _unfinished(
    parent: "Checkpoint", request: Request, folder: Path, observer: Observer
) -> "tuple[Checkpoint, SpeedCheck | None]":
    """The network of an earlier run, if this one would have pruned it in the same way."""
    from ... import zoo
    from ...core.documents import read_json
    from ...core.measured import Comparison
    from ...models.pruning import plan_of
    from ...prune.pruning import step

    pruned = zoo.read(folder)
    earlier = pruned.provenance[-1]
    done = earlier.config
    requested = step(parent, request.config, plan_of(pruned.spec), {}).config
    chosen_by_run = ["plan"]
    if request.auto:
        chosen_by_run.append("round_to")
    if request.config.statistics is None:
        chosen_by_run.append("statistics")  # earlier versions kept them
    is_same = {name: value for name, value in requested.items() if name not in chosen_by_run}.items() <= done.items()
    if (
        not is_same
        or (pruned.ref, earlier.input_sha256) != (request.ref, parent.sha256)
        or _cost_name(request) not in done
    ):
        raise _other_options(folder)
    if request.scenario is None:
        return pruned, None
    path = next((path for path in (folder / SPEED_CHECK, older.speed_check(folder)) if path.exists()), None)
    if not path:  # the earlier run was started with measure=False
        outcome = _check_speed(parent, pruned, request.scenario, request.precision, observer)
        return pruned, _passed(outcome, request, folder)
    comparison = read_json(path, Comparison, f"Delete {folder} to start again.")
    seen = comparison.subjects[-1]
    if (str(seen.scenario), seen.precision) != (str(request.scenario), request.precision):
        raise _other_options(folder)
    return pruned, _speed_check(comparison, request)


def _other_options(folder: Path) -> UsageError:
    return UsageError(
        f"the unfinished run in {folder} was started with other options",
        "Resume with the options that it was started with, or choose another `out`.",
    )


def _pruned(parent: "Checkpoint", request: Request, folder: Path, observer: Observer) -> "Comparison | Failure | None":
    """Write the network. Returns its speed check's measurement, if one is asked for."""
    from ...models.cost import cost_of
    from ...prune import prune

    (cost, share), scenario = request.target, request.scenario
    if cost == "latency" and scenario:
        return _fitted(parent, request, scenario, folder, observer)

    def count(spec: "ModelSpec") -> int:
        costs = cost_of(spec)
        return costs.macs if cost == "macs" else costs.params

    limit, what = share * count(parent.spec), _cost_name(request)
    pruned = prune(parent, request.config, count, limit, folder, request.ref, what=what, progress=observer.progress)
    return _check_speed(parent, pruned, scenario, request.precision, observer) if scenario else None


def _fitted(
    parent: "Checkpoint", request: Request, scenario: "Scenario", folder: Path, observer: Observer
) -> "Comparison | Failure":
    from ...models.pruning import plan_of
    from .fitting import prune_to_latency
    from .latency_table import table_for

    full_width = request.config.remove == "blocks" and not plan_of(parent.spec).channels
    table = table_for(parent.spec, scenario, observer.progress, full_width=full_width, precision=request.precision)
    observer.on_warnings(table.warnings)
    _, outcome = prune_to_latency(
        parent,
        request.config,
        table,
        request.target.share,
        folder,
        request.ref,
        auto=request.auto,
        progress=observer.progress,
        on_round=_rounds(observer.progress),
    )
    return outcome


def _check_speed(
    parent: "Checkpoint", pruned: "Checkpoint", scenario: "Scenario", precision: "Precision", observer: Observer
) -> "Comparison | Failure":
    from .speed_check import check_speed

    return check_speed(pruned, parent, scenario, on_round=_rounds(observer.progress), precision=precision)


def _rounds(progress: Progress) -> "Callable[[Comparison], None]":
    """Shows the ratio so far, after each round of a speed check."""
    from .speed_check import SpeedCheck

    def on_round(known: "Comparison") -> None:
        progress(f"speed check: {SpeedCheck.of(known).ratio} of its parent's latency", len(known.rounds))

    return on_round


def _cost_name(request: Request) -> str:
    """As in the provenance."""
    from .fitting import cost_name

    if request.target.cost == "latency" and request.scenario:
        return cost_name(request.scenario, request.precision)
    return request.target.cost


def _passed(outcome: "Comparison | Failure", request: Request, folder: Path) -> "SpeedCheck":
    """Write the speed check to the network's folder. Raises ReszooError for one that failed or was not passed."""
    from ...core.documents import write_json
    from ...core.measured import Failure

    may_stay = request.target.cost != "latency"
    if isinstance(outcome, Failure):
        fix = outcome.fix or f"Try another `runtime`{', or `measure=False`' if may_stay else ''}."
        raise ReszooError(f"{outcome.what}: {outcome.reason}\n{outcome.output}".rstrip(), fix)
    speed_check = _speed_check(outcome, request)
    if reason := speed_check.refusal:
        keep = ", or keep it all the same with `measure=False`" if may_stay else ""
        raise ReszooError(f"{request.ref} is refused: {reason}", f"{_otherwise(request, speed_check)}{keep}.")
    write_json(folder / SPEED_CHECK, outcome)
    return speed_check


def _otherwise(request: Request, speed_check: "SpeedCheck") -> str:
    """What may well give a network that is not refused."""
    from ...prune.config import COARSE

    is_faster = speed_check.ratio.verdict == "faster"  # but misses the target
    met = math.ceil(100 * speed_check.ratio.value) / 100
    share = f"Ask for `latency={met:g}`" if is_faster and met < 1 else "Ask for a smaller share"
    if request.config.remove != "channels":
        return f"{share}, or leave `{request.config.remove}` away"
    coarser = not is_faster and not request.auto and request.config.round_to % COARSE
    return f"{share}, or try `blocks=True`{f', or `round_to={COARSE}`' if coarser else ''}"


def _speed_check(comparison: "Comparison", request: Request) -> "SpeedCheck":
    """Where latency is the target, the network must not take more of its parent's than that."""
    from .speed_check import SpeedCheck

    limit = request.target.share if request.target.cost == "latency" else 1.0
    return SpeedCheck.of(comparison, limit)
