"""From what the user asked for to a list of measurements: which artifact, in which scenario, with what beside it."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ..core.files import sha256_of
from ..core.measured import Among, Failure, Scenario
from ..core.progress import Progress, silent
from ..core.types import Artifact, Checkpoint, FileRecord, Precision, Unavailable
from ..datasets.classes import ClassMap
from ..datasets.info import Split
from ..export.attempts import Outcome, attempt
from ..export.contract.format import formats
from ..export.contract.options import ExportOptions
from ..export.contract.runtime import Engine, runtimes
from ..export.exporting import exported
from .evaluate import batch_size, check_batch, classes_of
from .harness import EvaluationRequest
from .results import predictions_path
from .target import Target
from .targets.local import HERE

EVALUATION_BATCH = 100


class Planned(NamedTuple):
    artifact: Artifact
    scenario: Scenario
    evaluation: EvaluationRequest | None = None
    target: Target = HERE


class AccuracyRequest(NamedTuple):
    """Accuracy on a split of this data set, its predictions kept in `folder`; the rest is as in `class_map`.

    `classes` is a file, whose name and hash are kept with the accuracy.
    """

    dataset: str
    folder: Path
    split: Split = "test"
    classes: Path | None = None
    among: Among = "network"


def plan(
    model: Checkpoint | Artifact,
    common: Scenario,
    threads: Sequence[int],
    batches: Sequence[int],
    request: AccuracyRequest | None = None,
    *,
    precisions: Sequence[Precision] = ("fp32",),
    bind: bool = True,
    target: Target = HERE,
    progress: Progress = silent,
) -> Sequence[Planned | Unavailable | Failure]:
    """Every combination of threads and batches for one model in one runtime (`common` holds all the rest).

    A checkpoint is exported to the runtime's first format in each of `precisions`, or taken from the cache; an artifact
    has its own. Accuracy does not depend on threads or batch, so it is measured once, beside the first scenario. `bind`
    gives each worker as many cores as it has threads. What is exported is made here, and runs on `target`. `progress`
    is told of exports.
    """
    common, runtime = replace(common, target=target.name), target.engines()[common.runtime]
    if missing := _missing(runtime, common):
        return [missing]
    if request:
        _classes(model, request)
    if isinstance(model, Artifact) and model.format not in runtime.formats:
        return [_wrong_format(model, runtime)]
    made = [model] if isinstance(model, Artifact) else _exports(model, runtime.formats[0], precisions, progress)
    found: list[Planned | Unavailable | Failure] = []
    for outcome in made:
        if isinstance(outcome, Artifact):
            found += _every_count(outcome, common, threads, batches, request, bind, target)
        else:
            found.append(outcome)
    return found


def plan_all(
    model: Checkpoint | Artifact,
    common: Scenario,
    threads: Sequence[int],
    batches: Sequence[int],
    request: AccuracyRequest | None = None,
    *,
    precisions: Sequence[Precision] = ("fp32",),
    bind: bool = True,
    target: Target = HERE,
    progress: Progress = silent,
) -> Iterator[Planned | Unavailable | Failure]:
    """The same in every runtime, with every format that it runs, in each of its variants that can be had here.

    A runtime or a format that is not here, and an export that fails, are values among the others. Of an artifact there
    is its own format alone. `progress` is told which format a checkpoint is being exported to.
    """
    if request:
        _classes(model, request)
    made: dict[str, list[Outcome]] = {model.format: [model]} if isinstance(model, Artifact) else {}
    for runtime in target.engines().values():
        scenario = replace(common, runtime=runtime.name, target=target.name)
        is_meant = _is_worth_it if isinstance(model, Checkpoint) else made.__contains__
        names = list(filter(is_meant, runtime.formats))
        if names and (missing := _missing(runtime, scenario)):
            yield missing
            continue
        for name in names:
            if isinstance(model, Checkpoint) and name not in made:
                made[name] = list(_exports(model, name, precisions, progress))
                yield from (outcome for outcome in made[name] if not isinstance(outcome, Artifact))
            for artifact in (outcome for outcome in made[name] if isinstance(outcome, Artifact)):
                fitting = [batch for batch in batches if batch_size(artifact, batch) == batch]
                yield from (_wrong_batch(artifact, batch) for batch in batches if batch not in fitting)
                for in_variant in _in_variants(runtime, scenario) if fitting else ():
                    yield from _every_count(artifact, in_variant, threads, fitting, request, bind, target)


def _is_worth_it(format_name: str) -> bool:
    """Not where it holds the files of another format, which is measured."""
    plugin = formats().get(format_name)
    return plugin is None or not plugin.holds


def _exports(
    checkpoint: Checkpoint, format_name: str, precisions: Sequence[Precision], progress: Progress
) -> Iterator[Outcome]:
    for precision in precisions:
        options = ExportOptions(precision=precision)
        progress(f"exporting to {format_name} {precision}")
        yield attempt(checkpoint, format_name, options, partial(exported, checkpoint, format_name, options))


def _in_variants(runtime: Engine, scenario: Scenario) -> list[Scenario]:
    """Those that can be had here. One that takes minutes to get ready is only measured where it is named."""
    several = [replace(scenario, variant=name) for name in runtime.variants if name not in runtime.slow_variants]
    return [each for each in several if not _missing(runtime, each)]


def _every_count(
    artifact: Artifact,
    common: Scenario,
    threads: Sequence[int],
    batches: Sequence[int],
    request: AccuracyRequest | None,
    bind: bool,
    target: Target,
) -> list[Planned]:
    _check_batches(artifact, batches)
    planned = []
    for t, b in product(sorted(threads), sorted(batches)):
        cores = target.choose_cores(t * common.streams) if bind else ()
        planned.append(Planned(artifact, replace(common, threads=t, batch=b, cores=cores), target=target))
    if request:
        planned[0] = planned[0]._replace(evaluation=_evaluation(artifact, planned[0].scenario, request))
    return planned


def _classes(model: Checkpoint | Artifact, request: AccuracyRequest) -> ClassMap:
    return classes_of(model, request.dataset, request.split, request.classes, request.among)


def _missing(runtime: Engine, scenario: Scenario) -> Unavailable | None:
    if runtime.untimed:
        fix = "`evaluate(ARTIFACT)` gives its accuracy. Measure latency on the device, or of another format."
        return Unavailable(what=runtime.name, reason=runtime.untimed, fix=fix)
    if scenario.device in runtime.devices:
        return runtime.unavailable(scenario.device, scenario.variant)
    devices = ", ".join(runtime.devices)
    what, reason = f"{runtime.name} on {scenario.device}", f"it runs on {devices} only"
    if missing := runtime.unavailable(runtime.devices[0]):
        return Unavailable(what=what, reason=f"{reason}, and {missing.reason}", fix=missing.fix)
    return Unavailable(what=what, reason=reason, fix=f"Use `device={devices}`.")


def _check_batches(artifact: Artifact, batches: Sequence[int]) -> None:
    for batch in batches:
        check_batch(artifact, batch)


def _evaluation(artifact: Artifact, scenario: Scenario, request: AccuracyRequest) -> EvaluationRequest:
    classes = _classes(artifact, request)
    file = _file(request.classes) if request.classes else None
    among = classes.among if classes.is_partial else None
    return EvaluationRequest(
        dataset=request.dataset,
        split=request.split,
        batch=batch_size(artifact, EVALUATION_BATCH),
        predictions=predictions_path(
            request.folder, artifact, scenario, request.dataset, request.split, among=among, classes=file
        ),
        classes=classes,
        classes_file=file,
    )


def _file(path: Path) -> FileRecord:
    return FileRecord(name=str(path), sha256=sha256_of(path), size_bytes=path.stat().st_size)


def _wrong_batch(artifact: Artifact, batch: int) -> Unavailable:
    least, most = artifact.input.batch_limits
    return Unavailable(
        what=f"{artifact.path} at batch {batch}",
        reason=f"it takes batches of {least} to {most}",
        fix=f"Export it again, with another batch size: `export({artifact.source_ref}, to={artifact.format})`.",
    )


def _wrong_format(artifact: Artifact, runtime: Engine) -> Unavailable:
    fix = f"Export it for this runtime: `export({artifact.source_ref}, to={runtime.formats[0]})`."
    if any(artifact.format in other.formats for other in runtimes().values() if other.is_in_browser):
        fix = "Measure it in a browser: `target=browser`."
    return Unavailable(
        what=f"{artifact.path} on {runtime.name}",
        reason=f"it is in format {artifact.format}, and {runtime.name} runs {', '.join(runtime.formats)}",
        fix=fix,
    )
