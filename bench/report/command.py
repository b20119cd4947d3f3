"""The command that repeats a measurement."""

import shlex

from ...core.documents import to_builtins
from ...core.measured import Measurement, Scenario, Subject
from ...export.contract import formats
from ...export.quantizing import config_for
from ...quantize.contract import schemes

UNSET = "None"  # as a step's config has it
DEFAULT = Scenario(runtime="", variant="", device="cpu", batch=1, threads=1)


def command(m: Measurement) -> str:
    """For a shell. An artifact that is not what `bench` exports by itself is made first."""
    subject = m.subject
    verb, chosen = _making(subject)
    if not chosen and verb == "export":
        return shlex.join(["reszoo", "bench", subject.source_ref, *_options(m)])
    folder = f"{subject.source_ref}-{subject.artifact_format}-{subject.precision}"
    folder += "-uint8" if subject.input_dtype == "uint8" else ""
    make = ["reszoo", verb, subject.source_ref, "--to", subject.artifact_format, *chosen, "--out", folder]
    return f"{shlex.join(make)} && {shlex.join(['reszoo', 'bench', folder, *_options(m)])}"


def _making(subject: Subject) -> tuple[str, list[str]]:
    """The verb that makes the artifact, and what it needs to be told."""
    steps = {step.name: step.config for step in subject.made}
    export = steps.get("export", {})
    options = ["--input", "uint8"] if subject.input_dtype == "uint8" else []
    for name in ("batch", "opset"):
        if (value := export.get(name, UNSET)) != UNSET:
            options += [f"--{name}", value]
    if quantized := steps.get("quantize"):
        return "quantize", [*options, *_quantizing(quantized, subject.artifact_format)]
    return "export", [*(["--precision", subject.precision] if subject.precision != "fp32" else []), *options]


def _quantizing(config: dict[str, str], format_name: str) -> list[str]:
    """The options of `reszoo quantize` that are not the default for that format."""
    options = []
    plugin, scheme = formats()[format_name], config["scheme"]
    defaults = to_builtins(schemes()[scheme].complete(config_for(plugin, scheme)))
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


def _options(m: Measurement) -> list[str]:
    """What bench needs to be told: always the runtime, threads and batch, the rest where it is not the default."""
    s = m.subject.scenario
    options = ["--runtime", s.runtime_name, "--threads", str(s.threads), "--batch", str(s.batch)]
    if s.device != "cpu":
        options += ["--device", s.device]
    if s.streams > 1:
        options += ["--streams", str(s.streams)]
    if s.cold_cache:
        options += ["--cold-cache"]
    if not s.cores and s.threads * s.streams <= m.host.cores:
        options += ["--no-bind"]
    if s.precision != DEFAULT.precision:
        options += ["--precision", f"{100 * s.precision:g}%"]
    if s.sampling_limit_s != DEFAULT.sampling_limit_s:
        options += ["--time-limit", f"{s.sampling_limit_s:g}"]
    if s.seed != DEFAULT.seed:
        options += ["--seed", str(s.seed)]
    if m.accuracy:
        options += ["--accuracy", m.accuracy.dataset]
    return options
