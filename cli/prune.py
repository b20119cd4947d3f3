"""`reszoo prune`: a smaller network of the same kind, which has to prove that it is faster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import ReszooError, UnavailableError, UsageError
from .prune_steps import Finetuning, Target, Wish, make
from .shares import parse_share
from .train import Changes, Resume, choose_recipe

if TYPE_CHECKING:
    from ..core.measured import Scenario
    from ..core.types import Checkpoint
    from ..prune import PruneConfig

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

WITHOUT_IMAGES = {"channels": "l2", "units": "random"}  # importances that need none


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
    from . import prune_report, prune_sensitivity

    targets = {"--macs": macs, "--params": params, "--latency": latency}
    of_race = {"--runtime": runtime, "--threads": threads, "--batch": batch}
    of_channels = {"--ranking": ranking, "--round-to": round_to, "--min-share": min_share is not None}
    of_training = {"--teacher": teacher, "--set": set_, "--resume": resume, "--device": device != "auto"}
    if sensitivity:
        others = {"--no-measure": not measure, "--units": units, "--steps": steps > 1, "--finetune": finetune}
        makes_one = targets | of_race | of_channels | others | of_training | {"--out": out}
        _refuse(makes_one, "--sensitivity makes no network")
    _refuse({} if sensitivity else {"--plot": plot}, "it shows what --sensitivity finds")
    _refuse({} if measure else of_race, "--no-measure measures no latency")
    _refuse(of_channels if units else {}, "--units removes no channels")
    _refuse({} if finetune else of_training, "it is about training", "Add --finetune prune-finetune")
    multiple = 1 if units or sensitivity else _multiple(round_to, by_latency=latency is not None)
    config = _config(
        remove="units" if units else "channels",
        importance=importance,
        ranking=ranking,
        steps=steps,
        round_to=multiple,
        min_share=min_share,
        exclude=tuple(exclude or ()),
        images=images,
        seed=seed,
    )
    if sensitivity:
        _check_idle(config, images, seed)
        prune_sensitivity.show(_source(ref, config), config, plot, json)
        return
    target = _target(targets, measure)
    scenario = _scenario(runtime or "onnxruntime", threads or 1, batch or 1) if measure else None
    _check_idle(config, images, seed)
    source = _source(ref, config)
    finetuning = _finetuning(source, finetune, set_ or [], teacher, device, resume) if finetune else None
    name = f"{source.ref}-{'units-' if units else ''}{target.cost}{target.share:g}"
    wish = Wish(target, config, multiple is None, scenario, finetuning, out or Path("runs") / name, name)
    prune_report.show(make(source, wish), json)


def _refuse(given: dict[str, Any], why: str, instead: str = "") -> None:
    """Options that would do nothing: whoever gives one expects something of it."""
    if names := ", ".join(name for name, value in given.items() if value):
        raise UsageError(f"{names}: {why}", f"{instead}, or leave {names} away." if instead else f"Leave {names} away.")


def _target(given: dict[str, str | None], measure: bool) -> Target:
    """The only one."""
    chosen = {name: text for name, text in given.items() if text is not None}
    if len(chosen) != 1:
        raise UsageError(
            f"{' and '.join(chosen)} exclude each other" if chosen else "pruning needs one target",
            "Choose one of --macs 0.5, --params 0.5 and --latency 0.5.",
        )
    ((name, text),) = chosen.items()
    half = f"It is a share of what the network has now: write half as {name} 50% or {name} 0.5."
    share = parse_share(text, name, half)
    if not 0 < share < 1:
        raise UsageError(f"{name} {text} is no target for pruning", f"Give more than 0 and less than 1: {name} 0.5.")
    if name == "--latency" and not measure:
        raise UsageError("--latency has to be measured", "Leave --no-measure away.")
    return Target(name.removeprefix("--"), share)  # type: ignore[arg-type]  # one of the three


def _multiple(text: str | None, by_latency: bool) -> int | None:
    """None is `auto`."""
    from ..prune.config import FINE

    if text is None:
        return None if by_latency else FINE
    if text == "auto":
        if not by_latency:
            raise UsageError("--round-to auto is for --latency", "Give a number, as in --round-to 8.")
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(f"--round-to {text!r} is neither auto nor a positive whole number", "Write it as --round-to 8.")


def _scenario(runtime: str, threads: int, batch: int) -> "Scenario":
    from ..export.contract import parse_runtime
    from ..workflows.pruning.verdict import scenario_for

    engine, _ = parse_runtime(runtime)
    if "cpu" not in engine.devices:
        raise UnavailableError(
            f"pruning measures latency on the CPU, and {engine.name} runs on GPUs only",
            "Choose another --runtime, as onnxruntime, or a number of --macs with --no-measure.",
        )
    return scenario_for(runtime, threads, batch)


def _config(**options: Any) -> "PruneConfig":
    """What is None has its default."""
    from ..prune import PruneConfig

    return PruneConfig(**{name: value for name, value in options.items() if value is not None})


def _check_idle(config: "PruneConfig", images: int | None, seed: int | None) -> None:
    from ..prune.judging import needs_images

    if not needs_images(config):
        idle = {"--images": images, "--seed": seed is not None and config.method != "random"}
        _refuse(idle, f"--importance {config.method} looks at no images")


def _source(ref: str, config: "PruneConfig") -> "Checkpoint":
    """What is pruned. That the options suit it, and the images are here to judge it, is said before anything else."""
    from ..prune.calibration import sample
    from ..prune.judging import needs_images
    from ..prune.pruning import check_options
    from .targets import checkpoint

    source = checkpoint(ref)
    check_options(source.spec, config)
    try:
        if needs_images(config):
            sample(source, config)
    except ReszooError as error:
        fix = f"{error.fix} Or judge without images: --importance {WITHOUT_IMAGES[config.remove]}."
        raise type(error)(error.problem, fix) from error
    return source


def _finetuning(
    source: "Checkpoint",
    recipe: str,
    changes: list[str],
    teacher: str | None,
    device: Literal["auto", "cpu", "cuda"],
    resume: bool,
) -> Finetuning:
    """All that training needs, checked before anything is pruned."""
    from .. import datasets
    from ..train.data import check_batch
    from ..train.distributed import current
    from ..train.run import check_teacher, pick_device
    from .targets import checkpoint

    chosen = choose_recipe(recipe, changes)
    if current().size > 1:
        raise UsageError(
            "pruning runs in one process", "Prune without --finetune, then train OUT: torchrun ... train --from OUT."
        )
    pick_device(device, current())
    check_batch(datasets.load(source.dataset, chosen.train_on), chosen)
    if chosen.train_on == "train":
        datasets.load(source.dataset, "val")
    if teacher or chosen.teacher_share:
        heard = checkpoint(teacher) if teacher else source
        check_teacher(heard, source.spec, source.dataset, chosen)
        return Finetuning(chosen, heard, device, resume)
    return Finetuning(chosen, None, device, resume)
