"""What a run tells while it goes on: rows of the curve, a live display for people, a line per epoch for logs."""

import sys
import threading
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from ..core.cleaning import for_terminal
from ..core.progress import Progress
from ..core.types import Record
from .recipe import Recipe

PAUSE_S = 30.0  # a log in which nothing appears for longer looks as if nothing went on


class Epoch(Record, frozen=True, kw_only=True):
    """One line of the curve. Loss and accuracy are means over the augmented training batches as they were seen.

    lr               of the epoch's last step
    seconds          of training, validation left out
    gradient_norms   mean over the epoch's steps, by parameter
    """

    epoch: int
    step: int
    lr: float
    loss: float
    accuracy: float
    val_accuracy: float | None
    images_per_s: float
    seconds: float
    gradient_norms: dict[str, float] | None = None

    def __str__(self) -> str:
        val = f"  val {self.val_accuracy:.4f}" if self.val_accuracy is not None else ""
        return (
            f"epoch {self.epoch:3d}  loss {self.loss:.4f}  accuracy {self.accuracy:.4f}{val}"
            f"  lr {self.lr:.5f}  {self.images_per_s:,.0f} images/s"
        )


class Watcher(Protocol):
    """Is told of every step and every epoch."""

    def began(self, steps: int, done: int) -> None:
        """Before the first step: how many there will be, and how many were done before an interruption."""

    def stepped(self, step: int, loss: float) -> None:
        """After each step."""

    def epoch_ended(self, row: Epoch) -> None:
        """After each epoch, when it is saved."""

    def ended(self) -> None:
        """However the run ended."""


class Steps:
    """Tells a `Progress` how many steps are done."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.steps = progress, 0

    def began(self, steps: int, done: int) -> None:
        self.steps = steps
        self.progress("training", done, steps)

    def stepped(self, step: int, loss: float) -> None:
        self.progress("training", step, self.steps)

    def epoch_ended(self, row: Epoch) -> None:
        pass

    def ended(self) -> None:
        pass


class Lines:
    """A line per epoch on standard error, and one whenever there was none for `PAUSE_S` seconds."""

    _steps = _step = 0
    _loss: float | None = None
    _told_at = 0.0
    _over: threading.Event | None = None

    def began(self, steps: int, done: int) -> None:
        self._steps, self._step, self._told_at = steps, done, time.monotonic()
        if done:
            self._print(f"going on from step {done} of {steps}")
        self._over = threading.Event()
        # by the clock, because one step may take longer, and so may an epoch's validation
        threading.Thread(target=self._tell, args=(self._over,), daemon=True).start()

    def stepped(self, step: int, loss: float) -> None:
        self._step, self._loss = step, loss

    def epoch_ended(self, row: Epoch) -> None:
        self._print(row)

    def ended(self) -> None:
        if self._over:
            self._over.set()

    def _tell(self, over: threading.Event) -> None:
        while not over.wait(max(self._told_at + PAUSE_S - time.monotonic(), 0)):
            if time.monotonic() >= self._told_at + PAUSE_S:
                loss = "" if self._loss is None else f"  loss {self._loss:.4f}"
                self._print(f"step {self._step} of {self._steps}{loss}")

    def _print(self, line: object) -> None:
        self._told_at = time.monotonic()
        print(for_terminal(str(line)), file=sys.stderr, flush=True)


class Display:
    """A bar with the loss, images/s and the time left; finished epochs scroll by above it."""

    def __init__(self, recipe: Recipe, console: Console) -> None:
        columns = ("{task.fields[text]}", BarColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
        self.bar = Bars(*columns, console=console, transient=True, speed_estimate_period=60)
        self.batch = recipe.batch
        self.task = self.bar.add_task("train", text="", start=False)

    def began(self, steps: int, done: int) -> None:
        self.bar.start()
        self.bar.start_task(self.task)
        self.bar.update(self.task, total=steps, completed=done)

    def stepped(self, step: int, loss: float) -> None:
        speed = self.bar.tasks[self.task].speed or 0.0
        text = f"step {step}  loss {loss:.4f}  {speed * self.batch:,.0f} images/s"
        self.bar.update(self.task, completed=step, text=text)

    def epoch_ended(self, row: Epoch) -> None:
        self.bar.console.print(str(row), markup=False)

    def ended(self) -> None:
        self.bar.stop()
