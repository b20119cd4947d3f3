"""The rows of the tables of the docs, from docs/measurements/: one function a table, a dict a row."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import exp, log, log2
from pathlib import Path
from statistics import fmean, linear_regression, median
from typing import Any, NamedTuple

from figures import MEASUREMENTS, Figure, SavedComparison, known, load, saved_comparison, saved_comparisons
from pruning import BATCHES, EQUAL, PARENTS, RUNTIMES, STEPS, TIMED, WAYS, slug
from pruning_curve import ASKED, PLACES, SMALLER, UNPRUNED
from pruning_curve import OUT as CURVE
from quantization import DEFAULT, NNCF
from runtimes import NETWORKS
from training_table import OUT as WORTH
from training_table import PLAIN
from transfer import OUT as TRANSFER
from transfer import SCRATCH
from transfer import WAYS as TRANSFER_WAYS

from reszoo import training as trains
from reszoo import zoo
from reszoo.bench.rounding import milliseconds
from reszoo.core.documents import to_builtins
from reszoo.core.estimates import Ratio, mean_interval
from reszoo.core.measured import AGAIN
from reszoo.core.statistics import proportion_interval

Row = dict[str, Any]
Way = tuple[str, str, str]  # runtime, format, precision
MCU = "edge/microcontrollers"
SERVING = "serving"
C, C_SHOWN = "c", "resnet20_v1.akamaster_cifar10"
MLPERF_TINY = 0.85  # the least top-1 of its image classification
EAGER: Way = ("torch", "torch", "fp32")


class Span(NamedTuple):
    """A figure and its interval, or its range: "6.50 (5.81 to 7.28)"."""

    value: float
    low: float
    high: float
    unit: str = ""

    def __format__(self, form: str) -> str:
        return f"{self.value:{form}}{self.unit} ({self.low:{form}} to {self.high:{form}})"


def middle(values: Sequence[float], unit: str = "") -> Span:
    return Span(median(values), min(values), max(values), unit)


def faster(ratio: Ratio) -> Span:
    return Span(1 / ratio.value, 1 / ratio.interval.high, 1 / ratio.interval.low)


def top_1(found: Figure) -> Span:
    low, high = proportion_interval(found["correct"], found["n"])
    return Span(100 * found["correct"] / found["n"], 100 * low, 100 * high, " %")


def points(loss: Figure) -> Span:
    return Span(100 * loss["drop"], *(100 * end for end in loss["drop_interval"]))


# README.md, docs/benchmarking.md, docs/training.md


def speed() -> Iterator[Row]:
    """PyTorch and the other runtimes."""
    for c, medians_s, _ in sorted(saved_comparisons("speed"), key=_by_network):
        first = c.subjects[0]
        for number, subject in enumerate(c.subjects):
            if number != AGAIN:
                is_first = number == 0
                yield {
                    "network": first.source_ref if is_first else "",
                    "batch": first.scenario.batch if is_first else "",
                    "runtime": subject.scenario.runtime_name,
                    "ms": milliseconds(medians_s[number]),
                    "times": "1" if is_first else f"{faster(c.ratio(number)):.2f}",
                }


def accuracy() -> Iterator[Row]:
    """Published, and measured on all test images."""
    found: dict[str, dict[str, Figure]] = defaultdict(dict)
    for each in load("accuracy/figures")["figures"]:
        found[each["subject"]["source_ref"]][each["subject"]["scenario"]["runtime"]] = each["accuracy"]
    for network, by_runtime in sorted(found.items()):
        shares = {runtime: each["correct"] / each["n"] for runtime, each in by_runtime.items()}
        published = zoo.cards()[network].accuracy
        if not published:
            raise ValueError(f"{network}: its card has no accuracy")
        yield {"network": network, "published": published.value, "n": by_runtime["torch"]["n"], **shares}


def startup() -> Iterator[Row]:
    seconds = load("startup/seconds")["figures"]
    base = seconds["python -c pass"]
    for name, samples in seconds.items():
        times = median(s / b for s, b in zip(samples, base, strict=True))
        yield {"name": name, "ms": 1e3 * median(samples), "times": times, "runs": len(samples)}


def export() -> Iterator[Row]:
    for name, samples in load("export/seconds")["figures"].items():
        yield {"name": name, "s": middle(samples), "runs": len(samples)}


def training() -> Iterator[Row]:
    """Images/s of each loop over the rounds, and its ratio to the plain loop in each round."""
    speeds: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    busy: dict[tuple[str, str], list[int]] = defaultdict(list)
    for run in sorted(load("training/seconds")["runs"], key=lambda run: run["round"]):
        key = run["device"], run["loop"], run["arithmetic"]
        speeds[key].append(run["batch"] * len(run["seconds"]) / sum(run["seconds"]))
        busy[run["device"], run["loop"]] += run["gpu_percent"]
    plain = {device: by_round for (device, loop, _), by_round in speeds.items() if loop == "plain"}
    for (device, loop, arithmetic), by_round in speeds.items():
        share = f", {median(percent):.0f} % busy" if (percent := busy[device, loop]) else ""
        times = middle([ours / base for ours, base in zip(by_round, plain[device], strict=True)])
        where = {"device": device + share, "loop": loop, "arithmetic": arithmetic}
        yield {**where, "images_per_s": middle(by_round), "times": times}


def training_worth() -> Iterator[Row]:
    """Each variant of the recipe against the plain one with the same seeds; none until there are two.

    For each seed a line through the plain recipe's accuracies over the logarithm of its images says how many of these
    it needs for the accuracy of the variant.
    """
    found: dict[str, dict[tuple[str, int], dict[int, Figure]]] = defaultdict(lambda: defaultdict(dict))
    for each in known(WORTH):
        found[each["network"]][each["variant"], each["epochs"]][each["seed"]] = each
    for network, runs in found.items():
        plain = {epochs: by_seed for (variant, epochs), by_seed in runs.items() if variant == PLAIN}
        for (variant, epochs), by_seed in runs.items():
            seeds = sorted(set(by_seed).intersection(*plain.values()))
            if len(seeds) < 2 or epochs not in plain:
                continue
            cells: dict[str, Any] = {"gain": "", "worth": "", "cost": ""}
            if variant != PLAIN:
                pairs = [(by_seed[seed], plain[epochs][seed]) for seed in seeds]
                gain, (low, high) = mean_interval([_percent(one) - _percent(other) for one, other in pairs])
                worth = [_plain_images([plain[length][s] for length in plain], by_seed[s]) for s in seeds]
                alike = [(one, other) for one, other in pairs if one["cpu"] == other["cpu"]]
                cost = [_second_an_image(one) / _second_an_image(other) for one, other in alike]
                cells["gain"] = f"{Span(gain, low, high):+.2f}"
                cells["worth"] = f"{_geometric_mean(worth):.2f}" if all(worth) else "not known"
                cells["cost"] = f"{_geometric_mean(cost):.2f}" if len(cost) > 1 else "not known"
            accuracy = fmean(_percent(by_seed[seed]) for seed in seeds)
            first = "" if (variant, epochs) != next(iter(runs)) else f"`{network}`"
            yield {
                "network": first,
                "variant": variant,
                "epochs": epochs,
                "top_1": accuracy,
                **cells,
                "seeds": len(seeds),
            }


def _plain_images(plain: Sequence[Figure], variant: Figure) -> float:
    """How many times its own images the plain recipe needs for the accuracy of a variant; 0 if it gains by none."""
    line = linear_regression([log2(each["images"]) for each in plain], [_percent(each) for each in plain])
    if line.slope <= 0:
        return 0.0
    return float(2 ** ((_percent(variant) - line.intercept) / line.slope) / variant["images"])


def _second_an_image(found: Figure) -> float:
    return float(found["seconds"] / found["images"])


def _geometric_mean(values: Sequence[float]) -> Span:
    mean, (low, high) = mean_interval([log(value) for value in values])
    return Span(exp(mean), exp(low), exp(high))


def transfer() -> Iterator[Row]:
    """Top-1 after two epochs, the mean over the seeds, and the paired difference to training from scratch.

    Of seeds that were trained in every way, so that all rows are of the same ones; none until there are two.
    """
    found: dict[str, dict[str, dict[int, Figure]]] = defaultdict(lambda: defaultdict(dict))
    for each in known(TRANSFER):
        found[each["data"]][each["way"]][each["seed"]] = each
    for data, ways in found.items():
        seeds = sorted(set.intersection(*(set(ways[way]) for way in TRANSFER_WAYS)))
        if len(seeds) < 2:
            continue
        scratch = ways[SCRATCH]
        for way in TRANSFER_WAYS:
            by_seed = {seed: ways[way][seed] for seed in seeds}
            gains = [_percent(each) - _percent(scratch[seed]) for seed, each in by_seed.items()]
            mean, (low, high) = mean_interval(gains)
            is_scratch, (first, *_) = way == SCRATCH, by_seed.values()
            yield {
                "data": f"{data}, {first['images']:,} images, {first['classes']} classes" if is_scratch else "",
                "way": "from scratch" if is_scratch else way,
                "top_1": fmean(map(_percent, by_seed.values())),
                "gain": "" if is_scratch else f"{Span(mean, low, high):+.1f}",
                "seeds": len(by_seed),
            }


def _percent(found: Figure) -> float:
    return 100 * float(found["correct"] / found["n"])


def bundled() -> Iterator[Row]:
    """The checkpoints that come with the package, from their own records."""
    for ref in (card.ref for card in zoo.list_models() if card.where == "bundled"):
        record = json.loads((zoo.load(ref).weights_path.parent / "training.json").read_text())
        correct, n = (record["accuracy"][key] for key in ("correct", "n"))
        low, high = record["interval"]
        yield {"ref": ref, "accuracy": correct / n, "low": low, "high": high, "n": n, "command": _command(ref, record)}


def _command(ref: str, record: Figure) -> str:
    """The command line of a run: its recipe, and what it overrode."""
    recipe = record["run"]["recipe"]
    named = json.loads(json.dumps(to_builtins(trains.load(recipe["name"]))))  # tuples become lists, as in the record
    changes = {key: value for key, value in recipe.items() if value != named[key]}
    if named["precision"] == "auto":
        changes.pop("precision", None)  # the record has what auto came to
    options = "".join(f" --set {key}={value}" for key, value in changes.items())
    if teacher := record["run"]["teacher"]:
        options += (
            f" --teacher {'-'.join(teacher.split()[:-1])}"  # of an artifact, a folder for its format and precision
        )
    return f"reszoo train {ref.partition('.')[0]} --data {record['run']['dataset']} --recipe {recipe['name']}{options}"


def coverage() -> Iterator[Row]:
    """How many of the intervals held the truth."""
    for name, found in load("instrument/coverage")["streams"].items():
        shares = {way: 100 * each["covered"] / each["trials"] for way, each in found.items()}
        yield {"stream": name, **found, "shares": shares}


def known_costs() -> Iterator[Row]:
    """What the harness made of runtimes whose cost is known."""
    found = load("instrument/known_costs")
    overhead = middle([1e9 * seconds for seconds in found["overhead_s"]], " ns")
    yield {"what": "a runtime that does nothing", "known": "0 ns", "measured": f"{overhead:.0f}", "error": ""}
    for known_s in sorted({wait["known_s"] for wait in found["waits"]}):
        seen = middle([1e6 * wait["measured_s"] for wait in found["waits"] if wait["known_s"] == known_s], " µs")
        error = 100 * max(abs(us / 1e6 / known_s - 1) for us in (seen.low, seen.high))
        known = f"{1e6 * known_s:,.0f} µs"
        yield {"what": "waiting", "known": known, "measured": f"{seen:,.2f}", "error": f"{error:.2f} %"}
    for hold in found["holds"]:
        known, seen_bytes = hold["known_bytes"], hold["loaded_bytes"]
        cells = {"known": f"{known / 1e6:.0f} MB", "measured": f"{seen_bytes / 1e6:.1f} MB"}
        yield {"what": "holding memory", **cells, "error": f"{100 * abs(seen_bytes / known - 1):.2f} %"}
    times = middle([run["seconds"] for run in found["precision"]], " s")
    worst = 100 * max(run["reached"] for run in found["precision"])
    measured = f"{times:.1f}, {worst:.2f} % at worst"
    yield {"what": "a small model's median to 1 %", "known": "", "measured": measured, "error": ""}


def agreement() -> Iterator[Row]:
    """The harness against other ways to measure the same thing."""
    found = load("instrument/agreement")
    others = {
        "onnxruntime": ("bare_loop", "a bare loop on ONNX Runtime"),
        "openvino": ("benchmark_app", "OpenVINO's benchmark_app"),
    }
    for ours, (other, name) in others.items():
        shares = [a / b for a, b in zip(found[ours], found[other], strict=True)]
        yield {"name": name, "share": middle(shares), "rounds": len(shares)}


def alarms() -> Iterator[Row]:
    """What `compare` says of the same artifact twice, and of 3 % more work."""
    found = load("instrument/comparisons")
    for name, truth in (("same", "the same artifact"), ("different", "34 runs against 33 (+3.03 %)")):
        runs = found[name]
        yield {
            "truth": truth,
            "said": sum(run["verdict"] != "no difference" for run in runs),
            "runs": len(runs),
            "ratio": median(run["ratio"] for run in runs),
            "half_width": median(100 * (run["high"] - run["low"]) / 2 for run in runs),
            "seconds": median(run["seconds"] for run in runs),
            "disturbed": sum(bool(run["warnings"]) for run in runs),
        }


def stopping() -> Iterator[Row]:
    """What gates and comparisons without one get wrong, and how many rounds they take."""
    found = load("instrument/stopping")
    for name, ways in found["found"].items():
        noise = found["noises"][name]
        scatter = f"{100 * noise['sd']:g} %" + (f", Student's t, {noise['tails']} df" if noise["tails"] else "")
        for way, title in (("ignoring", "99 % in each round"), ("harness", "the harness")):
            limit, below, above, alone = ({**each, "shares": _shares(each)} for each in ways[way])
            first = {"scatter": scatter if way == "ignoring" else "", "intervals": title}
            yield {**first, "limit": limit, "below": below, "above": above, "alone": alone}


def _shares(found: Figure) -> dict[str, float]:
    return {name: 100 * found[name] / found["trials"] for name in ("passed", "failed", "covered")}


# docs/quantization.md

WITHOUT_VNNI = "quantization/without_vnni"


def int8_accuracy() -> Iterator[Row]:
    """Points lost by the defaults on each runtime, and by NNCF's on OpenVINO."""
    found = {(f["network"], f["runtime"], f["way"]): f for f in load("quantization/accuracy")["figures"]}
    keys = {
        "onnxruntime": ("onnxruntime", DEFAULT),
        "openvino": ("openvino:static", DEFAULT),
        "nncf": ("openvino:static", NNCF),
    }
    networks = list(dict.fromkeys(network for network, *_ in found))
    for network in networks:
        losses = {name: f"{points(found[network, *key]):+.2f}" for name, key in keys.items()}
        floats = f"{top_1(found[network, *keys['onnxruntime']]['float']).value:.2f} %"
        yield {"network": f"`{network}`", "float": floats, **losses}
    means = {name: 100 * fmean(found[network, *key]["drop"] for network in networks) for name, key in keys.items()}
    yield {"network": "mean", "float": "", **{name: f"{mean:+.3f}" for name, mean in means.items()}}


def int8_ways() -> list[Row]:
    """Points lost on ONNX Runtime by each way to quantize, those tried on most networks first."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for each in load("quantization/accuracy")["figures"]:
        if each["runtime"] == "onnxruntime":
            found[each["way"]][each["network"].partition(".")[0]] = 100 * each["drop"]
    most = max(map(len, found.values()))
    rows = [
        {
            "way": way,
            "drops": defaultdict(str, {network: f"{drop:+.2f}" for network, drop in drops.items()}),
            "mean": f"{fmean(drops.values()):+.3f}" if len(drops) == most else "",
            "tried": len(drops),
        }
        for way, drops in found.items()
    ]
    return sorted(rows, key=lambda row: -row["tried"])


def int8_speed(folder: str = "quantization") -> Iterator[Row]:
    """int8 against float in the same runtime."""
    for c, medians_s, _ in sorted(saved_comparisons(f"{folder}/speed"), key=_by_network):
        numbered = reversed(list(enumerate(c.subjects)))  # of the baseline's two processes, the first
        place = {(subject.precision, subject.scenario.runtime_name): number for number, subject in numbered}
        for runtime in ("onnxruntime", "openvino:static"):
            floats, integers = place["fp32", runtime], place["int8", runtime]
            yield {
                "network": c.subjects[0].source_ref,
                "batch": c.subjects[0].scenario.batch,
                "runtime": runtime,
                "fp32": milliseconds(medians_s[floats]),
                "int8": milliseconds(medians_s[integers]),
                "times": faster(c.ratio(integers, floats)),
            }


def int8_integers() -> Iterator[Row]:
    """ONNX Runtime's integer layers against exact arithmetic."""
    for each in load("quantization/integers")["figures"]:
        yield {"network": each["network"], **each["check"], "wrong": sum(x["wrong"] for x in each["check"]["wrong"])}


def int8_certificate() -> Iterator[Row]:
    """Weights with the certificate against saturation and without, on a CPU that has no VNNI."""
    for each in load(f"{WITHOUT_VNNI}/certificate")["figures"]:
        row = {"network": each["network"], "weights": "certified" if each["way"] == DEFAULT else "not certified"}
        if "refused" in each:
            yield {**row, "layers": "", "elements": "", "points": "the proof of parity refuses it"}
            continue
        check = each["check"]
        wrong = sum(layer["wrong"] for layer in check["wrong"])
        layers, elements = f"{len(check['wrong'])} of {check['layers']}", f"{wrong:,} of {check['elements']:,}"
        yield {**row, "layers": layers, "elements": elements, "points": f"{points(each):+.2f}"}


# docs/runtimes.md


def of_network(part: str, network: str, kind: str = "measurement") -> list[Figure]:
    found = load(f"runtimes/{part}")["figures"]
    return [each for each in found if each["network"] == network and each.get("kind", kind) == kind]


def way(figure: Figure) -> Way:
    return figure["runtime"], figure["format"], figure["precision"]


def ways(network: str) -> list[Row]:
    """Every way to run a network, the fastest first; in bold the fastest, and what is not slower for sure."""
    accuracies = accuracies_of(network)
    resources = {way(each): each for each in of_network("resources", network)}
    latencies: dict[Way, dict[tuple[int, int], Figure]] = defaultdict(dict)
    for each in of_network("latency", network):
        latencies[way(each)][each["threads"], each["batch"]] = each
    rows = []
    for key, found in latencies.items():
        taken = resources[key]
        row = {
            "way": key,
            "median_s": next(iter(found.values()))["median_s"],
            "latency": defaultdict(str, {f"t{t}b{b}": _latency(each) for (t, b), each in found.items()}),
            "top_1": accuracies[key],
            "mb": taken["bytes"] / 1e6,
            "memory": taken["taken_bytes"] / 1e6,
            "cold_ms": 1e3 * (taken["import_s"] + taken["load_s"] + taken["first_run_s"]),
        }
        rows.append(row)
    return sorted(rows, key=lambda row: float(row["median_s"]))


def accuracies_of(network: str) -> dict[Way, str]:
    """Nothing where it was not counted: the networks with random weights have none."""
    return defaultdict(str, {way(f): f"{top_1(f).value:.2f} %" for f in of_network("accuracy", network)})


def _latency(found: Figure) -> str:
    """ "0.253 ms, 17.1 ± 0.4": how many times faster than PyTorch; "250 ms ± 3 %" where that was not measured."""
    text = f"{milliseconds(found['median_s'])} ms"
    if "times_faster" not in found:
        low, high = found["median_interval"]
        return f"{text} ± {50 * (high - low) / found['median_s']:.0f} %"
    if way(found) == EAGER:
        return text
    low, high = found["interval"]
    text += f", {found['times_faster']:.3g} ± {(high - low) / 2:.1g}"
    return f"**{text}**" if found["is_fastest"] else text


def runtimes_accuracy() -> list[Row]:
    """Every way to run every trained network; float and int8 of one runtime beneath each other."""
    found: dict[Way, dict[str, str]] = defaultdict(lambda: defaultdict(str))
    for each in load("runtimes/accuracy")["figures"]:
        found[way(each)][short(each)] = f"{top_1(each).value:.2f} %"
    return [{"way": key, "top_1": found[key]} for key in sorted(found)]


def widest_top_1() -> tuple[float]:
    """Half the width of an accuracy's interval, of the network that has the widest, in points."""
    spans = [top_1(each) for each in load("runtimes/accuracy")["figures"]]
    return (max((span.high - span.low) / 2 for span in spans),)


def runtimes_exports() -> Iterator[Row]:
    """Parity of every export: the largest error of a logit, top-1 agreement, and the seconds that it took."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(lambda: defaultdict(str))
    for each in load("runtimes/exports")["figures"]:
        if each["kind"] != "unavailable":
            found[each["format"], each["precision"]][short(each)] = _export(each)
    for (file_format, precision), cells in found.items():
        yield {"format": file_format, "precision": precision, "cells": cells}


def _export(each: Figure) -> str:
    if each["kind"] != "artifact":
        return "refused"
    parity = each["parity"]
    through = " *" if parity["through"] else ""
    return f"{parity['max_abs_error']:.1g}, {100 * parity['top1_agreement']:.1f} %, {each['seconds']:.0f} s{through}"


def runtimes_missing() -> Iterator[Row]:
    """What could not be made or measured, and why."""
    exports, resources = (load(f"runtimes/{part}")["figures"] for part in ("exports", "resources"))
    missing = [{**each, "what": f"{each['format']} {each['precision']}"} for each in exports if "reason" in each]
    missing += [each for each in resources if each["kind"] == "failure"]
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in sorted(missing, key=lambda each: NETWORKS.index(each["network"])):
        found[each["what"], each["reason"]].append(short(each))
    for (what, why), names in found.items():
        yield {"what": what, "networks": "all" if len(names) == len(NETWORKS) else ", ".join(names), "why": why}


def optimize_front() -> Iterator[Row]:
    """Each network's fastest artifacts against eager PyTorch, measured in turn, with what they answer rightly."""
    for found in saved_comparisons("optimize/front"):
        c, eager = found.comparison, found.comparison.subjects[0]
        for at, answers in zip((AGAIN + 1, AGAIN + 2), found.plans[1:], strict=True):
            subject, ratio = c.subjects[at], c.ratio(at)
            low, high = ratio.interval
            of_eager = found.plans[0]["correct"] / found.plans[0]["n"]
            is_first = at == AGAIN + 1
            yield {
                "network": eager.source_ref.partition(".")[0] if is_first else "",
                "eager_ms": milliseconds(found.medians_s[0]) if is_first else "",
                "eager_top_1": f"{100 * of_eager:.2f} %" if is_first else "",
                "way": f"{subject.scenario.runtime_name} {subject.precision}",
                "ms": milliseconds(found.medians_s[at]),
                "times": Span(1 / ratio.value, 1 / high, 1 / low),
                "top_1": f"{100 * answers['correct'] / answers['n']:.2f} %",
            }


def optimize_gains() -> tuple[float, float, float]:
    """How many times as fast as eager PyTorch int8 is, from and to, and how many points of top-1 are between them."""
    fronts = list(saved_comparisons("optimize/front"))
    times = [1 / found.comparison.ratio(AGAIN + 2).value for found in fronts]
    top_1s = [[100 * answers["correct"] / answers["n"] for answers in found.plans] for found in fronts]
    return min(times), max(times), max(abs(int8 - eager) for eager, *_, int8 in top_1s)


def runtimes_best() -> Iterator[Row]:
    """The fastest way to run each network one image at a time, against eager PyTorch, measured in turn."""
    for network in NETWORKS:
        accuracies = accuracies_of(network)
        for threads in (1, 2):
            setting = [f for f in of_network("latency", network) if (f["threads"], f["batch"]) == (threads, 1)]
            (eager,) = (f for f in setting if way(f) == EAGER)
            best = max((f for f in setting if way(f) != EAGER), key=lambda f: float(f["times_faster"]))
            yield {
                "ref": network,
                "network": short(best),
                "threads": threads,
                "eager_ms": milliseconds(eager["median_s"]),
                "best": f"{best['runtime']} {best['precision']}",
                "best_ms": milliseconds(best["median_s"]),
                "times": Span(best["times_faster"], *best["interval"]),
                "eager_top_1": accuracies[EAGER],
                "best_top_1": accuracies[way(best)],
            }


def short(figure: Figure) -> str:
    """ "resnet20_v1"."""
    return str(figure["network"].partition(".")[0])


def shipped() -> Iterator[Row]:
    """What ships, by format, precision and input: over all batches, its ways, their least agreement, run.py's top-1."""
    groups: dict[tuple[str, ...], list[Figure]] = defaultdict(list)
    for each in load("shipped/ways")["figures"]:
        groups[each["format"], each["precision"], each["input"]].append(each)
    for (name, precision, fed), several in sorted(groups.items()):
        proven = [each for each in several if "ways" in each]
        refused = len(several) - len(proven)
        agreements = [agreement for each in proven for _, _, _, agreement in each["ways"]]
        top_1: dict[str, list[float]] = defaultdict(list)
        for each in proven:
            top_1[each["network"]].append(100 * each["correct"] / each["n"])
        yield {
            "format": name,
            "precision": precision,
            "input": fed,
            "ways": ", ".join(dict.fromkeys(way for each in proven for way, *_ in each["ways"])),
            "batches": ", ".join(dict.fromkeys(_batches(each["batch"]) for each in proven)),
            "agreement": f"{100 * min(agreements):.1f} %" if agreements else "",
            "top_1": defaultdict(str, {network: _range(found) for network, found in top_1.items()}),
            "refused": refused or "",
        }


def _batches(fixed: int | None) -> str:
    return f"fixed {fixed}" if fixed else "1 3 32"


def shipped_images() -> tuple[float]:
    return (float(min(each["n"] for each in load("shipped/ways")["figures"] if "n" in each)),)


def _range(found: list[float]) -> str:
    low, high = f"{min(found):.2f}", f"{max(found):.2f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


# docs/microcontrollers.md


def microcontrollers() -> Iterator[Row]:
    for each in load(MCU)["figures"]:
        yield {
            "network": f"`{each['network']}`",
            "macs": each["macs"] / 1e6,
            "file": each["file_bytes"],
            "arena": each["arena_bytes"],
            "top_1": top_1(each),
            "n": each["n"],
            "is_enough": "yes" if each["correct"] / each["n"] >= MLPERF_TINY else "no",
        }


def npus() -> Iterator[Row]:
    for each in load(MCU)["figures"]:
        for i, report in enumerate(each["npus"]):
            yield {
                "network": "" if i else f"`{each['network']}`",
                "configuration": f"{report['accelerator']}, {report['system']}, {report['memory']}",
                "operators": f"{report['npu_operators']} / {report['cpu_operators']}",
                "cycles": report["cycles"],
                "ms": 1e3 * report["inference_s"],
                "sram": report["sram_bytes"] / 1024,
                "weights": report["weights_bytes"] / 1024,
            }


# docs/edge.md


def targets() -> Iterator[Row]:
    """Each network wherever it was tried: measured here and in a browser, emulated, counted, estimated."""
    controllers = {each["network"]: each for each in load(MCU)["figures"]}
    for network, controller in controllers.items():
        found = [*_timed(network), *_emulated(network), *_of_controllers(controller)]
        for i, (where, engine, precision, answers, size, memory, time) in enumerate(found):
            yield {
                "network": "" if i else f"`{network}`",
                "where": where,
                "engine": f"{engine} {precision}",
                "top_1": f"{top_1(answers):.2f}",
                "n": answers["n"],
                "kb": f"{size / 1e3:,.0f}" if size else "",
                "memory": memory,
                "time": time,
            }


Found = tuple[str, str, str, Figure, int | None, str, str]


def _timed(network: str) -> Iterator[Found]:
    for each in load("edge/targets")["figures"]:
        if each["network"] == network:
            where = {"local": "this machine", "browser": "a browser on it"}[each["target"]]
            memory = f"{each['taken_bytes'] / 1e6:,.0f} MB, measured"
            span = Span(*(1e3 * seconds for seconds in (each["median_s"], *each["interval_s"])))._replace(unit=" ms")
            time = f"{span:.3f}, {each['way']}"
            yield where, each["runtime"], each["precision"], each, each["bytes"], memory, time


def _emulated(network: str) -> Iterator[Found]:
    document = load("edge/arm64")
    for each in document["rows"]:
        if each["ref"] == network:
            where = f"ARM {document['cpu'].title()}, emulated"
            yield where, each["runtime"], each["precision"], each, None, "", f"none; {_answers(each)}"


def arm64() -> Iterator[Row]:
    for each in load("edge/arm64")["rows"]:
        yield each | {"network": f"`{each['ref']}`", "top_1": top_1(each), "answers": _answers(each)}


def _answers(each: Figure) -> str:
    if not each["equal"]:
        return f"{each['differing']} of {each['n']:,} images have other logits, {each['other_class']} another class"
    return f"as here to {each['worst']:.0e}" if each["limit"] else "the same integers as here"


def _of_controllers(each: Figure) -> Iterator[Found]:
    arena = f"{each['arena_bytes'] / 1e3:,.0f} kB of arena, measured"
    yield "a microcontroller", "TFLite Micro", "int8", each, each["file_bytes"], arena, "none; no controller was here"
    for report in each["npus"]:
        memory = f"{report['sram_bytes'] / 1e3:,.0f} kB of SRAM, estimated"
        time = f"{1e3 * report['inference_s']:.3f} ms, estimated by Vela"
        yield report["accelerator"], "Vela", "int8", each, None, memory, time


# docs/c-artifact.md


def c_figures(part: str) -> list[Figure]:
    """None where that part has not been measured yet."""
    return known(MEASUREMENTS / C / f"{part}.json")


def c_bits() -> Iterator[Row]:
    correct = {each["network"]: each for each in c_figures("top1")}
    for each in c_figures("bits"):
        equal = {name: f"{same:,} of {n:,}" for name, (same, n) in each["equal"].items()}
        emulated = [f"{cpu}: {ran}" for cpu, ran in (each.get("arm64") or {}).items()]
        emulated += sorted({row["cpu"] for row in each.get("controllers") or () if row["is_same"]})
        counted = correct.get(each["network"])
        yield {
            "network": f"`{each['network']}`",
            "equal": defaultdict(str, equal),
            "emulated": "; ".join(emulated),
            "top_1": f"{top_1(counted):.2f}" if counted else "",
        }


def c_fuzz() -> Iterator[Row]:
    """Of all random networks together."""
    if found := c_figures("fuzz"):
        tried = [each for each in found if "equal" in each]
        equal = [each for each in tried if set(each["equal"].values()) == {each["images"]}]
        kernels = ", ".join(tried[0]["equal"]) if tried else ""
        refused = len(found) - len(tried)
        yield {"networks": len(found), "kernels": kernels, "equal": len(equal), "refused": refused,
               "wrong": len(tried) - len(equal)}  # fmt: skip


def c_sizes() -> Iterator[Row]:
    seconds = {each["network"]: each for each in c_figures("build")}
    for each in c_figures("bits"):
        named = {"network": f"`{each['network']}`", "macs": each["macs"] / 1e6}
        yield each | seconds[each["network"]] | named


def c_controllers() -> Iterator[Row]:
    for each in c_figures("bits"):
        for row in each.get("controllers") or ():
            yield row | {"network": f"`{each['network']}`", "each": row["instructions"] / each["macs"]}


def c_shares() -> Iterator[Row]:
    """How much of the processor's peak each network reaches, all that is no product included."""
    layers = c_figures("layers")
    for network in dict.fromkeys(each["network"] for each in layers):
        own = [each for each in layers if each["network"] == network]
        seconds, macs = (sum(each[key] for each in own) for key in ("us", "macs"))
        share = macs / (1e-6 * seconds * own[0]["peak_macs_per_s"])
        yield {"network": f"`{network}`", "us": seconds, "share": 100 * share, "peak": own[0]["peak_macs_per_s"] / 1e9}


def c_layers() -> Iterator[Row]:
    for each in c_figures("layers"):
        if each["network"] == C_SHOWN:
            share = each["macs"] / (1e-6 * each["us"] * each["peak_macs_per_s"])
            yield each | {"share": f"{100 * share:.0f} %" if each["macs"] else ""}


def c_tiles() -> Iterator[Row]:
    """All convolutions with the tiles of the rule, and each with the one that was fastest here."""
    found = c_figures("tiles")
    for network in dict.fromkeys(each["network"] for each in found):
        times = [[tile["us"] for tile in each["tiles"]] for each in found if each["network"] == network]
        by_rule, by_clock = sum(us[0] for us in times), sum(map(min, times))
        gained = 100 * (1 - by_clock / by_rule)
        yield {"network": f"`{network}`", "by_rule": by_rule, "by_clock": by_clock, "gained": gained}


def c_latency() -> Iterator[Row]:
    found = c_figures("latency")
    for network, batch in dict.fromkeys((each["network"], each["batch"]) for each in found):
        own = {each["way"]: each for each in found if (each["network"], each["batch"]) == (network, batch)}
        rivals = [each for way, each in own.items() if not way.startswith("c")]
        best = min(rivals, key=lambda each: each["times_c"])
        yield {
            "network": f"`{network}`",
            "batch": batch,
            "ms": defaultdict(str, {way: milliseconds(each["median_s"]) for way, each in own.items()}),
            "best": best["way"],
            "times": Span(best["times_c"], *best["interval"]),
        }


def c_cold() -> Iterator[Row]:
    needed = {each["network"]: each["constants_bytes"] + each["workspace_bytes"] for each in c_figures("bits")}
    for each in c_figures("cold"):
        yield each | {"network": f"`{each['network']}`", "ms": 1e3 * each["first_s"], "needed": needed[each["network"]]}


# docs/pruning.md


def pruning_networks() -> Iterator[Row]:
    """What is left of each network, and the points that it has lost against its parent, image by image."""
    for parent in PARENTS:
        made = pruned(parent)
        before, accuracy = made[0]["parent"], made[0]["accuracies"][0]
        sizes = {"macs": f"{before['macs'] / 1e6:.1f} M", "params": f"{before['params'] / 1e3:,.0f} k"}
        yield {"network": f"`{parent}`", "way": "as it is", **sizes, "top_1": top_1(accuracy), "lost": ""}
        for each in made:
            macs = f"{each['pruned']['macs'] / 1e6:.1f} M (1/{fewer(each, 'macs'):.2f})"
            params = f"{each['pruned']['params'] / 1e3:,.0f} k (1/{fewer(each, 'params'):.2f})"
            accuracy, lost = top_1(each["accuracies"][1]), f"{points(each['losses'][0]):+.2f}"
            yield {"network": "", "way": each["way"], "macs": macs, "params": params, "top_1": accuracy, "lost": lost}


def pruning_speed() -> Iterator[Row]:
    """Times faster than the parent in each place, and how much of what the multiply-adds promise that is."""
    for parent in PARENTS:
        comparisons = {
            f"{runtime} {batch}": pruning_comparison("speed", parent, runtime, batch)
            for runtime in RUNTIMES
            for batch in BATCHES
        }
        for number, each in enumerate(pruned(parent)):
            promised = fewer(each, "macs")
            times = {place: times_faster(found, each) for place, found in comparisons.items()}
            cells = {place: f"{span:.2f}, {100 * span.value / promised:.0f} %" for place, span in times.items()}
            yield {"network": "" if number else f"`{parent}`", "way": each["way"], "promised": promised, "times": cells}


def pruning_equal() -> Iterator[Row]:
    """Networks that shall take the same share of their parent's latency, made in different ways."""
    for parent in PARENTS:
        found = pruning_comparison("speed", parent, RUNTIMES[0], BATCHES[-1])
        for each in pruned(parent, *TIMED, EQUAL):
            times = times_faster(found, each)
            latency = Span(1 / times.value, 1 / times.high, 1 / times.low)
            shares = {cost: 1 / fewer(each, cost) for cost in ("macs", "params")}
            yield {
                "network": parent,
                "way": each["way"],
                "latency": latency,
                **shares,
                "lost": points(each["losses"][0]),
            }


def pruning_tried() -> Iterator[Row]:
    """The share of the latency that is left when channels go by the multiply-adds alone."""
    for parent in PARENTS:
        tried = load(f"pruning/equal/{slug(parent)}")["figures"]["tried"]
        for number, each in enumerate(sorted(tried, key=lambda each: each["macs"], reverse=True)):
            ratio = each["latency"]
            latency = f"{Span(ratio['value'], *ratio['interval']):.3f}" if ratio else "refused: not measurably faster"
            yield {"network": "" if number else f"`{parent}`", "macs": each["macs"], "latency": latency}


def pruning_steps() -> Iterator[Row]:
    """Pruned, then quantized: what each step costs and buys."""
    for parent in PARENTS:
        found = load(f"pruning/quantized/{slug(parent)}")["figures"]
        comparisons = {f"b{batch}": pruning_comparison("steps", parent, batch) for batch in BATCHES}
        lost = ["", *(f"{points(loss):+.2f}" for loss in found["losses"])]
        for step, name in enumerate((f"`{parent}`", f"pruned: {STEPS}", "and quantized to int8")):
            place = AGAIN + step if step else 0
            ms = {batch: milliseconds(each.medians_s[place]) for batch, each in comparisons.items()}
            ratios = {batch: each.comparison.ratio(place) for batch, each in comparisons.items() if step}
            times = {batch: f"{faster(ratios[batch]):.2f}" if step else "1" for batch in comparisons}
            yield {
                "step": name,
                "top_1": top_1(found["accuracies"][step]),
                "lost": lost[step],
                "ms": ms,
                "times": times,
            }


def pruning_curve(folder: Path = CURVE) -> Iterator[Row]:
    """What each way loses for what it saves, in each place, and what smaller networks do, as far as it is measured."""
    found = [
        (path.parent.name, known(path)[0]) for path in (*folder.glob("networks/*.json"), *folder.glob("rivals/*.json"))
    ]
    rows = []
    for part, each in found:
        is_rival = part == "rivals"
        what, wanted = ("rivals", each["network"]) if is_rival else (each["share"], each["plan"])
        path = folder / "speed" / f"{slug(each['parent'], each['place'], what)}.json"
        if each.get("way") == UNPRUNED:
            times = Span(1, 1, 1)
        elif path.exists() and wanted in (timed := saved_comparison(path)).plans:
            times = faster(timed.comparison.ratio(AGAIN + 1 + timed.plans.index(wanted)))
        else:
            continue
        kind = SMALLER if is_rival else f"{each['way']}, {each['epochs']} epochs"
        rows.append(
            {
                "parent": each["parent"],
                "place": each["place"],
                "kind": kind,
                "name": wanted if is_rival else "",
                "asked": "" if is_rival else each["share"],
                "times": times,
                "top_1": top_1(each["accuracies"][-1]),
                "lost": points(each["losses"][0]),
            }
        )
    recipes = {(each["recipe"], each["views"], each["epochs"]) for part, each in found if part == "networks"}
    if len(recipes) > len({epochs for *_, epochs in recipes}):
        raise ValueError(f"{folder} has networks of several recipes, {sorted(recipes)}: make the older ones again")
    parents = [*ASKED, *sorted({row["parent"] for row in rows} - set(ASKED))]
    places = [str(place) for place in PLACES]
    yield from sorted(
        rows,
        key=lambda row: (
            parents.index(row["parent"]),
            places.index(row["place"]),
            row["kind"] == SMALLER,
            row["kind"],
            row["times"].value,
        ),
    )


def pruning_statistics() -> Iterator[Row]:
    """The loss on unseen training images with the statistics kept and renewed, for each share of the multiply-adds."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(lambda: defaultdict(lambda: "none so small"))
    for each in load("pruning/statistics")["figures"]:
        found[each["network"], each["way"]][f"{each['macs']:g}"] = f"{each['kept']:.3f} to {each['renewed']:.3f}"
    for (network, way), losses in found.items():
        yield {"network": network, "way": way, "losses": losses}


def pruned(parent: str, *ways: str) -> list[Figure]:
    """Those that were made, in the order of the ways; of all ways where none is named."""
    names = [f"pruning/networks/{slug(parent, way)}" for way in ways or WAYS]
    return [load(name)["figures"] for name in names if (MEASUREMENTS / f"{name}.json").exists()]


def pruning_comparison(part: str, *words: object) -> SavedComparison:
    return saved_comparison(MEASUREMENTS / "pruning" / part / f"{slug(*map(str, words))}.json")


def times_faster(found: SavedComparison, network: Figure) -> Span:
    """The parent stands in a comparison twice, before all others."""
    return faster(found.comparison.ratio(AGAIN + 1 + found.plans.index(network["plan"])))


def fewer(network: Figure, cost: str) -> float:
    return float(network["parent"][cost] / network["pruned"][cost])


def _by_network(found: SavedComparison) -> tuple[str, int]:
    first = found.comparison.subjects[0]
    return first.source_ref, first.scenario.batch


# docs/serving.md


def serving_latency() -> Iterator[Row]:
    for each in _served("latency"):
        yield {
            "bare_us": 1e6 * each["bare_s"],
            "served_us": 1e6 * each["served_s"],
            "exchanged_us": 1e6 * each["exchanged_s"],
            "more": Span(*(100 * (ratio - 1) for ratio in (each["ratio"], *each["interval"])))._replace(unit=" %"),
            "rounds": each["rounds"],
        }


def serving_load() -> Iterator[Row]:
    for each in sorted(_served("load"), key=lambda each: (each["workers"], each["max_batch"], each["max_delay_ms"])):
        yield each | {
            "per_s": each["right"] / each["seconds"],
            "p50_ms": 1e3 * each["p50_s"],
            "p99_ms": 1e3 * each["p99_s"],
            "lost": each["sent"] - each["right"],
            "memory": each["memory_bytes"] / 1e6,
        }


def _served(what: str) -> list[Figure]:
    return [each for each in load(SERVING)["figures"] if each["what"].startswith(what)]


# docs/optimize.md


def optimize_regret() -> Iterator[Row]:
    """Replayed searches, by what they were asked."""
    groups = defaultdict(list)
    for found in known(MEASUREMENTS / "optimize" / "replay.json"):
        drop = "exact" if found["max_drop"] is None else f"{100 * found['max_drop']:g} points"
        groups[f"{drop}, a latency" if found["latency"] else drop].append(found)
    for limits, several in groups.items():
        told = [found for found in several if found["regret"] is not None]
        worst = max(told, key=lambda found: found["regret"])
        yield {
            "limits": limits,
            "searches": len(several),
            "worst": Span(*(100 * value for value in (worst["regret"], *worst["regret_interval"]))),
            "above": sum(found["regret"] > 0.02 for found in told),
            "surely": sum(found["regret_interval"][0] > 0.02 for found in told),
            "infeasible": sum(found["infeasible"] for found in several),
            "rounds": fmean(found["rounds"] for found in several),
        }


def optimize_live() -> Iterator[Row]:
    for found in known(MEASUREMENTS / "optimize" / "live.json"):
        yield {
            **found,
            "choice": found["choice"].partition("/")[2] if found["choice"] else found["outcome"],
            "regret": "–" if found["regret"] is None else f"{100 * found['regret']:.2f} %",
            "cheaper": found["exhaustive_s"] / found["search_s"],
        }


def optimize_peers() -> Iterator[Row]:
    """How many times slower each peer is than the choice."""
    for name, limit in (("peers", "0.3 points"), ("pruned", "1 point, fine-tuned")):
        path = MEASUREMENTS / "optimize" / f"{name}.json"
        if not path.exists():
            continue
        c = saved_comparison(path).comparison
        for at in range(AGAIN + 1, len(c.subjects)):
            ratio = c.ratio(at)
            choice, peer = c.subjects[0], c.subjects[at]
            yield {
                "limit": limit,
                "choice": f"{choice.scenario.runtime_name} {choice.precision}",
                "peer": peer.scenario.runtime_name,
                "times": Span(ratio.value, *ratio.interval),
            }


def optimize_networks() -> Iterator[Row]:
    for found in known(MEASUREMENTS / "optimize" / "networks.json"):
        absent = dict.fromkeys(("network", "how", "runtime", "ms", "top_1"), "")
        forms = {"ms": "{:.3g}", "top_1": "{:.2%}"}
        told = {name: form.format(found[name]).replace("%", " %") for name, form in forms.items() if name in found}
        yield absent | found | told
