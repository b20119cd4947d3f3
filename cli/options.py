"""Options that several verbs share, and their values."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import UsageError
from .shares import parse_share

Refs = Annotated[
    list[str], typer.Argument(metavar="REF...", help="Names with wildcards, checkpoint or artifact folders.")
]
Runtimes = Annotated[
    str, typer.Option(help="Engines, comma-separated, such as torch, torch:compile, onnxruntime; see `reszoo doctor`.")
]
Streams = Annotated[int, typer.Option(min=1, help="Sessions that run at once, each with its own threads.")]
DeviceName = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to run.")]
ColdCache = Annotated[bool, typer.Option("--cold-cache", help="Empty the CPU's caches before every run.")]
Bind = Annotated[bool, typer.Option(help="Bind each worker to as many cores as it has threads.")]
Seed = Annotated[int, typer.Option(min=0, help="Chooses the real images that are the inputs.")]
Patience = Annotated[
    float, typer.Option("--patience", min=1, metavar="SECONDS", help="How long a worker may stay silent.")
]
Results = Annotated[Path, typer.Option(metavar="DIR", help="Where the JSON files with all samples go.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def check_cold_cache(cold_cache: bool, threads: str, streams: int) -> None:
    """The caches are emptied from one core: what others keep for themselves would stay warm."""
    if cold_cache and (threads != "1" or streams != 1):
        raise UsageError("--cold-cache is for one thread and one stream", "Add --threads 1, and leave --streams away.")


def parse_precision(text: str) -> float:
    """How far to either side an interval may reach: "1%" -> 0.01."""
    if precision := parse_share(text, "--precision"):
        return precision
    raise UsageError("--precision 0% cannot be reached", "Write --precision 1%.")


def parse_counts(text: str, option: str) -> list[int]:
    """ "1,32" -> [1, 32]; anything but positive whole numbers is a usage error."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise UsageError(f"{option} {text!r} is not a list of positive whole numbers", f"Write it as {option} 1,32.")
    return list(dict.fromkeys(counts))
