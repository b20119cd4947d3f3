"""The ways in which an artifact is run: its run.py or its page, where reszoo is not, and every runtime that it has."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ReszooError
from ..core.hosts import available_cores
from ..core.types import Candidate, Preprocess
from .contract.format import formats
from .contract.runtime import Runtime, opened, runtimes
from .deployment import page
from .deployment.script import SCRIPT, find_entry
from .feeding import SEED, feed

if TYPE_CHECKING:
    import numpy as np

    from .browser.running import PageSession

# uint8 images (N, H, W, C), and how many of them to run at a time
Part = tuple["np.ndarray", int]
RESIZED = 8  # pictures of other sizes that the page has to resize
# Calls of run.py, one after the other, in a process that cannot import reszoo, whatever is installed.
ALONE = """
import json, runpy, sys
sys.modules["reszoo"] = None
for sys.argv in json.loads(sys.argv[1]):
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""


class Way(NamedTuple):
    """`name` is "run.py", "index.html", or a runtime's with its variant, "openvino:static".

    `run` gives each part's logits.
    """

    name: str
    run: Callable[[Sequence[Part]], "list[np.ndarray]"]


def ways(model: Candidate, runtime_name: str) -> list[Way]:
    """All that can be gone here and do not lower the precision, the one that ships first.

    `runtime_name` is the runtime that run.py or the page is for. Where that cannot run here, what stands in has one way
    only.
    """
    running, runtime = runnable(model, runtime_name)
    if running is not model:
        return [_way(running, runtime, "")]
    shipped = []
    if find_entry(model, runtime_name):
        shipped.append(Way(SCRIPT, partial(_shipped, model.path / SCRIPT)))
    elif page.is_for(runtime_name):
        shipped.append(Way(page.INDEX, partial(_opened, model)))
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


def _inside(model: Candidate, runtime: Runtime, variant: str, parts: Sequence[Part]) -> "list[np.ndarray]":
    import numpy as np

    with opened(runtime, model, device=runtime.devices[0], threads=available_cores(), variant=variant) as session:
        logits = []
        for images, batch in parts:
            inputs = feed(images, model.input, model.preprocess)
            batches = np.split(inputs, range(batch, len(inputs), batch))
            logits.append(np.concatenate([session.predict(each) for each in batches]))
    return logits


def _shipped(script: Path, parts: Sequence[Part]) -> "list[np.ndarray]":
    import numpy as np

    with tempfile.TemporaryDirectory(prefix="reszoo-") as folder:
        calls = []
        for number, (images, batch) in enumerate(parts):
            fed, given = f"{folder}/images{number}.npy", f"{folder}/logits{number}.npy"
            np.save(fed, images)
            calls.append([str(script), "--npy", fed, "--out", given, "--batch", str(batch)])
        command = [sys.executable, "-P", "-c", ALONE, json.dumps(calls)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
            raise ReszooError(f"{SCRIPT} cannot run the model: {said[0]}", "Report it with the checkpoint's name.")
        return [np.load(call[4]) for call in calls]


def _opened(model: Candidate, parts: Sequence[Part]) -> "list[np.ndarray]":
    """What the page gives for files of these images, after it has shown that it resizes pictures as we do."""
    import numpy as np

    from .browser.running import PageSession, png

    with PageSession(model) as session:
        _check_resizing(session, model.preprocess)
        logits = []
        for images, batch in parts:
            batches = np.split(images, range(batch, len(images), batch))
            logits.append(np.concatenate([session.classify([png(image) for image in each]) for each in batches]))
    return logits


def _check_resizing(session: "PageSession", preprocess: Preprocess) -> None:
    """Raises ReszooError unless the page makes the same pixels of pictures of other sizes."""
    import numpy as np

    from ..datasets.images import to_array
    from ..datasets.photos import pictures
    from ..datasets.preprocess import covering, fit
    from .browser.running import png

    given = pictures(RESIZED, preprocess, SEED)
    plans = [covering(picture.height, picture.width, preprocess, "a picture") for picture in given]
    expected = np.stack([to_array(fit(*each, preprocess)) for each in zip(given, plans, strict=True)])
    found = session.pixels([png(to_array(picture)) for picture in given], preprocess.input)
    if not np.array_equal(found, expected):
        raise ReszooError("the page resizes pictures in another way than reszoo does", "Report it, with the browser.")
