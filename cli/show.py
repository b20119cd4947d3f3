"""`reszoo show`: all that is known of an architecture or a checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..core.errors import UsageError
from ..core.refs import is_on_hub
from ..core.types import Checkpoint, ModelSpec, ProvenanceStep
from . import output

if TYPE_CHECKING:
    from ..models.cost import Cost
    from ..zoo.catalogue import Card


def show(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Architectures, checkpoints' names, their folders, or hf://OWNER/NAME."),
    ],
    layers: Annotated[bool, typer.Option("--layers", help="List every layer with its MACs and parameters.")] = False,
    diagram: Annotated[
        Path | None, typer.Option("--diagram", metavar="FILE.svg", help="Draw the networks' blocks, side by side.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show an architecture's size and cost, and a checkpoint's origin, accuracy, licence and preprocessing.

    Example: reszoo show resnet20_v1 resnet20_v2 --diagram blocks.svg
    """
    found = [_found(name) for name in names]
    if diagram:
        _draw(found, diagram)
    if json:
        records = [one._asdict() for one in found]
        output.print_json(records[0] if len(records) == 1 else records)
        return
    for one in found:
        _print(one, layers, with_name=len(found) > 1)
    if diagram:
        output.console().print(f"the blocks are drawn in {diagram}", markup=False)


class Found(NamedTuple):
    """What a name stands for; an architecture has no `source`."""

    name: str
    spec: ModelSpec
    cost: "Cost"
    source: "Checkpoint | Card | None"


def _found(name: str) -> Found:
    from ..models import spec_of
    from ..models.cost import cost_of

    is_checkpoint = "." in name or Path(name).is_dir() or is_on_hub(name)
    source = _source(name) if is_checkpoint else None
    spec = spec_of(name) if source is None else source.spec if isinstance(source, Checkpoint) else source.model_spec()
    return Found(name, spec, cost_of(spec), source)


def _print(found: Found, layers: bool, with_name: bool) -> None:
    from rich.text import Text

    from .tables import aligned

    console = output.console()
    named = {"network": found.name} if with_name else {}
    origin = _origin(found.source) if found.source else {}
    facts = {**named, **_architecture(found.spec, found.cost), **origin}.items()
    console.print(*aligned(([Text(key, style="bold"), Text(value)] for key, value in facts), console.width), sep="\n")
    if layers:
        console.print(_layers(found.cost))


def _draw(found: list[Found], path: Path) -> None:
    if path.suffix != ".svg":
        raise UsageError(f"{path} is no name for an SVG file", "Give one that ends in .svg: `--diagram blocks.svg`.")
    from ..core.files import write_atomic
    from ..core.missing import require

    require("torch", "to trace a network's block")
    from ..models.graphs import block_graph
    from ..models.network import description
    from ..reporting.diagram import Panel, diagram

    panels = [Panel(one.name, description(one.spec)["family"], block_graph(one.spec)) for one in found]
    write_atomic(path, diagram(panels).encode())


def _source(name: str) -> "Checkpoint | Card":
    """The checkpoint if it is on this machine, else its card."""
    from .. import zoo
    from ..zoo import catalogue, checkpoints

    if is_on_hub(name):
        from ..workflows.references import checkpoint

        return checkpoint(name)
    if Path(name).is_dir():
        return checkpoints.describe(Path(name))
    matches = zoo.resolve(name)
    if len(matches) > 1:
        raise UsageError(f"{name!r} matches {len(matches)} checkpoints", f"Choose one: {', '.join(matches)}.")
    folder = zoo.folder_of(matches[0])
    return checkpoints.describe(folder) if folder.exists() else catalogue.card(matches[0])


def _architecture(spec: ModelSpec, cost: "Cost") -> dict[str, str]:
    from ..models.network import description

    channels, height, width = spec.input
    return {
        **description(spec),
        "input": f"{channels} x {height} x {width}",
        "classes": str(spec.num_classes),
        "parameters": f"{output.count(cost.params)} ({cost.params:,})",
        "MACs": f"{output.count(cost.macs)} ({cost.macs:,}), an image",
    }


def _origin(source: "Checkpoint | Card") -> dict[str, str]:
    from ..zoo.store import is_unverified

    facts = {"data set": source.dataset or "not named", "licence": source.licence}
    prepare = source.preprocess
    resize = f"resize {prepare.resize} {prepare.interpolation}, " if prepare.resize else ""
    crop = f"crop {prepare.crop}, " if prepare.crop else ""
    facts["preprocessing"] = f"{resize}{crop}mean {_numbers(prepare.mean)}, std {_numbers(prepare.std)}"
    if isinstance(source, Checkpoint):
        for metric in source.metrics:
            key = f"accuracy, {metric.origin}"
            facts[key] = f"{metric.value:.4f} on {metric.dataset}/{metric.split}, n = {metric.n}"
        facts["weights"] = f"{source.weights_path} ({output.size(source.size_bytes)})"
        facts["sha256"] = source.sha256 + (" (unverified)" if is_unverified(source) else "")
        facts["provenance"] = " > ".join(_described(step) for step in source.provenance)
        return facts
    if published := source.accuracy:
        whose = "" if source.is_verified else ", perhaps of another file"
        facts["accuracy, published"] = (
            f"{published.value:.4f} on {source.dataset}/{published.split} ({published.source}){whose}"
        )
    facts["from"] = source.url
    known = source.sha256 or "not published"
    facts["sha256"] = known if source.is_verified else f"{known}; unverified: pinned when it is first downloaded"
    facts["paper"] = f"arXiv:{source.paper}"
    if source.note:
        facts["note"] = source.note
    facts["here"] = f"no: reszoo download {source.ref}"
    return facts


def _described(step: ProvenanceStep) -> str:
    strength = step.config.get("group_sparsity", "0.0")
    notes = [f"group sparsity {strength}"] if float(strength) else []
    if step.config.get("head") == "new":
        notes.append(f"new head for {step.config['dataset']}")
    return f"{step.name} ({', '.join(notes)})" if notes else step.name


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
