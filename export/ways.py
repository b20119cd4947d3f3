"""The ways in which an artifact is run: its run.py where reszoo is not, and every runtime here that reads its files."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ReszooError
from ..core.hosts import available_cores
from ..core.types import Candidate
from .contract import Runtime, formats, runtimes
from .deployment.script import SCRIPT, find_entry
from .feeding import feed

if TYPE_CHECKING:
    import numpy as np

# From uint8 images (N, H, W, C), so many at a time, to their logits (N, classes).
Run = Callable[["np.ndarray", int], "np.ndarray"]
# run.py in a process that cannot import reszoo, whatever is installed.
ALONE = (
    "import runpy, sys; sys.modules['reszoo'] = None; del sys.argv[0]; runpy.run_path(sys.argv[0], None, '__main__')"
)


class Way(NamedTuple):
    """`name` is "run.py", or a runtime's with its variant: "openvino:static"."""

    name: str
    open: Callable[[], AbstractContextManager[Run]]


def ways(model: Candidate, runtime_name: str) -> list[Way]:
    """All that can be gone here and do not lower the precision, the one that ships first.

    `runtime_name` is the runtime that run.py is for. Where that cannot run here, what stands in has one way only.
    """
    running, runtime = runnable(model, runtime_name)
    if running is not model:
        return [_way(running, runtime, "")]
    entry = find_entry(model, runtime_name)
    shipped = [Way(SCRIPT, partial(_shipped, model.path / SCRIPT))] if entry else []
    others = [other for other in runtimes().values() if model.format in other.formats and other is not runtime]
    return shipped + [_way(model, each, variant) for each in (runtime, *others) for variant in _exact_variants(each)]


def plain_way(model: Candidate, runtime_name: str) -> Way:
    """The runtime's default alone, or what stands in for it: for files that nothing was put beside."""
    return _way(*runnable(model, runtime_name), "")


def runnable(model: Candidate, runtime_name: str) -> tuple[Candidate, Runtime]:
    """The artifact and its runtime. Where that cannot run here: what stands in for the artifact, and what runs that."""
    runtime: Runtime = runtimes()[runtime_name]
    if runtime.unavailable(runtime.devices[0]) and (other := formats()[model.format].stand_in(model)):
        return other
    return model, runtime


def _exact_variants(runtime: Runtime) -> list[str]:
    left_out = (*runtime.slow_variants, *runtime.lossy_variants)
    chosen = [variant for variant in runtime.variants if variant not in left_out]
    return [variant for variant in chosen if not runtime.unavailable(runtime.devices[0], variant)]


def _way(model: Candidate, runtime: Runtime, variant: str) -> Way:
    name = f"{runtime.name}:{variant}" if variant else runtime.name
    return Way(name, partial(_inside, model, runtime, variant))


@contextmanager
def _inside(model: Candidate, runtime: Runtime, variant: str) -> Iterator[Run]:
    import numpy as np

    with runtime.load(model, device=runtime.devices[0], threads=available_cores(), variant=variant) as session:

        def run(images: "np.ndarray", batch: int) -> "np.ndarray":
            inputs = feed(images, model.input, model.preprocess)
            return np.concatenate(
                [session.predict(part) for part in np.split(inputs, range(batch, len(inputs), batch))]
            )

        yield run


@contextmanager
def _shipped(script: Path) -> Iterator[Run]:
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        fed, given = Path(name) / "images.npy", Path(name) / "logits.npy"

        def run(images: "np.ndarray", batch: int) -> "np.ndarray":
            np.save(fed, images)
            options = ("--npy", fed, "--batch", str(batch), "--out", given)
            done = subprocess.run([sys.executable, "-P", "-c", ALONE, script, *options], capture_output=True, text=True)
            if done.returncode:
                said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
                raise ReszooError(f"{SCRIPT} cannot run the model: {said[0]}", "Report it with the checkpoint's name.")
            logits: np.ndarray = np.load(given)
            return logits

        yield run
