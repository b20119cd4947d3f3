"""The command that repeats a measurement."""

import shlex

from ...core.measured import Measurement, Scenario, Subject

DEFAULT = Scenario(runtime="", variant="", device="cpu", batch=1, threads=1)


def command(m: Measurement) -> str:
    """For a shell. An artifact in other than the default precision and input is exported first."""
    subject = m.subject
    if (subject.precision, subject.input_dtype) == ("fp32", "float32"):
        return shlex.join(["reszoo", "bench", subject.source_ref, *_options(m)])
    folder = f"{subject.source_ref}-{subject.artifact_format}-{subject.precision}"
    folder += "-uint8" if subject.input_dtype == "uint8" else ""
    export = ["reszoo", "export", subject.source_ref, "--to", subject.artifact_format, *_export_options(subject)]
    return f"{shlex.join([*export, '--out', folder])} && {shlex.join(['reszoo', 'bench', folder, *_options(m)])}"


def _export_options(subject: Subject) -> list[str]:
    precision = ["--precision", subject.precision] if subject.precision != "fp32" else []
    return precision + (["--input", "uint8"] if subject.input_dtype == "uint8" else [])


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
