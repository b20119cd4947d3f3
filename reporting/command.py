"""The command that repeats a measurement."""

import shlex

from ..core.measured import Measurement, Scenario, Subject
from ..export.commands import making
from ..export.contract.runtime import runtimes

DEFAULT = Scenario(runtime="", variant="", device="cpu", batch=1, threads=1)


def command(m: Measurement) -> str:
    """For a shell. An artifact that is not what `bench` exports by itself is made first."""
    subject = m.subject
    verb, chosen = making(
        subject.artifact_format, subject.made, precision=subject.precision, input_dtype=subject.input_dtype
    )
    if not chosen and verb == "export" and _is_what_bench_exports(subject):
        return shlex.join(["reszoo", "bench", subject.source_ref, *_options(m)])
    folder = f"{subject.source_ref}-{subject.artifact_format}-{subject.precision}"
    folder += "-uint8" if subject.input_dtype == "uint8" else ""
    make = ["reszoo", verb, subject.source_ref, "--to", subject.artifact_format, *chosen, "--out", folder]
    return f"{shlex.join(make)} && {shlex.join(['reszoo', 'bench', folder, *_options(m)])}"


def _is_what_bench_exports(subject: Subject) -> bool:
    """For a checkpoint that is to run there; no runtime of that name may be left."""
    runtime = runtimes().get(subject.scenario.runtime)
    return runtime is not None and runtime.formats[0] == subject.artifact_format


def _options(m: Measurement) -> list[str]:
    """What bench needs to be told: always the runtime, threads and batch, the rest where it is not the default."""
    s = m.subject.scenario
    options = ["--runtime", s.runtime_name, "--threads", str(s.threads), "--batch", str(s.batch)]
    if s.target != DEFAULT.target:
        options += ["--target", s.target]
    if s.device != "cpu":
        options += ["--device", s.device]
    if s.streams > 1:
        options += ["--streams", str(s.streams)]
    if s.cold_cache:
        options += ["--cold-cache"]
    if not s.cores and s.threads * s.streams <= m.host.cores:
        options += ["--no-bind"]
    if s.precision != DEFAULT.precision:
        options += ["--half-width", f"{100 * s.precision:g}%"]
    if s.sampling_limit_s != DEFAULT.sampling_limit_s:
        options += ["--time-limit", f"{s.sampling_limit_s:g}"]
    if s.seed != DEFAULT.seed:
        options += ["--seed", str(s.seed)]
    if m.accuracy:
        a = m.accuracy
        options += ["--accuracy", a.dataset if a.split == "test" else f"{a.dataset}/{a.split}"]
        options += ["--among", a.among] if a.among == "data" else []
        options += ["--classes", a.classes.name] if a.classes else []
    return options
