"""README.md of an artifact: how to run it, what it takes and gives, how exact it is, and where it comes from."""

from ...core.hosts import versions
from ...core.types import Artifact, Checkpoint, Parity, Preprocess, ProvenanceStep, TensorSpec
from ...models.network import summary
from ..contract.format import formats
from ..tensorrt.edition import OLDEST
from . import page
from .script import Entry

INCLUDED = ("onnxruntime",)  # the runtimes that come with reszoo; any other has an extra of its name
COLOURS = {1: "grey", 3: "RGB"}
# Of a step's configuration, what tells where the weights came from and what became of them.
TELLING = ("url", "arch", "dataset", "teacher", "format", "precision", "scheme", "calibration", "images")


def readme(artifact: Artifact, checkpoint: Checkpoint, runtime_name: str, entry: Entry | None) -> str:
    """`entry` is how run.py opens the model, None where there is no run.py."""
    return f"""# {artifact.source_ref} as {artifact.format}, {artifact.precision}

{_network(checkpoint)}
Licence of the weights: {checkpoint.licence}.

## Run it

{_running(artifact, runtime_name, entry)}
{_guide(artifact)}
## What it takes and gives

{_interface(artifact)}

## Preprocessing

{_preprocessing(artifact.preprocess, artifact.input)}

## How exact it is

{_exactness(artifact, checkpoint)}
{_needs(artifact)}
## Where it comes from

{_origin(artifact)}

## Files

{_files(artifact)}
"""


def _network(checkpoint: Checkpoint) -> str:
    spec = checkpoint.spec
    classes = (
        f"the {spec.num_classes} classes of {checkpoint.dataset}"
        if checkpoint.dataset
        else f"{spec.num_classes} classes"
    )
    return f"{summary(spec)} that tells {classes} apart."


def _running(artifact: Artifact, runtime_name: str, entry: Entry | None) -> str:
    if page.is_for(runtime_name):
        return _serving(artifact)
    if entry is None:
        package = "reszoo" if runtime_name in INCLUDED else f"'reszoo[{runtime_name}]'"
        return (
            f"There is no run.py: inside reszoo, {runtime_name} runs these files.\n\n"
            f"    pip install {package}\n    reszoo predict . IMAGE..."
        )
    packages = ("numpy", "pillow", *entry.engine.packages)
    quiet = "run.py keeps it from calling home, as `ORT_DISABLE_TELEMETRY=1` does; set that in a program of your own.\n"
    return (
        f"    pip install {' '.join(packages)}\n    python run.py IMAGE...\n\n"
        f"prints the five likeliest classes. It was made with {_versions(versions(packages))}; reszoo is not needed.\n"
        f"{_binding(artifact)}"
        f"{quiet if entry.engine.name in INCLUDED else ''}"
        "Where reszoo is installed, `reszoo predict . IMAGE...` does the same."
    )


def _guide(artifact: Artifact) -> str:
    text = formats()[artifact.format].guide(artifact)
    return f"\n{text}\n" if text else ""


def _serving(artifact: Artifact) -> str:
    made = {
        name: version
        for name, version in artifact.made[0].versions.items()
        if name in formats()[artifact.format].packages
    }
    return (
        f"    python {page.SERVER}\n\n"
        "and open the address that it prints: the page classifies the pictures that are dropped on it. Any web server\n"
        f"will do, and no network is needed. {page.SERVER} also sends the two headers (Cross-Origin-Opener-Policy and\n"
        "Cross-Origin-Embedder-Policy) with which a browser lets the page use several threads.\n"
        f"It was made with {_versions(made)}; reszoo is not needed."
    )


def _binding(artifact: Artifact) -> str:
    """What an engine is bound to; nothing for a file that any version of its runtime opens."""
    if not formats()[artifact.format].is_for_gpus:
        return ""
    named = artifact.made[0].config["compute_capability"]
    gpus = f"of compute capability {named}" if named else f"from compute capability {OLDEST} on"
    return (
        f"The engine is for GPUs {gpus}, and for that version of the library alone; "
        "model.onnx is what it was built from.\n"
    )


def _interface(artifact: Artifact) -> str:
    least, most = artifact.input.batch_limits
    if least == most:
        batch = f"always {least}: fill a smaller one up"
    else:
        batch = f"{least} to {most} images" if most else "any number of images"
    return _table(
        ("", "name", "shape", "type", "layout"), *map(_tensor, ("in", "out"), (artifact.input, artifact.output))
    ) + (
        f"\n\nThe batch is {batch}. The softmax of the logits gives the probabilities; the class with the number n,\n"
        "from 0, stands in line n + 1 of labels.txt."
    )


def _tensor(direction: str, spec: TensorSpec) -> tuple[str, ...]:
    dtype = spec.dtype if spec.scale is None else f"{spec.dtype}: q for (q - {spec.zero_point}) * {spec.scale:.9g}"
    return direction, spec.name, " x ".join(map(str, spec.shape)), dtype, spec.layout


def _preprocessing(prepare: Preprocess, spec: TensorSpec) -> str:
    channels, height, width = prepare.input
    steps = [
        f"Decode to {COLOURS.get(channels, f'{channels} channels')}, 8 bits a channel. Transparency is dropped, "
        "and an EXIF orientation applied."
    ]
    if prepare.resize:
        steps.append(
            f"Resize with Pillow ({prepare.interpolation}) until the shorter side has {prepare.resize} pixels; "
            "the longer one is rounded down."
        )
    if prepare.crop:
        steps.append(f"Cut {width} x {height} pixels out of the centre.")
    else:
        steps.append(f"What comes out has to be {width} pixels wide and {height} high.")
    if spec.dtype == "uint8":
        steps.append("Nothing more: the model takes raw pixels, and normalises them itself.")
    else:
        mean, std = (" ".join(f"{value:g}" for value in values) for values in (prepare.mean, prepare.std))
        steps.append(f"Divide by 255, subtract the mean ({mean}), divide by the standard deviation ({std}).")
    if spec.scale is not None:
        steps.append(
            f"Divide by {spec.scale:.9g}, round, add {spec.zero_point}, and limit to -128 to 127. Of a pixel and its "
            "channel that is always the same integer: a table of 256 for each channel does all of it."
        )
    return _numbered(steps)


def _exactness(artifact: Artifact, checkpoint: Checkpoint) -> str:
    parity, certificate = artifact.parity, artifact.certificate
    rows = [
        ("compared with", parity.reference),
        ("on", f"{parity.n} images: {parity.images}"),
        ("largest error of a logit", f"{parity.max_abs_error:.2g}"),
        ("mean error", f"{parity.mean_abs_error:.2g}"),
        ("same first class", f"{100 * parity.top1_agreement:.2f} %"),
    ]
    if parity.through:
        rows.insert(0, ("not run", f"the files themselves: these are the figures of their {parity.through} graph"))
    if certificate:
        rows.append(("16-bit sums of integer layers", str(certificate)))
    for metric in checkpoint.metrics:
        accuracy = f"{100 * metric.value:.2f} % on {metric.n} images of {metric.dataset}/{metric.split}"
        rows.append(("accuracy of the source", f"{accuracy} ({metric.origin}: {metric.source})"))
    return _table(("", ""), *rows) + _ways(parity)


def _ways(parity: Parity) -> str:
    """What was run for these figures, way by way."""
    rows = [
        (
            way.name,
            ", ".join(map(str, way.batches)),
            str(way.n),
            f"{way.max_abs_error:.2g}",
            f"{100 * way.top1_agreement:.2f} %",
        )
        for way in parity.ways
    ]
    header = ("run by", "in batches of", "images", "largest error of a logit", "same first class")
    return f"\n\nEach way to run it was tried:\n\n{_table(header, *rows)}"


def _needs(artifact: Artifact) -> str:
    """What it needs on devices that were not here, each figure with how it is known."""
    if not artifact.figures:
        return ""
    rows = [(figure.name, f"{figure.value:,g} {figure.unit}".rstrip(), str(figure.way)) for figure in artifact.figures]
    return f"\n## What it needs on the device\n\n{_table(('', '', 'how that is known'), *rows)}\n"


def _origin(artifact: Artifact) -> str:
    return _numbered([_step(step) for step in artifact.provenance]) + (
        "\n\nThe whole configuration of every step stands in artifact.json."
    )


def _step(step: ProvenanceStep) -> str:
    settings = [f"{name} {step.config[name]}" for name in TELLING if step.config.get(name, "null") != "null"]
    source = f"; from sha256 {step.input_sha256}" if step.input_sha256 else ""
    return f"{step.name}: {', '.join(settings)}; with {_versions(step.versions)}{source}"


def _files(artifact: Artifact) -> str:
    return _table(
        ("file", "bytes", "sha256"), *((file.name, str(file.size_bytes), file.sha256) for file in artifact.files)
    )


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _numbered(lines: list[str]) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def _table(headers: tuple[str, ...], *rows: tuple[str, ...]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
