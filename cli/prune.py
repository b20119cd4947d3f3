"""`reszoo prune`: a smaller network of the same kind, which has to pass a speed check."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import output
from .shares import parse_share
from .train import parse_changes, shown

if TYPE_CHECKING:
    from ..core.progress_bar import ProgressBar

TARGET, REMOVED, CHECK = "Target (one of these)", "What is removed", "Speed check"
FINETUNING, OTHERS, OUTPUT = "Fine-tuning", "Instead of pruning", "Output"

Macs = Annotated[
    str | None, typer.Option(metavar="SHARE", help="Multiply-adds to keep, as 0.5 or 50%.", rich_help_panel=TARGET)
]
Params = Annotated[
    str | None, typer.Option(metavar="SHARE", help="Parameters to keep, as 0.5 or 50%.", rich_help_panel=TARGET)
]
Latency = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Latency to keep, as it is measured here: 0.5 or 50%.", rich_help_panel=TARGET),
]
Blocks = Annotated[
    bool, typer.Option("--blocks", help="Remove whole residual blocks, not channels.", rich_help_panel=REMOVED)
]
Mixed = Annotated[
    bool,
    typer.Option(
        "--mixed",
        help="Remove blocks and channels: always what loses least, on training images, for what it saves.",
        rich_help_panel=REMOVED,
    ),
]
Units = Annotated[
    bool, typer.Option("--units", hidden=True, help="The older spelling of --blocks.", rich_help_panel=REMOVED)
]
Importance = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Of channels: l1, l2, bn_scale, taylor (the default), hessian, fpgm, random; "
        "of blocks: loss (the default), change, random.",
        rich_help_panel=REMOVED,
    ),
]
Ranking = Annotated[
    Literal["local", "global", "isomorphic"] | None,
    typer.Option(
        metavar="NAME",
        help="Compare a channel with those of its own channel group (local), with all (global), or with those of "
        "groups with the same layers around them (isomorphic, the default).",
        rich_help_panel=REMOVED,
    ),
]
Steps = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Approach the target in N steps, and score the network anew in each.",
        rich_help_panel=REMOVED,
    ),
]
RoundTo = Annotated[
    str | None,
    typer.Option(
        metavar="auto|N",
        help="Keep channels in multiples of N (8 by default); auto, the default with --latency, takes the best.",
        rich_help_panel=REMOVED,
    ),
]
MinShare = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        help="Share of its channels that every channel group keeps; 0.1.",
        rich_help_panel=REMOVED,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="A channel group or a block that is not pruned, with wildcards.", rich_help_panel=REMOVED
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The data set of these images and of fine-tuning; that it was trained on by default.",
        rich_help_panel=REMOVED,
    ),
]
Images = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Training images for importances, losses and statistics; 256, or all where there are fewer.",
        rich_help_panel=REMOVED,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="Chooses those images, and what is removed at random; 0.", rich_help_panel=REMOVED
    ),
]
Statistics = Annotated[
    Literal["renewed", "kept"] | None,
    typer.Option(
        metavar="NAME",
        help="Means and variances of batch norms: renewed, over these images, for what is left, or kept; "
        "renewed where the importance needs images.",
        rich_help_panel=REMOVED,
    ),
]
Measure = Annotated[
    bool,
    typer.Option(
        "--measure/--no-measure",
        help="Compare the latency with the parent's, and refuse a network that is not faster.",
        rich_help_panel=CHECK,
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The engine that measures latency; onnxruntime.", rich_help_panel=CHECK),
]
Threads = Annotated[int | None, typer.Option(metavar="N", min=1, help="Of that engine; 1.", rich_help_panel=CHECK)]
Batch = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Images at a time, where latency is measured; 1.", rich_help_panel=CHECK),
]
PrecisionName = Annotated[
    Literal["fp32", "fp16", "int8"] | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="Measure latency of networks in fp32 (the default), fp16 or int8; int8 for what `quantize` gets next.",
        rich_help_panel=CHECK,
    ),
]
Finetune = Annotated[
    str | None,
    typer.Option(
        metavar="RECIPE",
        help="Train it afterwards: prune-finetune, prune-finetune-full, digits, or a TOML file.",
        rich_help_panel=FINETUNING,
    ),
]
TeacherRef = Annotated[
    str | None,
    typer.Option(
        metavar="REF",
        help="The teacher, whose outputs it learns; the network before pruning by default. With --set "
        "teacher_views=10, an artifact, too.",
        rich_help_panel=FINETUNING,
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the recipe.", rich_help_panel=FINETUNING),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run that was interrupted.", rich_help_panel=FINETUNING)
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(metavar="NAME", help="Where to train: auto, cpu or cuda.", rich_help_panel=FINETUNING),
]
Sensitivity = Annotated[
    bool,
    typer.Option(
        "--sensitivity",
        help="Make no network: show the accuracy as channels of each group are dropped.",
        rich_help_panel=OTHERS,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Its plot, .png or .svg; ./REF-sensitivity.svg.", rich_help_panel=OTHERS),
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The checkpoint's folder; runs/REF-...", rich_help_panel=OUTPUT)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=OUTPUT)]


def prune(
    ref: Annotated[str, typer.Argument(metavar="REF", help="A name, a checkpoint's folder, or hf://OWNER/NAME.")],
    macs: Macs = None,
    params: Params = None,
    latency: Latency = None,
    blocks: Blocks = False,
    mixed: Mixed = False,
    units: Units = False,
    importance: Importance = None,
    ranking: Ranking = None,
    steps: Steps = 1,
    round_to: RoundTo = None,
    min_share: MinShare = None,
    exclude: Exclude = None,
    data: Data = None,
    images: Images = None,
    seed: Seed = None,
    statistics: Statistics = None,
    measure: Measure = True,
    runtime: Runtime = None,
    threads: Threads = None,
    batch: Batch = None,
    precision: PrecisionName = None,
    finetune: Finetune = None,
    teacher: TeacherRef = None,
    set_: Changes = None,
    resume: Resume = False,
    device: Device = "auto",
    sensitivity: Sensitivity = False,
    plot: Plot = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Remove channels, whole residual blocks, or both, until a target is met; check the speed; fine-tune the result.

    Example: reszoo prune resnet8_v1.reszoo_digits --macs 0.5 --batch 32 --finetune digits

    Ctrl-C while it trains saves the run, and --resume goes on with it.
    """
    from ..workflows.pruning.prune import prune as run
    from ..workflows.references import checkpoint, resolve
    from ..workflows.training import recipe_for
    from . import prune_report, prune_sensitivity

    blocks = blocks or units
    how: dict[str, Any] = {"importance": importance, "exclude": tuple(exclude or ()), "images": images, "seed": seed}
    shares = {"macs": macs, "params": params, "latency": latency}
    if sensitivity:
        of_pruning: dict[str, object] = {
            **shares,
            **{"blocks": blocks, "mixed": mixed, "steps": steps > 1, "ranking": ranking, "round_to": round_to},
            **{"min_share": min_share is not None, "statistics": statistics, "measure=False": not measure},
            **{"runtime": runtime, "threads": threads, "batch": batch, "precision": precision},
            **{"finetune": finetune, "teacher": teacher, "set": set_},
            **{"resume": resume, "device": device != "auto", "out": out},
        }
        prune_sensitivity.show(ref, data, how, of_pruning, plot, json)
        return
    if plot:
        raise UsageError("--plot shows what --sensitivity finds", "Leave --plot away.")
    targets: dict[str, Any] = {name: _share(name, text) for name, text in shares.items() if text is not None}
    chosen = recipe_for(finetune, parse_changes(set_ or [])) if finetune else None
    with output.bar() as progress:
        source = checkpoint(ref, progress)
        taught_by = resolve(teacher, progress) if teacher else None
    with output.bar(source.ref) as bar:
        result = run(
            source,
            **targets,
            **how,
            data=data,
            blocks=blocks,
            mixed=mixed,
            ranking=ranking,
            steps=steps,
            round_to=_multiple(round_to),
            min_share=min_share,
            statistics=statistics,
            measure=measure,
            runtime=runtime,
            threads=threads,
            batch=batch,
            precision=precision,
            finetune=chosen,
            changes=None if chosen else parse_changes(set_ or []),
            teacher=taught_by,
            resume=resume,
            device=device,
            out=out,
            progress=partial(_until_training, bar),
            on_warnings=output.tell_warnings,
            watchers=(shown(chosen),) if chosen else (),
        )
    prune_report.show(result, json)


def _until_training(bar: "ProgressBar", stage: str, done: float = 0, total: float | None = None, /) -> None:
    """Training has a display of its own, with the loss and the speed."""
    if stage == "training":
        bar.stop()
    else:
        bar(stage, done, total)


def _share(name: str, text: str) -> float:
    option = f"--{name}"
    half = f"It is a share of what the network has now: write half as {option} 50% or {option} 0.5."
    return parse_share(text, option, half)


def _multiple(text: str | None) -> int | Literal["auto"] | None:
    if text is None or text == "auto":
        return text  # type: ignore[return-value]  # mypy does not narrow it to the literal
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(f"--round-to {text!r} is neither auto nor a positive whole number", "Write it as --round-to 8.")
