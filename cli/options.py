"""Options that several verbs share, and their values."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from ..core.errors import UsageError
from .shares import SHARE, parse_share

if TYPE_CHECKING:
    from ..core.types import Precision
    from ..datasets.info import Split

Refs = Annotated[
    list[str],
    typer.Argument(metavar="REF...", help="Names with wildcards, checkpoint or artifact folders, hf://OWNER/NAME."),
]
Streams = Annotated[
    int, typer.Option(min=1, help="Sessions that run at once, each with its own threads.", rich_help_panel="Scenario")
]
DeviceName = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to run.", rich_help_panel="Scenario")]
ColdCache = Annotated[
    bool, typer.Option("--cold-cache", help="Empty the CPU's caches before every run.", rich_help_panel="Scenario")
]
Bind = Annotated[
    bool, typer.Option(help="Bind each worker to as many cores as it has threads.", rich_help_panel="Scenario")
]
Seed = Annotated[
    int, typer.Option(min=0, help="Chooses the real images that are the inputs.", rich_help_panel="Sampling")
]
Patience = Annotated[
    float,
    typer.Option(
        "--patience", min=1, metavar="SECONDS", help="How long a worker may stay silent.", rich_help_panel="Sampling"
    ),
]
InputKind = Annotated[
    Literal["float", "uint8"],
    typer.Option(
        help="float: normalised NCHW. uint8: raw NHWC pixels, normalised inside the graph.", rich_help_panel="Artifact"
    ),
]
Batch = Annotated[
    str,
    typer.Option(
        metavar="dynamic|N|MIN:OPT:MAX",
        help="Any batch size, just one, or an engine's range.",
        rich_help_panel="Artifact",
    ),
]
Precisions = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="fp32|fp16|int8",
        help="Arithmetic that checkpoints are exported in, or several: fp32,int8.",
        show_default="fp32; an artifact has its own",
        rich_help_panel="Scenario",
    ),
]
Opset = Annotated[
    int | None, typer.Option(help="ONNX operator set, 18 to 25.", show_default="18", rich_help_panel="Artifact")
]
ComputeCapability = Annotated[
    str | None,
    typer.Option(
        metavar="8.6,8.9",
        help="GPUs to build an engine for.",
        show_default="the format's own choice",
        rich_help_panel="Artifact",
    ),
]
TargetName = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="local|browser|ssh://USER@HOST",
        help="The place: this machine, a browser on it, or a board that ssh reaches, as "
        r"ssh://USER@HOST\[:PORT]\[/PYTHON].",
        rich_help_panel="Scenario",
    ),
]
Targets = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="local|browser|ssh://USER@HOST",
        help="Places, comma-separated: this machine, a browser on it, or boards that ssh reaches, as "
        r"ssh://USER@HOST\[:PORT]\[/PYTHON].",
        rich_help_panel="Scenario",
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Two columns: a class of the data set; the network's name of it, its number from 0 or its WordNet id. "
        "With several networks, a number is a place in each one's own order.",
        show_default="by WordNet ids, else by names",
        rich_help_panel="Accuracy",
    ),
]
Among = Annotated[
    Literal["network", "data"] | None,
    typer.Option(
        help="Where the network knows more classes than the data set has, its answer is, with network: the best of all "
        "classes that it knows; with data: the best of those that the data set has.",
        show_default="network",
        rich_help_panel="Accuracy",
    ),
]
Results = Annotated[
    Path, typer.Option(metavar="DIR", help="Where the JSON files with all samples go.", rich_help_panel="Output")
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND:PLACE",
        help="Send the figures there as well: jsonl:FILE, tensorboard:DIR, mlflow:DIR or mlflow:ADDRESS; repeatable.",
        rich_help_panel="Output",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel="Output")]


def parse_split(text: str, option: str) -> "tuple[str, Split | None]":
    """ "cifar10" -> no split; "imagenet1k/val" -> that one."""
    from ..datasets.info import Split

    name, slash, given = text.partition("/")
    split: Split | None = next((known for known in get_args(Split) if known == given), None)
    if not name or (slash and split is None):
        reason = f"there is no split {given!r}" if name else "no data set is named"
        raise UsageError(f"{option} {text!r}: {reason}", f"Write {option} {name or 'flowers'}/val.")
    return name, split


def words(text: str) -> list[str]:
    """ "onnx, openvino" -> both."""
    return [word.strip() for word in text.split(",")]


def parse_batch(text: str) -> int | tuple[int, int, int] | None:
    """ "8" -> that size, "1:8:64" -> those sizes; "dynamic" -> None."""
    if text == "dynamic":
        return None
    if ":" in text:
        sizes = text.split(":")
        if len(sizes) != 3 or not all(size.isdecimal() for size in sizes):
            raise UsageError(f"--batch {text!r} is no range of batch sizes", "Write --batch MIN:OPT:MAX, as 1:8:64.")
        least, best, most = map(int, sizes)
        return least, best, most
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(
        f"--batch {text!r} is neither dynamic nor a positive number", "Write --batch dynamic or --batch 8."
    )


def parse_precisions(text: str) -> "list[Precision]":
    """ "fp32,int8" -> both."""
    from ..core.types import Precision

    known: tuple[Precision, ...] = get_args(Precision)
    names = words(text)
    if unknown := set(names).difference(known):
        raise UsageError(f"unknown precision {min(unknown)!r}", f"Choose from {', '.join(known)}.")
    return [precision for precision in known if precision in names]


def arithmetic_and_half_width(
    precision: str | None, half_width: str | None
) -> "tuple[list[Precision] | None, float | None]":
    """What both options say; None where they say nothing. `--precision 1%` is the older spelling of --half-width."""
    if precision and SHARE.fullmatch(precision) and (precision.endswith("%") or float(precision) < 1):
        if half_width:
            raise UsageError("--precision and --half-width are both shares", "Leave --precision away.")
        precision, half_width = None, precision
    return parse_precisions(precision) if precision else None, parse_half_width(half_width) if half_width else None


def parse_half_width(text: str) -> float:
    """How far to either side an interval may reach: "1%" -> 0.01."""
    if half_width := parse_share(text, "--half-width"):
        return half_width
    raise UsageError("--half-width 0% cannot be reached", "Write --half-width 1%.")


def parse_counts(text: str, option: str) -> list[int]:
    """ "1,32" -> [1, 32]; anything but positive whole numbers is a usage error."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise UsageError(f"{option} {text!r} is not a list of positive whole numbers", f"Write it as {option} 1,32.")
    return list(dict.fromkeys(counts))
