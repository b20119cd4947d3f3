"""`study`: a claim about residual networks, measured."""

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import executors
from ..core.choices import check
from ..core.errors import UnavailableError
from ..core.missing import require
from ..core.progress import Progress, silent
from ..core.registry import unknown

if TYPE_CHECKING:
    from ..core.tracking import Tracker
    from ..studies import StudyResult
    from ..studies.engine.records import Scale
    from ..studies.engine.study import Study

FOLDER = Path("studies-out")


def study(
    name: str,
    *,
    scale: "Scale" = "cpu",
    seeds: int | None = None,
    data: str | None = None,
    out: "str | os.PathLike[str] | None" = None,
    workers: int = 2,
    dask: str | None = None,
    executor: Executor | None = None,
    resume: bool = False,
    progress: Progress = silent,
    trackers: "Sequence[Tracker | str]" = (),
) -> "StudyResult":
    """Run a study: claims about residual networks, decided by measurements. Finished runs are kept.

    Args:
        name: The study, such as "gradient-flow".
        scale: How much is run: "smoke" takes seconds, "cpu" up to hours on two cores, "gpu" needs a CUDA GPU.
        seeds: Runs of each condition; None is the scale's own number.
        data: The data set; None is the study's first one.
        out: The folder for the runs, the plots and the page; None is `studies-out/NAME`.
        workers: Processes on this machine. A study that measures time uses one.
        dask: The address of a Dask scheduler, "tcp://HOST:PORT", whose workers are used instead.
        executor: Any other executor to use instead; it stays open.
        resume: Go on with the study in `out`, if there is one.
        progress: Counts the runs.
        trackers: Get each run's figures as well: "jsonl:FILE", "tensorboard:DIR", "mlflow:DIR", or `Tracker` objects.

    Returns:
        The claims with their verdicts, and what the controls gave. The page is `out`/README.md.

    Raises:
        UsageError: Something that was given is unknown or out of range, or `out` holds something else: another
            study, another version of it, or one with other settings.
        UnavailableError: The data set, the GPU or the cluster is not on this machine.
        ReszooError: A worker ended, or a run failed. All finished runs are kept.
    """
    require("torch", "for a study")
    require("matplotlib", "for a study's plots", extra="plot")
    from ..core.tracking import tracker
    from ..datasets.info import info
    from ..studies.engine.records import Scale, Settings
    from ..studies.engine.registry import study_named
    from ..studies.engine.running import run

    found = study_named(name)
    chosen = found.data[0] if data is None else data
    check("scale", scale, Scale)
    settings = Settings(scale=scale, data=chosen, seeds=found.seeds[scale] if seeds is None else seeds)
    _check_data(found, chosen)
    info(chosen)  # says how to get one that is not here
    told = [tracker(each) if isinstance(each, str) else each for each in trackers]
    where = executors.chosen(workers, dask, executor)
    if scale == "gpu" and dask is None and executor is None:
        _check_gpu()
    return run(
        found,
        settings,
        Path(out) if out is not None else FOLDER / name,
        where,
        resume=resume,
        progress=progress,
        trackers=told,
    )


def _check_data(found: "Study", data: str) -> None:
    if data not in found.data:
        raise unknown(data, found.data, f"data set of the study {found.name}:")


def _check_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise UnavailableError("PyTorch finds no CUDA GPU here", "Use `scale=cpu`.")
