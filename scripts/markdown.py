"""What all tables of the docs share."""

from collections.abc import Sequence

from reszoo.core.measured import Host


def table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def host_line(host: Host, packages: Sequence[str]) -> str:
    sets = ", ".join(host.instruction_sets)
    found = ", ".join(f"{name} {host.versions[name]}" for name in packages)
    return f"{host.cpu}, {host.cores} cores, {sets}; {host.os}; Python {host.python}, {found}.\n"
