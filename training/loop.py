"""Epoch after epoch: batches to the trainer, rows to the curve, and saves that lose nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import torch

from ..core.documents import to_builtins
from ..core.files import write_atomic
from .data import Batches
from .interrupts import Interrupts
from .progress import Epoch, Watcher
from .result import CURVE
from .state import Slots
from .trainer import Trainer

SLOW_S = 2.0  # of an epoch's first batch: a teacher was asked, which is not done again, and whose time is kept at once


class Loop:
    """Runs `trainer` to its last step. The state is that of the trainer, the curve, and the best weights so far.

    folder     where the run saves itself, every `save_every_s` seconds and after each epoch
    validate   measures accuracy on val after each epoch; None: val is trained on

    Of several processes, only the first one writes and tells its watchers.
    """

    def __init__(
        self,
        trainer: Trainer,
        batches: Batches,
        folder: Path,
        *,
        validate: Callable[[], float] | None,
        save_every_s: float,
        watchers: Sequence[Watcher],
    ) -> None:
        self.trainer, self.batches, self.validate = trainer, batches, validate
        self.folder, self.slots, self.save_every_s = folder, Slots(folder), save_every_s
        self.watchers = watchers if trainer.world.is_first else ()
        self.interrupts = Interrupts(f"Run it again with `resume=True` to go on; until then the run lies in {folder}.")
        self.rows: list[Epoch] = []
        self.best: dict[str, Any] | None = None  # accuracy, epoch, weights
        self.seconds = 0.0  # spent on the epoch at hand before an interruption
        self._saved_at = time.monotonic()

    def run(self) -> None:
        """Raises StoppedError when the user stops it; then everything is saved."""
        trainer = self.trainer
        with self.interrupts.caught(alone=trainer.world.size == 1):
            # An epoch may be interrupted after its last step and before its row.
            while trainer.step < trainer.steps or self._epoch_start < trainer.step:
                self._epoch()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The watchers are told when the block begins and ends: it may go on after the last step."""
        for watcher in self.watchers:
            watcher.began(self.trainer.steps, self.trainer.step)
        try:
            yield
        finally:
            for watcher in self.watchers:
                watcher.ended()

    @property
    def _epoch_start(self) -> int:
        """The step at which the epoch began that no row tells of yet."""
        return len(self.rows) * self.batches.per_epoch

    def _epoch(self) -> None:
        trainer, started = self.trainer, time.monotonic() - self.seconds
        first = trainer.step - self._epoch_start
        last = min(self.batches.per_epoch, trainer.steps - self._epoch_start)
        for batch in islice(self.batches.epoch(len(self.rows), first), last - first):
            asked_s = time.monotonic() - started if trainer.step == self._epoch_start else 0.0
            loss = trainer.advance(*batch)
            for watcher in self.watchers:
                watcher.stepped(trainer.step, loss)
            is_late = time.monotonic() - self._saved_at > self.save_every_s
            if self.interrupts.requested or is_late or asked_s > SLOW_S:
                self.seconds = time.monotonic() - started
                self.save()
                self.interrupts.stop_if_requested(
                    f"in epoch {len(self.rows) + 1}, at step {trainer.step} of {trainer.steps}"
                )
        self._close_epoch(time.monotonic() - started, last)

    def _close_epoch(self, seconds: float, steps: int) -> None:
        trainer = self.trainer
        loss, accuracy, norms = trainer.close_epoch()
        val = self.validate() if self.validate else None
        row = Epoch(
            epoch=len(self.rows) + 1,
            step=trainer.step,
            lr=trainer.learning_rate(trainer.step - 1),
            loss=loss,
            accuracy=accuracy,
            val_accuracy=val,
            images_per_s=steps * trainer.recipe.batch / seconds,
            seconds=seconds,
            gradient_norms=norms,
        )
        self.rows.append(row)
        self.seconds = 0.0
        if val is not None and trainer.recipe.select == "best" and (not self.best or val > self.best["accuracy"]):
            weights = {name: tensor.cpu().clone() for name, tensor in trainer.result.state_dict().items()}
            self.best = {"accuracy": val, "epoch": row.epoch, "weights": weights}
        self.save()
        for watcher in self.watchers:
            watcher.epoch_ended(row)

    def save(self) -> None:
        """The state first, then the curve that is made from it."""
        if self.trainer.world.is_first:
            self.slots.save(self.state())
            write_atomic(self.folder / CURVE, self.curve())
        self._saved_at = time.monotonic()

    def curve(self) -> bytes:
        return b"".join(msgspec.json.encode(row) + b"\n" for row in self.rows)

    def state(self) -> dict[str, Any]:
        rows = [to_builtins(row) for row in self.rows]
        return {**self.trainer.state(), "rows": rows, "best": self.best, "seconds": self.seconds}

    def restore(self) -> None:
        """Go on where the newest save was made, if there is one."""
        if not self.slots.exist():
            return
        state = self.slots.load()
        self.trainer.restore(state)
        self.rows = msgspec.convert(state["rows"], list[Epoch])
        self.best, self.seconds = state["best"], state["seconds"]

    @property
    def epoch(self) -> int:
        """The one whose weights count."""
        return self.best["epoch"] if self.best else len(self.rows)

    def weights(self) -> dict[str, torch.Tensor]:
        """Those of the best epoch if the recipe asks for it, else the last ones or their average."""
        weights: dict[str, torch.Tensor] = self.best["weights"] if self.best else self.trainer.result.state_dict()
        return weights
