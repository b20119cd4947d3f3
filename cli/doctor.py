"""`reszoo doctor`: this machine and what disturbs it; or an artifact, and why it is not faster."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import options, output
from .sections import BAD, GOOD, LACKING, WARN, aside, section

if TYPE_CHECKING:
    from ..bench.host_check import HostCheck, Tool
    from ..core.measured import Host
    from ..core.types import Artifact, Unavailable

MIB = 1 << 20


def doctor(
    artifact: Annotated[str | None, typer.Argument(metavar="ARTIFACT", help="An artifact's folder.")] = None,
    runtime: Annotated[
        str | None, typer.Option(help="What runs the artifact.", show_default="the first that does")
    ] = None,
    device: Annotated[Literal["cpu", "cuda"] | None, typer.Option(help="Where.", show_default="cpu")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="How many it gets.", show_default="1")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images at a time.", show_default="1, or the artifact's own")
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="To check its integers on.", show_default="32")] = None,
    target: options.TargetName = "local",
    json: options.Json = False,
) -> None:
    """Show this machine, or a target: the runtimes that work on it, and what makes its measurements unreliable.

    With ARTIFACT: show where its time goes, why it is not faster, and whether this CPU computes its integers rightly.

    Example: reszoo doctor, or reszoo doctor ./resnet20_v1.akamaster_cifar10-onnx-int8 --threads 2
    """
    chosen = {"runtime": runtime, "device": device, "threads": threads, "batch": batch, "images": images}
    given = {name: value for name, value in chosen.items() if value is not None}
    if artifact is not None:
        _show_profile(artifact_in(artifact), given, json)
    elif target != "local":
        _show_target(target, json)
    elif given:
        raise UsageError(f"--{next(iter(given))} is for an artifact", "Name its folder: reszoo doctor ARTIFACT.")
    else:
        _show_host(json)


def artifact_in(ref: str) -> "Artifact":
    """The artifact in that folder. A checkpoint is no artifact yet, and none is downloaded to say so."""
    from .. import zoo
    from ..core.types import Checkpoint
    from ..workflows.references import resolve_all

    if not Path(ref).exists() and "/" not in ref:
        zoo.resolve(ref)  # an unknown name is an error of its own
        raise _no_artifact(ref)
    (target,) = resolve_all([ref])
    if isinstance(target, Checkpoint):
        raise _no_artifact(ref)
    return target


def _no_artifact(ref: str) -> UsageError:
    return UsageError(
        f"{ref} is a checkpoint, not an artifact",
        f"Make one: reszoo quantize {ref} --out FOLDER, and then reszoo doctor FOLDER.",
    )


def _show_profile(artifact: "Artifact", given: dict[str, Any], json: bool) -> None:
    from ..workflows.quantization.profile import profile_artifact
    from .profile_table import print_profile

    with output.bar() as progress:
        found = profile_artifact(artifact, **given, progress=progress)
    if json:
        output.print_json(found)
    else:
        print_profile(found)
    if found.check:
        found.check.raise_if_wrong()


def _show_host(json: bool) -> None:
    from ..bench.host_check import check_host

    _show(check_host(), "here", json)


def _show_target(name: str, json: bool) -> None:
    from ..bench.host_check import check_target
    from ..bench.target import parse_target

    with parse_target(name) as target:
        _show(check_target(target), "there", json)


def _show(checked: "HostCheck", where: str, json: bool) -> None:
    if json:
        output.print_json(checked)
        return
    section("Machine", (*_machine(checked.host), *_temperature(checked.conditions.max_celsius)))
    section("Runtimes", (row for tool in checked.runtimes for row in _tool(tool)))
    section("Formats", (row for tool in checked.formats for row in _tool(tool)))
    section("Int8", ((GOOD if each.present else LACKING, each.name, each.meaning) for each in checked.int8))
    warnings = [row for each in checked.warnings for row in ((WARN, each.what), ("", aside(each.advice)))]
    section(f"Measuring {where}, now", warnings or [(GOOD, "nothing found that would disturb a measurement")])


def _machine(host: "Host") -> "Iterator[tuple[str, str]]":
    cache = f", {host.last_level_cache_bytes / MIB:.0f} MiB last-level cache" if host.last_level_cache_bytes else ""
    yield "cpu", f"{host.cpu}, {host.cores} cores{cache}"
    yield "instructions", ", ".join(host.instruction_sets) or "unknown"
    yield "clock", _clock(host)
    limit = f", of which this process may use {output.size(host.memory_limit_bytes)}" if host.memory_limit_bytes else ""
    yield "memory", f"{output.size(host.memory_bytes)}{limit}"
    yield "gpu", host.gpu or "no NVIDIA GPU"
    yield "system", f"{host.os}; Python {host.python}"
    yield "reszoo", host.versions.get("reszoo", "not installed") + (f", commit {host.commit}" if host.commit else "")


def _temperature(celsius: float | None) -> "Iterator[tuple[str, str]]":
    if celsius is not None:
        yield "temperature", f"{celsius:.0f} °C"


def _clock(host: "Host") -> str:
    """ "up to 4700 MHz, governor performance, turbo on"."""
    facts = [
        f"up to {host.max_mhz:.0f} MHz" if host.max_mhz else None,
        f"governor {host.governor}" if host.governor else None,
        None if host.turbo is None else f"turbo {'on' if host.turbo else 'off'}",
    ]
    return ", ".join(filter(None, facts)) or "not told by this machine"


def _tool(tool: "Tool") -> "Iterator[tuple[str, ...]]":
    if not tool.works and all(why.package for why in tool.missing):
        yield LACKING, tool.name, "", aside(tool.missing[0].fix)
        return
    yield GOOD if tool.works else BAD, tool.name, ", ".join(tool.devices), tool.version or ""
    for why in tool.missing:
        yield "", "", "", aside(_reason(tool, why))
        yield "", "", "", aside(why.fix)


def _reason(tool: "Tool", why: "Unavailable") -> str:
    """With the device, where it is that of one of them."""
    return why.reason if why.what == tool.name else f"{why.what.removeprefix(f'{tool.name} on ')}: {why.reason}"
