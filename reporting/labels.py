"""Short names for rows and machines, where there is no room for a table."""

import re
from collections import Counter
from collections.abc import Sequence

from ..core.measured import Host
from .rows import Row

ARCH_AND_TAG = re.compile(r"^(\w+)\.\w+$")


def settings(row: Row) -> dict[str, str]:
    """What a row's measurement was made with, as it is said of it in passing."""
    return {
        "runtime": row.runtime,
        "device": row.device,
        "format": row.format,
        "precision": row.precision,
        "input": "uint8 input" if row.input_dtype == "uint8" else "float input",
        "batch": f"batch {row.batch}",
        "threads": f"{row.threads} thread" + "s" * (row.threads > 1),
        "streams": f"{row.streams} stream" + "s" * (row.streams > 1),
        "cache": "cold cache" if row.cold_cache else "warm cache",
        "host": f"host {row.host + 1}",
        "target": row.target,
        "figures": row.way,
    }


def labels(rows: Sequence[Row], without: Sequence[str] = ()) -> list[str]:
    """What tells each row from the others: the model, and the settings that differ (but those in `without`).

    Rows that differ in nothing else are numbered.
    """
    telling, models = _telling(rows), short_models(rows)
    names = [
        ", ".join([models[row.model], *(settings(row)[key] for key in telling if key not in without)]) for row in rows
    ]
    same = [(row.model, *(settings(row)[key] for key in telling)) for row in rows]
    times = Counter(same)
    return [
        f"{name}, #{same[: i + 1].count(its)}" if times[its] > 1 else name
        for i, (name, its) in enumerate(zip(names, same, strict=True))
    ]


def _telling(rows: Sequence[Row]) -> list[str]:
    """The settings that differ, without those that follow from earlier ones, as a format does from its runtime."""
    every = [settings(row) for row in rows]
    keys: list[str] = []
    kinds = 1
    for key in every[0]:
        if (finer := len({tuple(its[k] for k in (*keys, key)) for its in every})) > kinds:
            keys.append(key)
            kinds = finer
    return keys


def short_models(rows: Sequence[Row]) -> dict[str, str]:
    """Each model by its architecture alone ("resnet20_v1" for "resnet20_v1.akamaster_cifar10") where that will do."""
    short = {row.model: ARCH_AND_TAG.sub(r"\1", row.model) for row in rows}
    times = Counter(short.values())
    return {model: arch if times[arch] == 1 else model for model, arch in short.items()}


def host_line(host: Host) -> str:
    """ "AMD EPYC, 2 cores, avx2 fma; Linux 6.1, Debian GNU/Linux 12; Python 3.11.7"."""
    sets = f", {' '.join(host.instruction_sets)}" if host.instruction_sets else ""
    gpu = f", {host.gpu}" if host.gpu else ""
    return f"{host.cpu}, {host.cores} core{'s' * (host.cores > 1)}{sets}{gpu}; {host.os}; Python {host.python}"


def packages(host: Host) -> str:
    """ "reszoo 0.2.0 (4f1c0de5a3b2), onnxruntime 1.31.1": of reszoo the commit as well, if it was a checkout."""
    commit = {"reszoo": f" ({host.commit})" if host.commit else ""}
    return ", ".join(f"{name} {version}{commit.get(name, '')}" for name, version in host.versions.items())


def host_facts(host: Host) -> dict[str, str]:
    """Everything the record says, for people; "unknown" is what could not be found out."""
    turbo = {True: "on", False: "off", None: None}[host.turbo]
    facts = {
        "processor": host.cpu,
        "architecture": host.machine,
        "cores": str(host.cores),
        "instruction sets": " ".join(host.instruction_sets) or "none of note",
        "last-level cache": _if_known(host.last_level_cache_bytes, 1e6, "MB"),
        "memory": f"{host.memory_bytes / 1e9:.1f} GB",
        "frequency governor": host.governor,
        "turbo": turbo,
        "highest clock": _if_known(host.max_mhz, 1, "MHz"),
        "CPU limit of the control group": "none" if host.cpu_limit is None else f"{host.cpu_limit:g} cores",
        "memory limit of the control group": _if_known(host.memory_limit_bytes, 1e9, "GB", "none"),
        "GPU": host.gpu or "none",
        "operating system": host.os,
        "Python": host.python,
        "packages": packages(host),
        "reszoo's commit": host.commit,
    }
    return {key: fact or "unknown" for key, fact in facts.items()}


def _if_known(value: float | None, unit: float, name: str, otherwise: str = "unknown") -> str:
    return otherwise if value is None else f"{value / unit:.4g} {name}"
