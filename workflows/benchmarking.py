"""`benchmark`: one model in one scenario; and `sweep`, many of both, as `reszoo bench` measures them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from ..core.choices import check
from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.measured import LOCAL, Failure, Measurement, Scenario
from ..core.progress import Progress, silent
from ..core.registry import ALL
from ..core.types import Artifact, Checkpoint, Precision, Unavailable

if TYPE_CHECKING:
    from ..bench.plan import AccuracyRequest, Planned
    from ..bench.target import Target
    from ..export.contract.runtime import Device, Engine

    Item = Planned | Unavailable | Failure  # a measurement to be made, or why there is none
    RuntimeChoice = tuple[
        Engine, str, Sequence[Precision]
    ]  # an engine, its variant, and what checkpoints are exported in

Model = Checkpoint | Artifact
Outcome = Measurement | Unavailable | Failure
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
FLOAT: tuple[Precision, ...] = ("fp32",)
USUAL = ("torch", "onnxruntime")  # what a checkpoint runs in where no runtime is named
HALF_WIDTH = 0.01


def benchmark(
    model: Model,
    *,
    runtime: str | None = None,
    precision: Precision | None = None,
    threads: int = 1,
    batch: int | None = None,
    streams: int = 1,
    device: "Device" = "cpu",
    cold_cache: bool = False,
    bind: bool = True,
    half_width: float = HALF_WIDTH,
    time_limit: float = 10.0,
    patience: float = 300.0,
    seed: int = 0,
    target: str = LOCAL,
    progress: Progress = silent,
) -> Measurement:
    """Measure latency, throughput, memory and cold start in a fresh process.

    Args:
        model: An artifact, or a checkpoint, which is exported to what the runtime needs.
        runtime: The engine and its variant, as "openvino:throughput"; None is PyTorch for a checkpoint, or ONNX Runtime
            where it has not the precision, and the first that runs it here for an artifact.
        precision: The arithmetic that a checkpoint is exported in; None is fp32. An artifact has its own.
        threads: Threads of each stream.
        batch: Images at a time; None is 1, or the artifact's own batch size.
        streams: Sessions that run at once.
        device: Where to run.
        cold_cache: Empty the CPU's caches before every run (for one thread and one stream).
        bind: Bind the process to as many cores as it has threads.
        half_width: Sample until the median's 95 % interval reaches this far to either side, relative to the median.
        time_limit: Seconds; sample no longer than this, however wide the interval is.
        patience: Seconds that the process may stay silent.
        seed: Chooses the real images that are the inputs.
        target: The machine: "local", or a board, as "ssh://pi@board".
        progress: Is told of the stages.

    Returns:
        The measurement, with every sample, the machine, and warnings of whatever disturbed it.

    Raises:
        UsageError: An argument is out of range, or the model does not run in this runtime or at this batch size.
        UnavailableError: The runtime is not on the target, or the target cannot be reached.
        ReszooError: The measuring process failed.
    """
    from ..bench.harness import measure
    from ..bench.target import parse_target

    size = batch if batch is not None else own_batch(model)
    common = scenario_of(
        device, threads, size, streams, seed, cold_cache, half_width=half_width, sampling_limit_s=time_limit
    )
    with parse_target(target) as place:
        item = planned(model, runtime, common, bind, precision, place, progress)
        outcome = measure(item.artifact, item.scenario, progress=progress, patience_s=patience, target=place)
    if isinstance(outcome, Failure):
        raise failed(outcome)
    return outcome


def sweep(
    models: Sequence[Model],
    runtimes: Sequence[str] | None,
    common: Scenario,
    threads: Sequence[int],
    batches: Sequence[int],
    *,
    precisions: Sequence[Precision] | None = None,
    accuracy: "AccuracyRequest | None" = None,
    bind: bool = True,
    targets: "Sequence[Target | Unavailable]" = (),
    progress: Progress = silent,
) -> "list[Item]":
    """What there is to measure: every model in every runtime, with all numbers of threads and batch sizes.

    Args:
        models: Checkpoints, which are exported to what each runtime needs, and artifacts.
        runtimes: Engines and their variants; the one word "all" is every one that is here, in every variant. None is
            PyTorch and ONNX Runtime, as far as they are here, for a checkpoint, and for an artifact what runs it.
        common: All else that the scenarios share.
        threads: Numbers of threads.
        batches: Batch sizes.
        precisions: The arithmetics that checkpoints are exported in; None is fp32. An artifact has its own, which has
            to be among them.
        accuracy: Measure it, once for each model and runtime.
        bind: Bind each process to as many cores as it has threads.
        targets: The machines, as `reached` gives them; () is this one.
        progress: Is told of exports.

    Returns:
        Scenarios that can be measured, and, in their place, why others cannot; what many lack is told once.

    Raises:
        UsageError: A runtime is unknown, a model does not run at one of the batch sizes, or an artifact has another
            precision.
    """
    from msgspec.structs import replace

    from ..bench.plan import plan, plan_all
    from ..bench.targets.local import HERE
    from ..export.contract.runtime import parse_engine

    check_own_precision(models, precisions)
    precisions = precisions or FLOAT
    is_all = runtimes is not None and ALL in runtimes
    found: list[Item] = []
    for model, target in product(models, targets or (HERE,)):
        if isinstance(target, Unavailable):
            found.append(target)
            continue
        if missing := target.untimed():
            found.append(missing)
            continue
        more: dict[str, Any] = {"bind": bind, "target": target, "progress": progress}
        if is_all:
            found += plan_all(model, common, threads, batches, accuracy, precisions=precisions, **more)
            continue
        known = target.engines()
        named = [(*parse_engine(name, known), precisions) for name in dict.fromkeys(runtimes or ())]
        for engine, variant, wanted in named or _usual(model, common, precisions, target):
            scenario = replace(common, runtime=engine.name, variant=variant)
            found += plan(model, scenario, threads, batches, accuracy, precisions=wanted, **more)
    return [item for at, item in enumerate(found) if not (isinstance(item, Unavailable) and item in found[:at])]


@contextmanager
def reached(names: Sequence[str]) -> "Iterator[list[Target | Unavailable]]":
    """The targets of these names, ready to be used. Of several, in the place of one that is not there stands why.

    Raises UsageError for what is no target, and UnavailableError for the only one.
    """
    from ..bench.target import parse_target

    targets = [parse_target(name) for name in dict.fromkeys(names)]
    with ExitStack() as stack:
        found: list[Target | Unavailable] = []
        for target in targets:
            try:
                found.append(stack.enter_context(target))
            except UnavailableError as error:
                if len(targets) == 1:
                    raise
                found.append(Unavailable(what=target.name, reason=error.problem, fix=error.fix))
        yield found


def measure_all(
    items: "Sequence[Item]", out: "str | os.PathLike[str]", *, patience: float = 300.0, progress: Progress = silent
) -> Iterator[Outcome]:
    """Measure them one after another; each is written to the folder `out` at once, so that an interrupt loses none.

    Args:
        items: What `sweep` has found.
        out: A folder for a JSON file of each measurement.
        patience: Seconds that a measuring process may stay silent.
        progress: Is told of the stages of each.

    Yields:
        The measurements; a Failure for one that went wrong, and what cannot be measured as it was found.
    """
    from ..bench.harness import measure
    from ..bench.plan import Planned
    from ..bench.results import write

    for item in items:
        if not isinstance(item, Planned):
            yield item
            continue
        s = item.scenario
        named = partial(_named, progress, f"{item.artifact.source_ref} {s.runtime_name} t{s.threads} b{s.batch}")
        outcome = measure(
            item.artifact, s, evaluation=item.evaluation, progress=named, patience_s=patience, target=item.target
        )
        if isinstance(outcome, Measurement):
            write(Path(out), outcome)
        yield outcome


def scenario_of(
    device: "Device",
    threads: int,
    batch: int,
    streams: int,
    seed: int,
    cold_cache: bool,
    half_width: float = HALF_WIDTH,
    **more: Any,
) -> Scenario:
    """What is measured, but for the runtime. Raises UsageError for a number that is out of range."""
    check("half_width", half_width, Share)
    if cold_cache and (threads != 1 or streams != 1):  # they are emptied from one core: other cores' would stay warm
        raise UsageError("a cold cache is for one thread and one stream", "Give `threads=1` and `streams=1`.")
    return Scenario(
        runtime="",
        variant="",
        device=device,
        batch=batch,
        threads=threads,
        streams=streams,
        seed=seed,
        cold_cache=cold_cache,
        precision=half_width,
        **more,
    )


def planned(
    model: Model,
    runtime: str | None,
    common: Scenario,
    bind: bool,
    precision: Precision | None = None,
    target: "Target | None" = None,
    progress: Progress = silent,
) -> "Planned":
    """The model in a runtime of the target, to be timed; None is the first that runs it as it is.

    Raises UnavailableError where it is not there, or where no time means anything.
    """
    from ..bench.targets.local import HERE
    from ..core.missing import unavailable_error

    place = target or HERE
    if missing := place.untimed():
        raise unavailable_error(missing)
    return chosen(model, runtime, common, bind, precision, place, progress)


def chosen(
    model: Model,
    runtime: str | None,
    common: Scenario,
    bind: bool,
    precision: Precision | None,
    target: "Target",
    progress: Progress,
) -> "Planned":
    """The same, whatever it is for."""
    from msgspec.structs import replace

    from ..bench.plan import plan
    from ..core.missing import unavailable_error
    from ..export.contract.runtime import parse_engine

    wanted = precisions_of(precision)
    check_own_precision([model], wanted)
    wanted = wanted or FLOAT
    known = target.engines()
    engine, variant = parse_engine(runtime, known) if runtime else _usual(model, common, wanted, target)[0][:2]
    scenario = replace(common, runtime=engine.name, variant=variant)
    more: dict[str, Any] = {"precisions": wanted, "bind": bind, "target": target, "progress": progress}
    (item,) = plan(model, scenario, [common.threads], [common.batch], **more)
    if isinstance(item, Unavailable):
        raise unavailable_error(item)
    if isinstance(item, Failure):
        raise failed(item)
    return item


def precisions_of(given: "Precision | Sequence[Precision] | None") -> Sequence[Precision] | None:
    """Those that are named. Raises UsageError for what is no arithmetic."""
    if given is None:
        return None
    named: Sequence[Any] = [given] if isinstance(given, str | float) else given
    for each in named:
        if isinstance(each, float):
            raise UsageError(f"`precision={each}` is not possible: it is an arithmetic", f"Give `half_width={each}`.")
        check("precision", each, Precision)
    return named


def check_own_precision(models: Sequence[Model], precisions: Sequence[Precision] | None) -> None:
    """Raises UsageError where an artifact is asked for in others than its own."""
    for model in models:
        if precisions and isinstance(model, Artifact) and model.precision not in precisions:
            raise UsageError(
                f"{model.path} is {model.precision}, not {' or '.join(precisions)}",
                "Leave `precision` away: an artifact has its own.",
            )


def _usual(model: Model, common: Scenario, precisions: Sequence[Precision], target: "Target") -> "list[RuntimeChoice]":
    """What runs the model where no runtime is named; what is not there stands there only where nothing else does."""
    from ..export.contract.format import formats

    engines = target.engines()
    if isinstance(model, Artifact):
        able = [(engine, "", precisions) for engine in engines.values() if model.format in engine.formats]
        if able:
            return (_here(able, common) or able)[:1]
    able = []
    for engine in (engines[name] for name in usual_names(engines)):
        known = formats()[engine.formats[0]].precisions
        if wanted := [precision for precision in precisions if precision in known]:
            able.append((engine, "", wanted))
    return _here(able, common) or able


def usual_names(engines: "Mapping[str, Engine]") -> Sequence[str]:
    """Those that a checkpoint runs in where none is named; on a target that has neither, its first."""
    return [name for name in USUAL if name in engines] or [*engines][:1]


def _here(choices: "list[RuntimeChoice]", common: Scenario) -> "list[RuntimeChoice]":
    return [choice for choice in choices if choice[0].unavailable(common.device) is None]


def failed(failure: Failure) -> ReszooError:
    """The error of a measurement that is the only one that was asked for."""
    return ReszooError(f"{failure.what}: {failure.reason}\n{failure.output}".rstrip(), failure.fix)


def check_measured(outcomes: Sequence[Outcome]) -> None:
    """Raises ReszooError if any measurement failed, and UnavailableError if nothing could be measured at all."""
    if wrong := [outcome for outcome in outcomes if isinstance(outcome, Failure)]:
        raise ReszooError(f"{len(wrong)} of {len(outcomes)} measurements failed")
    if not any(isinstance(outcome, Measurement) for outcome in outcomes):
        raise UnavailableError("nothing could be measured here")


def check_latency(outcomes: Sequence[Outcome], limit_s: float) -> None:
    """Raises ReszooError, which names all that fail, unless every latency's whole interval is at most `limit_s`."""
    from ..bench.rounding import milliseconds
    from ..bench.table import subject_name

    words = {"fail": "{} takes longer than allowed", "cannot tell": "cannot tell whether {} takes too long"}
    said, is_known = [], True
    for m in (outcome for outcome in outcomes if isinstance(outcome, Measurement)):
        if (verdict := m.against(limit_s)) == "pass":
            continue
        low, high = map(milliseconds, m.interval_s)
        s = m.subject.scenario
        name = f"{subject_name(m.subject)} on {s.runtime_name} t{s.threads} b{s.batch}"
        said.append(f"{words[verdict].format(name)}: {milliseconds(m.median_s)} ms ({low} to {high})")
        is_known = is_known and verdict == "fail"
    if said:
        limit = f", at most {milliseconds(limit_s)} ms"
        raise ReszooError("; ".join(said) + limit, "" if is_known else "Give a longer `time_limit`.")


def check_complete(outcomes: Sequence[Outcome]) -> None:
    """Raises UnavailableError where something that was asked for cannot be measured here: it has met no gate."""
    if missing := [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]:
        names = "; ".join(f"{each.what}: {each.reason}" for each in missing)
        raise UnavailableError(f"the gate is not met by what could not be measured: {names}", missing[0].fix)


def own_batch(model: Model) -> int:
    """1, or the smallest that an artifact takes."""
    return model.input.batch_limits[0] if isinstance(model, Artifact) else 1


def _named(progress: Progress, name: str, stage: str, done: float = 0, total: float | None = None) -> None:
    progress(f"{name}: {stage}", done, total)
