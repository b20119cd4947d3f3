"""`compare`: which of several models is faster, and by how much, measured in turn."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from ..core.errors import ReszooError, UsageError
from ..core.measured import AGAIN, LOCAL, Comparison, Failure, Scenario
from ..core.progress import Progress, silent
from ..core.types import Artifact, Checkpoint, Precision
from .benchmarking import FLOAT, check_own_precision, failed, planned, precisions_of, scenario_of, usual_names
from .references import check_models

if TYPE_CHECKING:
    from ..bench.comparison import Contestant
    from ..bench.target import Target
    from ..export.contract.runtime import Device

    RuntimePrecision = tuple[
        str | None, Precision | None
    ]  # a runtime, and the arithmetic that a checkpoint is exported in

Model = Checkpoint | Artifact
WARM_UP_LIMIT_S = 1.0  # in each of a comparison's many rounds; what still drifts then meets all of them alike


def compare(
    *models: Model,
    runtime: str | Sequence[str] | None = None,
    precision: Precision | Sequence[Precision] | None = None,
    threads: int = 1,
    batch: int = 1,
    device: "Device" = "cpu",
    cold_cache: bool = False,
    bind: bool = True,
    half_width: float | None = None,
    time_limit: float = 120.0,
    max_ratio: float | None = None,
    patience: float = 300.0,
    seed: int = 0,
    target: str = LOCAL,
    progress: Progress = silent,
    on_round: Callable[[Comparison], None] = lambda known: None,
    on_left_out: Callable[[str, str], None] = lambda runtime, format_name: None,
    on_start: Callable[[], None] = lambda: None,
) -> Comparison:
    """Measure several models in turn, so that whatever the machine does meets all of them alike.

    Args:
        *models: Checkpoints and artifacts; giving one twice shows the noise.
        runtime: An engine or several: each model is measured in each of these that runs it. None is ONNX Runtime for
            a checkpoint, and the first that runs it here for an artifact. The first model in the first runtime is the
            baseline.
        precision: The arithmetic that checkpoints are exported in, or several; None is fp32. An artifact has its own,
            which has to be among them.
        threads: Threads of each contestant.
        batch: Images at a time.
        device: Where to run.
        cold_cache: Empty the CPU's caches before every run (for one thread).
        bind: Bind each process to as many cores as it has threads.
        half_width: Go on until every ratio is known to this far to either side; None is 0.01, and with `max_ratio`
            as far as it takes to decide.
        time_limit: Seconds; begin no new round after this. Five rounds are the least.
        max_ratio: Go on until each ratio is known to be above or below this one, too.
        patience: Seconds that a process may stay silent.
        seed: Chooses the real images that are the inputs.
        target: The machine: "local", or a board, as "ssh://pi@board".
        progress: Is told of the rounds.
        on_round: Is given all that is known so far, from the second round on.
        on_left_out: Is told of a runtime that does not run the format of an artifact that another one runs.
        on_start: Is called when all is known to be fine, before the first process is started.

    Returns:
        The comparison; `.ratios` are those of the latencies to the first model's, with their 99 % intervals.

    Raises:
        UsageError: There is nothing to compare, an argument is out of range, or a model does not run at this batch
            size.
        UnavailableError: A runtime is not on the target, or the target cannot be reached.
        ReszooError: A measuring process failed.
    """
    from ..bench.comparison import EFFORT, Effort
    from ..bench.comparison import compare as run
    from ..bench.target import parse_target

    wanted = half_width if half_width is not None else EFFORT.precision if max_ratio is None else math.inf
    common = scenario_of(device, threads, batch, 1, seed, cold_cache, warmup_limit_s=WARM_UP_LIMIT_S)

    def tell(known: Comparison) -> None:
        on_round(known)
        widest = max(ratio.half_width for ratio in known.ratios)
        progress(f"round {len(known.rounds) + 1}, ratios known to {100 * widest:.1f} %")

    with parse_target(target) as place:
        contestants = _contestants(
            models, _names(runtime), precisions_of(precision), common, bind, place, on_left_out, progress
        )
        on_start()
        progress("rounds 1 and 2")
        outcome = run(contestants, Effort(wanted, time_limit, max_ratio, seed, patience), tell, place)
    if isinstance(outcome, Failure):
        raise failed(outcome)
    return outcome


def check_not_slower(comparison: Comparison, max_ratio: float) -> None:
    """Raises ReszooError unless every contestant's whole interval is at most `max_ratio`."""
    from ..bench.table import subject_name

    slow, open_ = [], []
    for subject, ratio in zip(comparison.subjects[AGAIN + 1 :], comparison.ratios[AGAIN:], strict=True):
        named = subject_name(subject), f"{ratio}, at most {max_ratio:.3f}"
        match ratio.against(max_ratio):
            case "fail":
                slow.append(named)
            case "cannot tell":
                open_.append(named)
    if slow:
        name, said = slow[0]
        raise ReszooError(f"{name} is slower than allowed: {said}")
    if open_:
        name, said = open_[0]
        raise ReszooError(
            f"cannot tell whether {name} is slow: {said}", "Give a longer `time_limit`, or a quieter machine."
        )


def _names(runtime: str | Sequence[str] | None) -> list[str | None]:
    return [runtime] if runtime is None or isinstance(runtime, str) else list(runtime)


def _contestants(
    models: Sequence[Model],
    names: Sequence[str | None],
    precisions: Sequence[Precision] | None,
    common: Scenario,
    bind: bool,
    target: "Target",
    on_left_out: Callable[[str, str], None],
    progress: Progress,
) -> "list[Contestant]":
    """Every model in every runtime that runs it, and a checkpoint in every precision that it has for that one."""
    from ..bench.comparison import Contestant
    from ..export.contract.runtime import parse_engine

    check_models(models)
    check_own_precision(models, precisions)
    found = []
    for model in models:
        own = _pairs(model, target, names, precisions or FLOAT)
        for name, precision in own:
            if name and not _fits(model, target, name, precision) and any(_fits(model, target, *pair) for pair in own):
                what = model.format if isinstance(model, Artifact) else str(precision)
                on_left_out(parse_engine(name, target.engines())[0].name, what)
                continue
            item = planned(model, name, common, bind, precision, target, progress)
            found.append(Contestant(item.artifact, item.scenario))
    if len(found) < 2:
        raise UsageError(
            "one contestant is no comparison", "Name two models, or two runtimes; one twice shows the noise."
        )
    return found


def _pairs(
    model: Model, target: "Target", names: Sequence[str | None], precisions: Sequence[Precision]
) -> "list[RuntimePrecision]":
    """An artifact has one precision; a checkpoint runs in the target's quickest usual runtime where none is named."""
    if isinstance(model, Artifact):
        return [(name, None) for name in names]
    usual = usual_names(target.engines())[-1]
    return list(product([name or usual for name in names], precisions))


def _fits(model: Model, target: "Target", name: str | None, precision: Precision | None) -> bool:
    """Whether the runtime runs the artifact's format, or the checkpoint can be exported to it in this precision."""
    from ..export.contract.format import formats
    from ..export.contract.runtime import parse_engine

    if name is None:
        return True
    known = parse_engine(name, target.engines())[0].formats
    return model.format in known if isinstance(model, Artifact) else precision in formats()[known[0]].precisions
