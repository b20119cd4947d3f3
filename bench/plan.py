"""From what the user asked for to a list of measurements: which artifact, in which scenario, with what beside it."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import msgspec

from ..core.errors import UsageError
from ..core.types import Artifact, Checkpoint, Scenario, Unavailable
from ..export.contract import Runtime, runtimes
from ..export.exporting import exported
from .protocol import EvaluationJob

EVALUATION_BATCH = 100


class Planned(NamedTuple):
    artifact: Artifact
    scenario: Scenario
    evaluation: EvaluationJob | None


def plan(
    target: Checkpoint | Artifact, common: Scenario, threads: Sequence[int], batches: Sequence[int], dataset: str | None
) -> list[Planned | Unavailable]:
    """Every combination of threads and batches for one target in one runtime (`common` holds all the rest).

    A checkpoint is exported to the runtime's first format, or taken from the cache. Accuracy does not depend on
    threads or batch, so it is measured once, beside the last scenario.
    """
    runtime = runtimes()[common.runtime]
    if common.device not in runtime.devices:
        what, devices = f"{runtime.name} on {common.device}", ", ".join(runtime.devices)
        return [Unavailable(what=what, reason=f"it runs on {devices} only", fix=f"Use --device {devices}.")]
    if missing := runtime.unavailable(common.device):
        return [missing]
    if dataset is not None:
        check_labels(target, dataset)
    artifact = target if isinstance(target, Artifact) else exported(target, runtime.formats[0])
    if artifact.format not in runtime.formats:
        return [_wrong_format(artifact, runtime)]
    scenarios = [
        msgspec.structs.replace(common, threads=t, batch=b) for t, b in product(sorted(threads), sorted(batches))
    ]
    fixed = artifact.input.shape[0]
    if isinstance(fixed, int) and set(batches) != {fixed}:
        raise UsageError(f"{artifact.path} has a fixed batch of {fixed}", f"Use --batch {fixed}, or export it again.")
    planned: list[Planned | Unavailable] = [Planned(artifact, scenario, None) for scenario in scenarios]
    if dataset is not None:
        evaluation_batch = fixed if isinstance(fixed, int) else EVALUATION_BATCH
        evaluation = EvaluationJob(dataset=dataset, split="test", batch=evaluation_batch)
        planned[-1] = Planned(artifact, scenarios[-1], evaluation)
    return planned


def check_labels(target: Checkpoint | Artifact, dataset: str) -> None:
    """Refuse a data set whose classes are not the network's, in its order: the accuracy would mean nothing."""
    from .. import datasets

    classes = datasets.load(dataset, "test").classes
    if tuple(classes) != target.labels:
        name = target.ref if isinstance(target, Checkpoint) else target.source_ref
        raise UsageError(
            f"{name} knows {len(target.labels)} classes ({', '.join(target.labels[:3])}, ...), "
            f"{dataset} has {len(classes)} ({', '.join(classes[:3])}, ...)",
            f"Measure it on {target.dataset}.",
        )


def _wrong_format(artifact: Artifact, runtime: Runtime) -> Unavailable:
    return Unavailable(
        what=f"{artifact.path} on {runtime.name}",
        reason=f"it is in format {artifact.format}, and {runtime.name} runs {', '.join(runtime.formats)}",
        fix=f"Export {artifact.source_ref} --to {runtime.formats[0]}.",
    )
