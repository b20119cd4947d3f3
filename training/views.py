"""A teacher's answers to a fixed number of views of each image, asked for once.

Every epoch shows each image in one of `teacher_views` augmented ways, in turn. The first epoch that shows a view asks
the teacher about all images in it; later ones read the answers from memory, so that they cost no teacher. They lie in
the run's folder, a file of float16 a view, which a resumed run reads instead of asking again; and in the cache, from
which the other runs read them to which the teacher would give the same answers: students of one seed, above all.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from .. import zoo
from ..core.documents import to_builtins
from ..core.errors import ReszooError, UsageError
from ..core.files import write_atomic
from ..core.locks import locked
from ..core.types import Checkpoint, Preprocess
from ..models.folding import folded
from .augment import Normalise
from .data import Batches, DeviceBatches
from .result import Run

FOLDER = "teacher"
SHARED = "answers"  # in the cache
HEADER = "reszoo.answers"
# From images, uint8 (n, H, W, C) at a time, to logits, float32 (n, the teacher's classes).
Ask = Callable[[Iterable[NDArray[np.uint8]]], Iterator[NDArray[np.float32]]]


class TaughtBatches:
    """Batches with the logits of a teacher. Of several processes the first one asks; all read the same files.

    ask         what gives the teacher's answers
    preprocess  how it is fed
    outputs     which of its outputs each class of the data set is
    folder      where the answers lie
    shared      where those of all runs do that would get the same from the same teacher: on this device, with these
                libraries
    """

    def __init__(
        self,
        batches: Batches,
        ask: Ask,
        preprocess: Preprocess,
        outputs: Sequence[int],
        folder: Path,
        run: Run,
        shared: Path,
    ) -> None:
        if not isinstance(batches, DeviceBatches):
            raise UsageError(
                f"teacher_views={run.recipe.teacher_views}: {run.dataset} has its images in files, of which no views "
                "are kept",
                "Leave teacher_views away: the teacher then answers in every step.",
            )
        self.batches, self.ask, self.outputs, self.folder, self.shared = batches, ask, list(outputs), folder, shared
        self.per_epoch, self.views = batches.per_epoch, run.recipe.teacher_views
        self.decisive: Mapping[str, Any] = {
            "teacher": run.teacher,
            "preprocess": to_builtins(preprocess),
            "outputs": self.outputs,
            "batch": run.recipe.batch,
            "precision": run.recipe.precision,
        }
        self.known: dict[int, Tensor] = {}

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, ...]]:
        answers = self._answers(number % self.views)
        order, size, world = self.batches.order(number), self.batches.recipe.batch, self.batches.world
        for i, (images, targets) in enumerate(self.batches.epoch(number, first), first):
            known = world.part(answers[order[i * size : (i + 1) * size]])
            yield images, targets, known.to(images.device, non_blocking=True).float()

    def _answers(self, view: int) -> Tensor:
        """To all images in their own order, float16 (N, classes) on the CPU."""
        if view not in self.known:
            path = self.folder / f"view-{view:03d}.safetensors"
            decided_by = self._decided_by(view)
            with self.batches.world.first_alone(self.batches.labels.device) as is_first:
                if is_first and read(path, decided_by) is None:
                    write(path, self._shared(view, decided_by), decided_by)
            answers = read(path, decided_by)
            if answers is None:
                raise ReszooError(
                    f"{path} is not what was written there",
                    "Run it again with `resume=True`: the teacher is asked again.",
                )
            self.known[view] = answers
        return self.known[view]

    def _decided_by(self, view: int) -> str:
        """The hash of the very images, and of what else decides the answers to them."""
        images = hashlib.sha256()
        for batch in self.batches.shown(view):
            images.update(np.ascontiguousarray(batch).data)
        return hashlib.sha256(msgspec.json.encode({**self.decisive, "images": images.hexdigest()})).hexdigest()

    def _shared(self, view: int, decided_by: str) -> Tensor:
        """Of two runs that need the same answers at the same time, one asks and the other waits."""
        path = self.shared / f"{decided_by}.safetensors"
        with locked(path):
            answers = read(path, decided_by)
            if answers is None:
                answers = self._asked(view)
                write(path, answers, decided_by)
        return answers

    def _asked(self, view: int) -> Tensor:
        logits = np.concatenate(list(self.ask(self.batches.shown(view))))
        answers = torch.from_numpy(np.ascontiguousarray(logits[:, self.outputs])).half()
        if not bool(answers.isfinite().all()):
            raise ReszooError(
                f"the teacher gave logits that are no numbers of float16 in view {view}",
                "Choose another teacher: this one is broken, or was not made for these images.",
            )
        return answers


def network_answers(teacher: Checkpoint, device: torch.device, dtype: torch.dtype) -> Ask:
    """A checkpoint's, in PyTorch, computed in `dtype`."""

    def ask(images: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        network = folded(zoo.build(teacher)).to(device).to(memory_format=torch.channels_last)
        normalise = Normalise(teacher.preprocess, device)
        for batch in images:
            with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = network(normalise(torch.from_numpy(batch).to(device))).float()
            yield logits.cpu().numpy()

    return ask


def write(path: Path, answers: Tensor, decided_by: str) -> None:
    """Whole or not at all, with the hash of what decides the answers and that of the answers themselves."""
    write_atomic(path, save({"answers": answers}, {HEADER: f"{decided_by} {_hash(answers)}"}))


def read(path: Path, decided_by: str) -> Tensor | None:
    """The answers, if they are there, whole, and decided by just this."""
    try:
        with safe_open(path, framework="pt") as file:
            answers, facts = file.get_tensor("answers"), file.metadata() or {}
    except (OSError, SafetensorError):
        return None
    return answers if facts.get(HEADER) == f"{decided_by} {_hash(answers)}" else None


def _hash(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().data).hexdigest()
