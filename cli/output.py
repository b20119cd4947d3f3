"""What every verb prints with: consoles, JSON for machines, progress bars for people."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions
    from rich.progress import Progress, ProgressColumn, TaskID
    from rich.segment import Segment
    from rich.table import Table

    from ..core.measured import MeasurementWarning
    from ..core.progress import Progress as Count
    from ..core.progress_bar import ProgressBar
    from ..core.types import Artifact, Checkpoint, Parity


@cache
def console() -> "Console":
    """Standard output. Piped, it is wide enough never to fold a table, whatever paths are in it."""
    return _spelling()(highlight=False, emoji=False, width=_width(sys.stdout))


@cache
def err_console() -> "Console":
    """Standard error, also while a maker's library is kept quiet."""
    from ..core.silence import outer_stderr

    class ErrConsole(_spelling()):  # type: ignore[misc]
        @property
        def file(self) -> IO[str]:
            file = outer_stderr()
            return getattr(file, "rich_proxied_file", file)  # of a display that has put itself before it

    return ErrConsole(stderr=True, highlight=False, emoji=False, width=_width(sys.stderr))


def _width(file: IO[str]) -> int | None:
    """None is the terminal's, or COLUMNS there. A pipe heeds no COLUMNS: programs that load readline pass it on."""
    return None if file.isatty() else 10_000


def _spelling() -> "type[Console]":
    """A console that spells arguments as options, and breaks no word: what is too long for a line can be copied."""
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

    from ..core.cleaning import for_terminal
    from .spelling import spelled
    from .tables import wrapped

    class Spelling(Console):
        def print(self, *objects: Any, markup: bool | None = None, **options: Any) -> None:
            whole = (self._whole(each, markup) if isinstance(each, str) else each for each in objects)
            unbroken: dict[str, Any] = {"no_wrap": True, "overflow": "ignore", "crop": False}
            super().print(*whole, **unbroken | options)

        def render(self, renderable: Any, options: "ConsoleOptions | None" = None) -> "Iterator[Segment]":
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(for_terminal(segment.text), segment.style)

        def _whole(self, text: str, markup: bool | None) -> Text:
            return Text("\n").join(wrapped(self.render_str(spelled(text), markup=markup), self.width))

    return Spelling


def check_writable(folder: Path) -> None:
    """Make the folder, and find out now, not after the first result, if nothing can be written there."""
    import tempfile

    from ..core.files import explained

    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return


def echo(text: str, *, end: str = "\n") -> None:
    """Text on standard output as it is, but for what a terminal would obey."""
    from ..core.cleaning import for_terminal

    sys.stdout.write(for_terminal(text) + end)


def print_json(value: object) -> None:
    """One JSON document on standard output; records and paths are encoded as documents are."""
    import msgspec

    data = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(data.decode() + "\n")


def progress(*columns: "ProgressColumn | str") -> "Progress":
    """A progress display on standard error; nothing at all when that is not a terminal."""
    from rich.progress import Progress

    is_hidden = not sys.stderr.isatty()
    # standard error stays as it is: what a library says there is not to be shown above the bar
    return Progress(*columns, console=err_console(), disable=is_hidden, transient=True, redirect_stderr=False)


def bar(title: str = "") -> "ProgressBar":
    """A bar on standard error for one thing at a time."""
    from ..core.progress_bar import ProgressBar

    return ProgressBar(title, err_console())


@contextmanager
def where_it_is(said: str) -> Iterator[None]:
    """Say at Ctrl-C where that is which was done by then."""
    try:
        yield
    except KeyboardInterrupt:
        err_console().print(said, markup=False)
        raise


def counting(bar: "Progress", task: "TaskID") -> "Count":
    """What moves a task of a display with several of them."""

    def count(stage: str, done: float = 0, total: float | None = None, /) -> None:
        bar.update(task, completed=done, total=total)

    return count


def table(*headers: str, right: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> "Table":
    """A plain table; the columns named in `right` are numbers, and right-aligned; see `PlainTable` for `optional`."""
    from .tables import PlainTable

    return PlainTable(headers, right, optional)


def size(size_bytes: float) -> str:
    """12345678 -> "12.3 MB"."""
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def nearby(path: Path) -> Path:
    """As one would type it here: relative, where it lies below this folder."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def count(number: float) -> str:
    """40551040 -> "40.6 M"."""
    for unit in ("", " k", " M"):
        if number < 999.5:
            return f"{number:.0f}" if unit == "" else f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} G"


def tell_checkpoint(made: "Checkpoint") -> None:
    """Where it is, and how it is called from here on."""
    from ..zoo import names

    console().print(f"{made.ref} is in {nearby(made.weights_path.parent)}", markup=False)
    if called(made) != made.ref:
        is_taken = names.is_taken(made.ref, made.weights_path.parent)
        why = "Another checkpoint has that name, too" if is_taken else "Its name could not be noted in the cache"
        console().print(f"{why}: name the folder.")


def called(checkpoint: "Checkpoint") -> str:
    """What one types for it: its name, or its folder where the name is another one's, too."""
    from ..zoo import names

    folder = checkpoint.weights_path.parent
    return checkpoint.ref if names.folder_of(checkpoint.ref) == folder else str(nearby(folder))


def tell_warnings(warnings: "Sequence[MeasurementWarning]") -> None:
    """A line on standard error for each kind of warning."""
    from ..bench.table import warning_lines

    for warning in warning_lines(warnings):
        err_console().print(warning, markup=False)


def tell_calibration(artifact: "Artifact") -> None:
    """On how many images, where they are all that there are, and fewer than what is usual. For who named no number."""
    from ..quantize.config import IMAGES

    step = next((step.config for step in artifact.made if step.name == "quantize"), None)
    if step and (n := int(step["images"])) < IMAGES:
        name, _ = step["dataset"].split("/")
        console().print(f"calibrated on all {n} training images of {name}; {IMAGES} are the default", markup=False)


def tell_without_effect(among: str) -> None:
    """Where a network knows no more classes than a data set has."""
    err_console().print(f"--among {among} is of no effect: the data set has all classes that are known.")


def tell_ignored(files: int) -> None:
    """How many files of a folder were no images, which nobody had named."""
    what = "file that is no image was" if files == 1 else "files that are no images were"
    console().print(f"{files} {what} left out")


def through(parity: "Parity") -> str:
    """What was run in the artifact's place, behind the number of images: ", through onnx"."""
    return f", through {parity.through}" if parity.through else ""
