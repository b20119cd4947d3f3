"""The curve of a run for a tracker."""

from collections.abc import Mapping

from ..core.tracking import Tracker
from .progress import Epoch


class Tracked:
    """A watcher that tells a tracker of each epoch; the step is the optimizer's."""

    def __init__(self, tracker: Tracker, run: str, facts: Mapping[str, str]) -> None:
        self.tracker, self.run, self.facts = tracker, run, facts

    def began(self, steps: int, done: int) -> None:
        self.tracker.began(self.run, self.facts)

    def stepped(self, step: int, loss: float) -> None: ...

    def epoch_ended(self, row: Epoch) -> None:
        figures = {
            "loss": row.loss,
            "accuracy": row.accuracy,
            "val_accuracy": row.val_accuracy,
            "lr": row.lr,
            "images_per_s": row.images_per_s,
        } | {f"gradient_norm/{name}": value for name, value in (row.gradient_norms or {}).items()}
        self.tracker.logged(self.run, {name: value for name, value in figures.items() if value is not None}, row.step)

    def ended(self) -> None:
        self.tracker.ended(self.run)
