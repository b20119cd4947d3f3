"""`reszoo prune`: a smaller network of the same kind, which has to prove that it is faster."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import output
from .shares import parse_share
from .train import Changes, Resume, parse_changes, watchers

Share = typer.Option(metavar="SHARE", help="Of the network's, from above 0 to below 1.")
Runtime = Annotated[str | None, typer.Option(help="The engine that measures latency.", show_default="onnxruntime")]
Threads = Annotated[int | None, typer.Option(min=1, help="Of that engine.", show_default="1")]
Batch = Annotated[
    int | None, typer.Option(min=1, help="Images at a time, where latency is measured.", show_default="1")
]
Units = Annotated[bool, typer.Option("--units", help="Remove whole residual units instead of channels.")]
Importance = Annotated[
    str | None,
    typer.Option(
        help="Of channels: l1, l2, bn_scale, taylor, hessian, fpgm, random. Of units: loss, change, random.",
        show_default="taylor, loss",
    ),
]
Ranking = Annotated[
    Literal["local", "global", "isomorphic"] | None,
    typer.Option(help="What a channel's importance is compared with.", show_default="isomorphic"),
]
Steps = Annotated[int, typer.Option(min=1, help="Judge the network anew so many times on the way.")]
RoundTo = Annotated[
    str | None,
    typer.Option(
        metavar="auto|N",
        help="Multiples of channels; auto, with --latency: what keeps most of their importance.",
        show_default="auto with --latency, else 8",
    ),
]
MinShare = Annotated[
    float | None, typer.Option(min=0, max=1, help="Of its channels, that every space keeps.", show_default="0.1")
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A space or a unit that stays whole, with wildcards.")
]
Images = Annotated[
    int | None, typer.Option(min=1, help="Training images that importance is judged on.", show_default="256")
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Chooses those images, and draws what is random.", show_default="0")
]
Measure = Annotated[
    bool, typer.Option("--measure/--no-measure", help="Race it against its parent, and refuse it if it is not faster.")
]
Finetune = Annotated[
    str | None,
    typer.Option(metavar="RECIPE", help="Train it afterwards: prune-finetune, prune-finetune-full, or a TOML file."),
]
TeacherRef = Annotated[
    str | None, typer.Option(metavar="REF", help="Whose answers it learns.", show_default="the network itself")
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to fine-tune.")]
Sensitivity = Annotated[
    bool, typer.Option("--sensitivity", help="Make no network, but a table and a plot: what each space can spare.")
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="With --sensitivity: .png or .svg.", show_default="./REF-sensitivity.svg"),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The checkpoint's folder.", show_default="runs/REF-...")]


def prune(
    ref: Annotated[str, typer.Argument(metavar="REF", help="A name, or a checkpoint's folder.")],
    macs: Annotated[str | None, Share] = None,
    params: Annotated[str | None, Share] = None,
    latency: Annotated[str | None, Share] = None,
    runtime: Runtime = None,
    threads: Threads = None,
    batch: Batch = None,
    units: Units = False,
    importance: Importance = None,
    ranking: Ranking = None,
    steps: Steps = 1,
    round_to: RoundTo = None,
    min_share: MinShare = None,
    exclude: Exclude = None,
    images: Images = None,
    seed: Seed = None,
    measure: Measure = True,
    finetune: Finetune = None,
    teacher: TeacherRef = None,
    set_: Changes = None,
    resume: Resume = False,
    device: Device = "auto",
    sensitivity: Sensitivity = False,
    plot: Plot = None,
    out: Out = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove channels, or whole units, until a target is met; train what is left; and race it against its parent.

    Example: reszoo prune resnet8_v1.reszoo_digits --macs 0.5 --batch 32 --finetune digits

    Ctrl-C while it trains saves the run, and --resume goes on with it.
    """
    from ..workflows.pruning.prune import prune as run
    from ..workflows.references import checkpoint
    from ..workflows.training import recipe_for
    from . import prune_report, prune_sensitivity

    how: dict[str, Any] = {"importance": importance, "exclude": exclude or (), "images": images, "seed": seed}
    shares = {"macs": macs, "params": params, "latency": latency}
    if sensitivity:
        makes_one: dict[str, object] = {
            **shares,
            **{"units": units, "steps": steps > 1, "ranking": ranking, "round_to": round_to},
            **{"min_share": min_share is not None, "measure=False": not measure, "runtime": runtime},
            **{"threads": threads, "batch": batch, "finetune": finetune, "teacher": teacher, "set": set_},
            **{"resume": resume, "device": device != "auto", "out": out},
        }
        prune_sensitivity.show(ref, how, makes_one, plot, json)
        return
    if plot:
        raise UsageError("--plot shows what --sensitivity finds", "Leave --plot away.")
    targets: dict[str, Any] = {name: _share(name, text) for name, text in shares.items() if text is not None}
    chosen = recipe_for(finetune, parse_changes(set_ or [])) if finetune else None
    with output.bar() as progress:
        source = checkpoint(ref, progress)
        heard = checkpoint(teacher, progress) if teacher else None
    with output.bar(source.ref) as progress:
        made = run(
            source,
            **targets,
            **how,
            units=units,
            ranking=ranking,
            steps=steps,
            round_to=_multiple(round_to),
            min_share=min_share,
            measure=measure,
            runtime=runtime,
            threads=threads,
            batch=batch,
            finetune=chosen,
            changes=None if chosen else parse_changes(set_ or []),
            teacher=heard,
            resume=resume,
            device=device,
            out=out,
            progress=progress,
            on_warnings=output.tell_doubts,
            watchers=watchers(chosen, None) if chosen else (),
        )
    prune_report.show(made, json)


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
