"""`reszoo show`: all that is known of an architecture or a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import fields

from ..core.errors import UsageError
from ..core.types import ChannelPlan, Checkpoint, ModelSpec, ProvenanceStep
from . import output

if TYPE_CHECKING:
    from ..models.cost import Cost
    from ..zoo.catalogue import Card

# what a network has besides, shown where it is not the default
OTHERS = ("bottleneck_width", "norm_place", "order", "init", "se_ratio", "stochastic_depth")


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An architecture, a checkpoint's name or its folder.")],
    layers: Annotated[bool, typer.Option("--layers", help="List every layer with its MACs and parameters.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an architecture's size and cost, and a checkpoint's origin, accuracy, licence and preprocessing.

    Example: reszoo show resnet20_v1.akamaster_cifar10 --layers
    """
    from ..models import spec_of
    from ..models.cost import cost_of

    source = None if "." not in name and not Path(name).is_dir() else _source(name)
    spec = spec_of(name) if source is None else source.spec if isinstance(source, Checkpoint) else source.model_spec()
    cost = cost_of(spec)
    if json:
        output.print_json({"name": name, "spec": spec, "cost": cost, "source": source})
        return
    console = output.console()
    facts = output.table("", "")
    facts.show_header, facts.columns[0].style = False, "bold"
    for key, value in {**_architecture(spec, cost), **(_origin(source) if source else {})}.items():
        facts.add_row(key, value)
    console.print(facts)
    if layers:
        console.print(_layers(cost))


def _source(name: str) -> "Checkpoint | Card":
    """The checkpoint if it is on this machine, else its card."""
    from .. import zoo
    from ..zoo import catalogue, checkpoints

    if Path(name).is_dir():
        return checkpoints.describe(Path(name))
    matches = zoo.resolve(name)
    if len(matches) > 1:
        raise UsageError(f"{name!r} matches {len(matches)} checkpoints", f"Choose one: {', '.join(matches)}.")
    folder = catalogue.folder_of(matches[0])
    return checkpoints.describe(folder) if folder.exists() else catalogue.card(matches[0])


def _architecture(spec: ModelSpec, cost: "Cost") -> dict[str, str]:
    channels, height, width = spec.input
    blocks = f"{'+'.join(map(str, spec.depths))} {spec.block_type}, {'/'.join(map(str, spec.widths))} channels"
    families = {"v1": "v1 (post-activation)", "v2": "v2 (pre-activation)", "plain": "plain"}
    own = {field.name: field.default for field in fields(ModelSpec)}
    others = [name for name in OTHERS if getattr(spec, name) != own[name]]
    variants = {name: getattr(spec, name) for name in ("skip", "norm", "activation", *others)}
    return {
        "family": ", ".join(spec.families) if spec.families else families[spec.family],
        "blocks": f"{blocks}, before pruning" if spec.plan else blocks,
        **(_pruned(spec, spec.plan) if spec.plan else {}),
        "stem, shortcut": f"{spec.stem}, option {spec.shortcut}",
        "variants": ", ".join(f"{key} {value}" for key, value in variants.items()),
        "input": f"{channels} x {height} x {width}",
        "classes": str(spec.num_classes),
        "parameters": f"{output.count(cost.params)} ({cost.params:,})",
        "MACs": f"{output.count(cost.macs)} ({cost.macs:,}), an image",
    }


def _pruned(spec: ModelSpec, plan: ChannelPlan) -> dict[str, str]:
    """What the plan leaves of each stage."""
    facts = {}
    for stage, (blocks, channels, inner) in enumerate(stages(spec)):
        kept = plan.blocks.get(f"stages.{stage}")
        which = "" if kept is None else f" ({' '.join(map(str, kept))} of {spec.depths[stage]})"
        remaining = f"{blocks} blocks{which}, {channels} channels, {inner} inside"
        facts[f"stage {stage}, pruned"] = remaining if int(blocks) else f"none of {spec.depths[stage]} blocks"
    return facts


def stages(spec: ModelSpec) -> list[tuple[str, str, str]]:
    """The blocks of each, its outputs' channels, and those between its convolutions: from the fewest to the most."""
    from ..models.channels import layout

    found = []
    for stage in range(len(spec.depths)):
        blocks = [block for block in layout(spec).blocks if block.stage == stage]
        inner = [group.width for block in blocks for group in block.inner]
        found.append((str(len(blocks)), _span([block.target.width for block in blocks]), _span(inner)))
    return found


def _span(widths: list[int]) -> str:
    if not widths:
        return "no"
    low, high = min(widths), max(widths)
    return str(low) if low == high else f"{low} to {high}"


def _origin(source: "Checkpoint | Card") -> dict[str, str]:
    facts = {"data set": source.dataset, "licence": source.licence}
    prepare = source.preprocess
    resize = f"resize {prepare.resize} {prepare.interpolation}, " if prepare.resize else ""
    crop = f"crop {prepare.crop}, " if prepare.crop else ""
    facts["preprocessing"] = f"{resize}{crop}mean {_numbers(prepare.mean)}, std {_numbers(prepare.std)}"
    if isinstance(source, Checkpoint):
        for metric in source.metrics:
            key = f"accuracy, {metric.origin}"
            facts[key] = f"{metric.value:.4f} on {metric.dataset}/{metric.split}, n = {metric.n}"
        facts["weights"] = f"{source.weights_path} ({output.size(source.size_bytes)})"
        facts["sha256"] = source.sha256
        facts["provenance"] = " > ".join(_described(step) for step in source.provenance)
        return facts
    if published := source.accuracy:
        facts["accuracy, published"] = (
            f"{published.value:.4f} on {source.dataset}/{published.split} ({published.source})"
        )
    facts["from"] = source.url
    facts["sha256"] = source.sha256 or "not published; taken from the server when it is downloaded"
    facts["paper"] = f"arXiv:{source.paper}"
    if source.note:
        facts["note"] = source.note
    facts["here"] = f"no: reszoo download {source.ref}"
    return facts


def _described(step: ProvenanceStep) -> str:
    strength = step.config.get("group_sparsity", "0.0")
    return step.name if float(strength) == 0 else f"{step.name} (group sparsity {strength})"


def _layers(cost: "Cost") -> object:
    table = output.table("layer", "kind", "output", "parameters", "MACs", right=("parameters", "MACs"))
    for layer in cost.layers:
        shape = " x ".join(map(str, layer.output))
        table.add_row(layer.name, layer.kind, shape, f"{layer.params:,}", f"{layer.macs:,}")
    table.add_section()
    table.add_row("all, with norms", "", "", f"{cost.params:,}", f"{cost.macs:,}")
    return table


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
