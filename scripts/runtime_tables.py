"""The tables of docs/runtimes.md, from what `scripts/runtimes.py` measured."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from markdown import host_line, table

from reszoo.bench.rounding import milliseconds
from reszoo.core.measured import Host
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
Figure = dict[str, Any]
Way = tuple[str, str, str]  # runtime, format, precision
EAGER: Way = ("torch", "torch", "fp32")
SETTINGS = [(threads, batch) for threads in (1, 2) for batch in (1, 32)]
NETWORKS = {
    "resnet20_v1": "resnet20_v1.akamaster_cifar10",
    "resnet56_v1": "resnet56_v1.akamaster_cifar10",
    "resnet20_v2": "resnet20_v2.reszoo_cifar10",
    "resnet18_v1": "resnet18_v1.random",
    "resnet50_v2": "resnet50_v2.random",
}


def figures(part: str, network: str) -> list[Figure]:
    """None of a part that was not measured."""
    if not (path := FOLDER / f"{part}.json").exists():
        return []
    document = json.loads(path.read_text())
    return [each for each in document["figures"] if each["network"] == network]


def networks(part: str) -> dict[str, str]:
    """Those that there are figures of."""
    return {short: network for short, network in NETWORKS.items() if figures(part, network)}


def runtimes_host() -> str:
    document = json.loads((FOLDER / "exports.json").read_text())
    return host_line(msgspec.convert(document["host"], Host), PACKAGES)


def ways(network: str) -> str:
    """Every way to run a network, the fastest first; in bold the fastest, and what is not slower for sure."""
    by_way: dict[Way, dict[tuple[int, int], Figure]] = {}
    for each in figures("latency", network):
        if each["kind"] == "measurement":
            by_way.setdefault(_way(each), {})[each["threads"], each["batch"]] = each
    accuracies = {_way(each): each for each in figures("accuracy", network)}
    resources = {_way(each): each for each in figures("resources", network) if each["kind"] == "measurement"}
    rows = []
    for key, found in sorted(by_way.items(), key=lambda item: float(next(iter(item[1].values()))["median_s"])):
        cells = [_latency(found[setting]) if setting in found else "" for setting in SETTINGS]
        accuracy = (_accuracy(accuracies.get(key)),) if accuracies else ()
        rows.append((*key, *cells, *accuracy, *_resources(resources[key])))
    settings = [f"{t} thread{'s' * (t > 1)}, batch {b}" for t, b in SETTINGS]
    header = ("runtime", "format", "", *settings, *(("top-1",) if accuracies else ()), "MB", "memory MB", "cold ms")
    return table(header, rows)


def _way(figure: Figure) -> Way:
    return figure["runtime"], figure["format"], figure["precision"]


def _latency(found: Figure) -> str:
    """ "0.253 ms, 17.1 ± 0.4": how many times faster than PyTorch; "250 ms ± 3 %" where that was not measured."""
    text = f"{milliseconds(found['median_s'])} ms"
    if "times_faster" not in found:
        low, high = found["median_interval"]
        return f"{text} ± {50 * (high - low) / found['median_s']:.0f} %"
    if _way(found) == EAGER:
        return text
    low, high = found["interval"]
    text += f", {found['times_faster']:.3g} ± {(high - low) / 2:.1g}"
    return f"**{text}**" if found["is_fastest"] else text


def _resources(found: Figure) -> tuple[str, str, str]:
    """Megabytes on disk and in memory, and the milliseconds to the first result."""
    cold_s = found["import_s"] + found["load_s"] + found["first_run_s"]
    return f"{found['bytes'] / 1e6:.2f}", f"{found['taken_bytes'] / 1e6:.0f}", f"{1e3 * cold_s:.0f}"


def _accuracy(found: Figure | None) -> str:
    return f"{100 * found['correct'] / found['n']:.2f} %" if found else ""


def runtimes_accuracy() -> str:
    """Top-1 of every way to run every trained network; float and int8 of one runtime beneath each other."""
    found: dict[Way, dict[str, str]] = {}
    for network in networks("accuracy").values():
        for each in figures("accuracy", network):
            found.setdefault(_way(each), {})[network] = _accuracy(each)
    names = networks("accuracy").values()
    rows = [(*way, *(found[way].get(network, "") for network in names)) for way in sorted(found)]
    return table(("runtime", "format", "", *networks("accuracy")), rows)


def runtimes_error() -> str:
    """Half the width of an accuracy's interval, of the network that has the widest."""
    every = [a for network in networks("accuracy").values() for a in figures("accuracy", network)]
    intervals = [proportion_interval(a["correct"], a["n"]) for a in every]
    return f"{max(50 * (high - low) for low, high in intervals):.2f} points\n"


def runtimes_exports() -> str:
    """Parity of every export: the largest error of a logit, top-1 agreement, and the seconds that it took."""
    wishes: dict[tuple[str, str], dict[str, str]] = {}
    for network in networks("exports").values():
        for each in figures("exports", network):
            wishes.setdefault((each["format"], each["precision"]), {})[network] = _export(each)
    rows = [
        (*wish, *(cells.get(network, "") for network in networks("exports").values())) for wish, cells in wishes.items()
    ]
    return table(("format", "", *networks("exports")), [row for row in rows if any(row[2:])])


def _export(each: Figure) -> str:
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
    for short, network in networks("exports").items():
        for each in figures("exports", network):
            if each["kind"] != "artifact":
                rows.setdefault((f"{each['format']} {each['precision']}", each["reason"]), []).append(short)
        for each in figures("resources", network):
            if each["kind"] == "failure":
                rows.setdefault((each["what"], each["reason"]), []).append(short)
    everywhere = list(networks("exports"))
    return table(
        ("what", "networks", "why"),
        [(what, "all" if names == everywhere else ", ".join(names), why) for (what, why), names in rows.items()],
    )


def runtimes_best() -> str:
    """The fastest way to run each network one image at a time, against eager PyTorch, measured in turn."""
    rows = []
    for short, network in networks("latency").items():
        accuracies = {_way(each): each for each in figures("accuracy", network)}
        for threads in (1, 2):
            setting = [f for f in figures("latency", network) if (f["threads"], f["batch"]) == (threads, 1)]
            (eager,) = (f for f in setting if _way(f) == EAGER)
            best = max((f for f in setting if _way(f) != EAGER), key=lambda f: float(f["times_faster"]))
            low, high = best["interval"]
            times = f"{best['times_faster']:.1f} ({low:.1f} to {high:.1f})"
            top_1 = (_accuracy(accuracies.get(_way(f))) for f in (eager, best))
            eager_ms, best_ms = (milliseconds(each["median_s"]) for each in (eager, best))
            rows.append((short, threads, eager_ms, " ".join(_way(best)[::2]), best_ms, times, *top_1))
    header = ("network", "threads", "PyTorch ms", "fastest", "ms", "times faster (99 % interval)")
    return table((*header, "PyTorch's top-1", "fastest's"), rows)


RUNTIME_TABLES: dict[str, Callable[[], str]] = {
    "runtimes_host": runtimes_host,
    "runtimes_accuracy": runtimes_accuracy,
    "runtimes_error": runtimes_error,
    "runtimes_exports": runtimes_exports,
    "runtimes_missing": runtimes_missing,
    "runtimes_best": runtimes_best,
    **{f"runtimes_{short}": partial(ways, network) for short, network in NETWORKS.items()},
}
