"""A `Progress` that people see: one bar on a terminal or in a notebook, begun anew with every stage."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Display


class ProgressBar:
    """Shows any long work: `with reszoo.ProgressBar() as bar: checkpoint.prune(macs=0.5, progress=bar)`.

    Args:
        title: Stands before every stage.
        console: Where it is shown; None is standard error. Nothing is shown where that is no terminal or notebook.
    """

    def __init__(self, title: str = "", console: "Console | None" = None) -> None:
        self._title, self._at = title, ("", 0.0)
        self._display = _display(console)
        self._task = self._display.add_task(title, total=None)

    def __call__(self, stage: str, done: float = 0, total: float | None = None, /) -> None:
        if stage != self._at[0] or done < self._at[1]:
            self._display.reset(self._task, description=": ".join(filter(None, (self._title, stage))), total=total)
        self._at = stage, done
        self._display.update(self._task, completed=done, total=total)

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take it away; what is told afterwards is not shown."""
        self._display.stop()


def _display(console: "Console | None") -> "Display":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    shown = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        "left",
        TimeRemainingColumn(),
    )
    is_seen = shown.is_terminal or shown.is_jupyter
    # standard error stays as it is: what a library says there is not to be shown above the bar
    return Progress(*columns, console=shown, disable=not is_seen, transient=True, redirect_stderr=False)
