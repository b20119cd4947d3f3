"""The tables of docs/runtimes.md, from what `scripts/runtimes.py` measured."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from markdown import host_line, table

from reszoo.bench.comparison import ratios
from reszoo.bench.table import contestants
from reszoo.core.documents import read_json
from reszoo.core.measured import Comparison, Host
from reszoo.core.statistics import proportion_interval

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "runtimes"
PACKAGES = (
    "torch",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "executorch",
    "ncnn",
    "nncf",
    "litert-torch",
)
SETTINGS = [(threads, batch) for threads in (1, 2) for batch in (1, 32)]
NETWORKS = {
    "resnet20_v1": "resnet20_v1.akamaster_cifar10",
    "resnet56_v1": "resnet56_v1.akamaster_cifar10",
    "resnet20_v2": "resnet20_v2.reszoo_cifar10",
    "resnet18_v1": "resnet18_v1.random",
    "resnet50_v2": "resnet50_v2.random",
}


def figures(part: str, network: str) -> list[dict[str, Any]]:
    document = json.loads((FOLDER / f"{part}.json").read_text())
    return [each for each in document["figures"] if each["network"] == network]


def measured() -> dict[str, str]:
    """The networks that there are figures of."""
    return {short: network for short, network in NETWORKS.items() if figures("latency", network)}


def runtimes_host() -> str:
    document = json.loads((FOLDER / "latency.json").read_text())
    return host_line(msgspec.convert(document["host"], Host), PACKAGES)


def ways(network: str) -> str:
    """Every way to run a network; in bold the fastest of each setting, and those whose intervals overlap its own."""
    by_way: dict[tuple[str, str, str], dict[tuple[int, int], dict[str, Any]]] = {}
    for each in figures("latency", network):
        if each["kind"] != "measurement":
            continue
        key = each["runtime"], each["format"], each["precision"]
        by_way.setdefault(key, {})[each["threads"], each["batch"]] = each
    accuracies = {(a["runtime"], a["format"], a["precision"]): a for a in _accuracies(network)}
    best = {s: min((w[s] for w in by_way.values() if s in w), key=lambda f: float(f["median_s"])) for s in SETTINGS}
    rows = []
    for key, found in sorted(by_way.items(), key=lambda item: float(next(iter(item[1].values()))["median_s"])):
        runtime, name, precision = key
        cells = [_milliseconds(found[s], best[s]) if s in found else "failed" for s in SETTINGS]
        one = next(iter(found.values()))
        resources = f"{one['bytes'] / 1e6:.2f}", f"{one['taken_bytes'] / 1e6:.0f}", f"{1e3 * one['cold_start_s']:.0f}"
        accuracy = (_accuracy(accuracies.get(key)),) if accuracies else ()
        rows.append((runtime, name, precision, *cells, *accuracy, *resources))
    settings = [f"{t} thread{'s' * (t > 1)}, batch {b}" for t, b in SETTINGS]
    header = ("runtime", "format", "", *settings, *(("top-1",) if accuracies else ()), "MB", "memory MB", "cold ms")
    return table(header, rows)


def _accuracies(network: str) -> list[dict[str, Any]]:
    return [] if network.endswith(".random") else figures("accuracy", network)


def _milliseconds(found: dict[str, Any], best: dict[str, Any]) -> str:
    low, high = (1e3 * end for end in found["interval_s"])
    text = f"{1e3 * found['median_s']:.3g} ± {100 * (high - low) / 2 / (1e3 * found['median_s']):.0f} %"
    return f"**{text}**" if found["interval_s"][0] <= best["interval_s"][1] else text


def _accuracy(found: dict[str, Any] | None) -> str:
    return f"{100 * found['correct'] / found['n']:.2f} %" if found else ""


def runtimes_error() -> str:
    """Half the width of an accuracy's interval, of the network that has the widest."""
    every = [a for network in measured().values() for a in _accuracies(network)]
    intervals = [proportion_interval(a["correct"], a["n"]) for a in every]
    return f"{max(50 * (high - low) for low, high in intervals):.2f} points\n"


def runtimes_exports() -> str:
    """Parity of every export: the largest error of a logit, top-1 agreement, and the seconds that it took."""
    wishes: dict[tuple[str, str], dict[str, str]] = {}
    for network in measured().values():
        for each in figures("exports", network):
            wishes.setdefault((each["format"], each["precision"]), {})[network] = _export(each)
    rows = [(*wish, *(cells.get(network, "") for network in measured().values())) for wish, cells in wishes.items()]
    return table(("format", "", *measured()), [row for row in rows if any(row[2:])])


def _export(each: dict[str, Any]) -> str:
    if each["kind"] == "unavailable":
        return ""
    if each["kind"] != "artifact":
        return "refused"
    parity = each["parity"]
    through = " *" if parity["through"] else ""
    return f"{parity['max_abs_error']:.1g}, {100 * parity['top1_agreement']:.1f} %, {each['seconds']:.0f} s{through}"


def runtimes_missing() -> str:
    """What could not be made or measured, and why."""
    rows: dict[tuple[str, str], list[str]] = {}
    for short, network in measured().items():
        for each in figures("exports", network):
            if each["kind"] != "artifact":
                rows.setdefault((f"{each['format']} {each['precision']}", each["reason"]), []).append(short)
        for each in figures("latency", network):
            if each["kind"] == "failure":
                rows.setdefault((each["what"], each["reason"]), []).append(short)
    everywhere = list(measured())
    return table(
        ("what", "networks", "why"),
        [(what, "all" if names == everywhere else ", ".join(names), why) for (what, why), names in rows.items()],
    )


def runtimes_race() -> str:
    """The fastest artifact of each network against eager PyTorch, all measured in turn."""
    rows = []
    for short, network in measured().items():
        for threads in (1, 2):
            (path,) = (FOLDER / f"race-{network}-t{threads}").glob("compare.*.json")
            c = read_json(path, Comparison, "Run scripts/runtimes.py.")
            cells, found = contestants(c), ratios(c)
            best = min(range(2, len(cells)), key=lambda i: found[i - 1].value)
            low, high = found[best - 1].interval
            times = f"{1 / found[best - 1].value:.2f} ({1 / high:.2f} to {1 / low:.2f})"
            rows.append((short, threads, cells[0].median_ms, cells[best].median_ms, cells[best].runtime, times))
    header = ("network", "threads", "PyTorch ms", "best ms", "of", "times faster (99 % interval)")
    return table(header, rows)


RUNTIME_TABLES: dict[str, Callable[[], str]] = {
    "runtimes_host": runtimes_host,
    "runtimes_error": runtimes_error,
    "runtimes_exports": runtimes_exports,
    "runtimes_missing": runtimes_missing,
    "runtimes_race": runtimes_race,
    **{f"runtimes_{short}": partial(ways, network) for short, network in NETWORKS.items()},
}
