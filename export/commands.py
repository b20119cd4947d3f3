"""The commands that make an artifact: what its steps hold, as options of `reszoo export` or `reszoo quantize`."""

import shlex
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ..core.documents import to_builtins
from ..core.types import Candidate, Precision, ProvenanceStep
from ..quantize.config import IMAGES
from ..quantize.contract import schemes
from .contract.format import formats
from .quantizing import config_for

# What is not said of an export, as its step's config has it.
DEFAULTS = {
    "precision": "fp32",
    "input": "float",
    "batch": "None",
    "opset": "None",
    "compute_capability": "",
    "accelerator": "",
    "isa": "",
}


def making(
    format_name: str, made: Sequence[ProvenanceStep], *, precision: Precision, input_dtype: str
) -> tuple[str, list[str]]:
    """The verb, and those of its options that are not the default for that format; `made` are the artifact's steps."""
    steps = {step.name: step.config for step in made}
    export = steps.get("export", {}) | {"input": "uint8" if input_dtype == "uint8" else "float"}
    is_choice = "fp32" in formats()[format_name].precisions and not export.get("isa")  # `quantize` has no --isa
    if (quantized := steps.get("quantize")) and is_choice:
        return "quantize", [*exporting(export | {"precision": "fp32"}), *_quantizing(quantized, format_name)]
    return "export", exporting(export | {"precision": precision})


def exporting(config: Mapping[str, str]) -> list[str]:
    """The options of `reszoo export`; but for the precision, `reszoo quantize` has them too."""
    chosen = {name: config.get(name, default) for name, default in DEFAULTS.items()}
    changed = {name: value for name, value in chosen.items() if value != DEFAULTS[name]}
    return [word for name, value in changed.items() for word in (f"--{name.replace('_', '-')}", value)]


def again(artifact: Candidate, **changed: str) -> str:
    """For a shell, without --out: how the artifact was made, but for what is `changed` in its export."""
    export, *others = artifact.made
    export = replace(export, config=export.config | changed)
    verb, options = making(
        artifact.format, (export, *others), precision=artifact.precision, input_dtype=artifact.input.dtype
    )
    return shlex.join(["reszoo", verb, artifact.source_ref, "--to", artifact.format, *options])


def _quantizing(config: Mapping[str, str], format_name: str) -> list[str]:
    """The options of `reszoo quantize` that are not the default for that format."""
    options = []
    plugin, scheme = formats()[format_name], config["scheme"]
    defaults = to_builtins(schemes()[scheme].complete(config_for(plugin, scheme))) | {"images": IMAGES}
    for name, default in (defaults | {"scheme": config_for(plugin).scheme}).items():
        value = config[name]
        option = f"--{name.replace('_', '-')}"
        match default:
            case bool():
                options += [] if value == str(default) else [option if value == "True" else f"--no-{option[2:]}"]
            case list() | tuple():
                options += [word for node in value.split(",") if node for word in (option, node)]
            case _ if value != str(default):
                options += [option, value]
    return options
