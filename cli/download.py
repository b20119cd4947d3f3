"""`reszoo download`: checkpoints of the catalogue, into the cache."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ReszooError, UnavailableError
from ..core.refs import is_on_hub
from ..core.types import Record
from . import output

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..core.types import Checkpoint


class Row(Record, frozen=True, kw_only=True):
    """What became of one reference."""

    ref: str
    status: str
    size_bytes: int
    folder: str


def download(
    refs: Annotated[
        list[str],
        typer.Argument(metavar="REF...", help="Names from `reszoo list`, with wildcards, or hf://OWNER/NAME."),
    ],
    mirror: Annotated[
        str | None, typer.Option(help="https://host/path becomes MIRROR/host/path; http(s):// or file://.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing of the network.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Download checkpoints, verify them, and keep them in the cache. A broken download goes on where it ended.

    Example: reszoo download 'resnet*_v1.akamaster_cifar10'
    """
    from .. import zoo

    if mirror is not None:
        os.environ["RESZOO_MIRROR"] = mirror
    if offline:
        os.environ["RESZOO_OFFLINE"] = "1"
    names = dict.fromkeys(name for ref in refs for name in ([ref] if is_on_hub(ref) else zoo.resolve(ref)))
    rows, failures = [], []
    with _progress() as bar:
        for name in names:
            try:
                rows.append(_row(name, bar))
            except ReszooError as error:
                failures.append((name, error))
                rows.append(Row(ref=name, status="failed", size_bytes=0, folder=""))
    _print(rows, json)
    _judge(failures, len(rows))


def _row(name: str, bar: "Progress") -> Row:
    from .. import zoo

    if is_on_hub(name):
        return _of_hub(name, bar)
    found = zoo.find(name)
    checkpoint = found or _download(name, bar)
    doubt = ", unverified" if zoo.is_unverified(checkpoint) else ""
    return Row(
        ref=name,
        status=("already there" if found else "downloaded") + doubt,
        size_bytes=checkpoint.size_bytes,
        folder=str(checkpoint.weights_path.parent),
    )


def _of_hub(ref: str, bar: "Progress") -> Row:
    from ..core.types import Checkpoint
    from ..workflows.pulling import pull

    task = bar.add_task(ref, total=None)
    try:
        found = pull(ref, output.counting(bar, task))
    finally:
        bar.remove_task(task)
    folder = found.weights_path.parent if isinstance(found, Checkpoint) else found.path
    return Row(ref=ref, status="there", size_bytes=found.size_bytes, folder=str(folder))


def _download(name: str, bar: "Progress") -> "Checkpoint":
    from .. import zoo

    task = bar.add_task(name, total=None)
    try:
        return zoo.download(name, progress=output.counting(bar, task))
    finally:
        bar.remove_task(task)


def _progress() -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    return output.progress(
        "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )


def _print(rows: list[Row], json: bool) -> None:
    if json:
        output.print_json(rows)
        return
    table = output.table("ref", "status", "size", "folder", right=("size",))
    for row in rows:
        table.add_row(row.ref, row.status, output.size(row.size_bytes) if row.size_bytes else "", row.folder)
    output.console().print(table)
    if any("unverified" in row.status for row in rows):
        output.err_console().print(
            "unverified: nobody publishes the whole hash of the file. Later downloads are compared with the first, and "
            "the published accuracy may not be this file's."
        )


def _judge(failures: list[tuple[str, ReszooError]], n: int) -> None:
    """One failure alone keeps its own exit code; of several, each is named, and 3 is the code where all have it."""
    if len(failures) == 1 and n == 1:
        raise failures[0][1]
    for name, error in failures:
        output.err_console().print(f"{name}: {error}", markup=False)
    if failures:
        problem = f"{len(failures)} of {n} checkpoints could not be had: {', '.join(n for n, _ in failures)}"
        are_not_here = all(isinstance(error, UnavailableError) for _, error in failures)
        raise UnavailableError(problem) if are_not_here else ReszooError(problem)
