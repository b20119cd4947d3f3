"""`reszoo prune`: a smaller network of the same kind, which has to prove that it is faster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from .pruning import Finetuning, Target, Wish, make
from .shares import parse_share
from .train import Changes, Resume, choose_recipe

if TYPE_CHECKING:
    from ..core.types import Checkpoint

Share = typer.Option(metavar="SHARE", help="Of the network's, from above 0 to below 1.")
Runtime = Annotated[str, typer.Option(help="The engine that measures latency.")]
Threads = Annotated[int, typer.Option(min=1, help="Of that engine.")]
Batch = Annotated[int, typer.Option(min=1, help="Images at a time, where latency is measured.")]
Units = Annotated[bool, typer.Option("--units", help="Remove whole residual units instead of channels.")]
Importance = Annotated[
    str | None,
    typer.Option(
        help="Of channels: l1, l2, bn_scale, taylor, hessian, fpgm, random. Of units: loss, change, random.",
        show_default="taylor, loss",
    ),
]
Ranking = Annotated[
    Literal["local", "global", "isomorphic"], typer.Option(help="What a channel's importance is compared with.")
]
Steps = Annotated[int, typer.Option(min=1, help="Judge the network anew so many times on the way.")]
RoundTo = Annotated[str, typer.Option(metavar="auto|N", help="Multiples of channels; auto: what the engine likes.")]
MinShare = Annotated[float, typer.Option(min=0, max=1, help="Of its channels, that every space keeps.")]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="A space or a unit that stays whole, with wildcards.")
]
Images = Annotated[int, typer.Option(min=1, help="Training images that importance is judged on.")]
Seed = Annotated[int, typer.Option(min=0, help="Chooses those images.")]
Measure = Annotated[
    bool, typer.Option("--measure/--no-measure", help="Race it against its parent, and refuse it if it is not faster.")
]
Finetune = Annotated[
    str | None,
    typer.Option(metavar="RECIPE", help="Train it afterwards: prune_finetune, prune_finetune_full, or a TOML file."),
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
    runtime: Runtime = "onnxruntime",
    threads: Threads = 1,
    batch: Batch = 1,
    units: Units = False,
    importance: Importance = None,
    ranking: Ranking = "isomorphic",
    steps: Steps = 1,
    round_to: RoundTo = "auto",
    min_share: MinShare = 0.1,
    exclude: Exclude = None,
    images: Images = 256,
    seed: Seed = 0,
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
    from ..bench.pruning.verdict import scenario_for
    from ..prune import PruneConfig
    from . import pruned, sensitivities
    from .targets import checkpoints

    target = _target({"macs": macs, "params": params, "latency": latency}, sensitivity)
    multiple = 1 if units or sensitivity else _multiple(round_to, measure)
    options: dict[str, Any] = {
        "remove": "units" if units else "channels",
        "importance": importance,
        "ranking": ranking,
        "steps": steps,
        "round_to": multiple or 1,
        "min_share": min_share,
        "exclude": tuple(exclude or ()),
        "images": images,
        "seed": seed,
    }
    config = PruneConfig(**options)
    scenario = scenario_for(runtime, threads, batch) if measure else None
    if (teacher or set_ or resume) and not finetune:
        raise UsageError("--teacher, --set and --resume are about fine-tuning", "Add --finetune prune_finetune.")
    if plot and not sensitivity:
        raise UsageError("--plot shows what --sensitivity finds", "Add --sensitivity.")
    sources = checkpoints([ref])
    if len(sources) > 1:
        raise UsageError(
            f"{ref!r} matches {len(sources)} checkpoints", f"Choose one: {', '.join(c.ref for c in sources)}."
        )
    (source,) = sources
    if target is None:
        sensitivities.show(source, config, plot, json)
        return
    if target.cost == "latency" and not measure:
        raise UsageError("--latency has to be measured", "Leave --no-measure away.")
    name = f"{source.ref}-{'units-' if units else ''}{target.cost}{target.share:g}"
    finetuning = _finetuning(source, finetune, set_ or [], teacher, device, resume) if finetune else None
    made = make(source, Wish(target, config, multiple is None, scenario, finetuning, out or Path("runs") / name, name))
    pruned.show(made, json)


def _target(given: dict[str, str | None], sensitivity: bool) -> Target | None:
    """The only one; None for a sensitivity analysis, which has none."""
    chosen = {name: text for name, text in given.items() if text is not None}
    if sensitivity:
        if chosen:
            raise UsageError("--sensitivity prunes to no target", f"Leave --{next(iter(chosen))} away.")
        return None
    if len(chosen) != 1:
        raise UsageError(
            "pruning needs one target"
            if not chosen
            else f"{' and '.join(f'--{name}' for name in chosen)} exclude each other",
            "Choose one of --macs 0.5, --params 0.5 and --latency 0.5.",
        )
    ((name, text),) = chosen.items()
    share = parse_share(text, f"--{name}")
    if not 0 < share < 1:
        raise UsageError(
            f"--{name} {text} is no target for pruning", f"Give more than 0 and less than 1: --{name} 0.5."
        )
    return Target(name, share)  # type: ignore[arg-type]  # one of the three


def _multiple(text: str, measure: bool) -> int | None:
    """None is `auto`."""
    if text == "auto":
        if not measure:
            raise UsageError(
                "--round-to auto has to be measured", "Give a number, as in --round-to 8, or leave --no-measure away."
            )
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(f"--round-to {text!r} is neither auto nor a positive whole number", "Write it as --round-to 8.")


def _finetuning(
    source: "Checkpoint",
    recipe: str,
    changes: list[str],
    teacher: str | None,
    device: Literal["auto", "cpu", "cuda"],
    resume: bool,
) -> Finetuning:
    """Checked before anything is pruned."""
    from .. import datasets, zoo
    from ..train.run import check_teacher

    chosen = choose_recipe(recipe, changes)
    datasets.load(source.dataset, chosen.train_on)
    teachers = zoo.load(teacher) if teacher else source
    check_teacher(teachers, source.spec, source.dataset)
    return Finetuning(chosen, teachers, device, resume)
