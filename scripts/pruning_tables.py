"""The tables of docs/pruning.md, from what `scripts/pruning.py` measured."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from markdown import host_line, table
from pruning import BATCHES, EQUAL, PARENTS, RACED, RUNTIMES, STEPS, TARGET, TIMED, WAYS, slug

from reszoo.bench.comparison import AGAIN, ratio
from reszoo.bench.table import contestants
from reszoo.core.documents import read_json
from reszoo.core.measured import Comparison, Host
from reszoo.core.statistics import proportion_interval

PACKAGES = ("torch", "torch-pruning", "onnxruntime", "openvino")
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "measurements" / "pruning"
FIX = "Run scripts/pruning.py."


class Race(NamedTuple):
    """The networks with these plans, against their parent."""

    comparison: Comparison
    plans: list[object]


class Speed(NamedTuple):
    """How many times faster than its parent, with the 99 % interval; and the median of one batch."""

    times: float
    low: float
    high: float
    median_ms: str

    def __str__(self) -> str:
        return f"{self.times:.2f} ({self.low:.2f} to {self.high:.2f})"


def pruning_host() -> str:
    record = json.loads((FOLDER / "equal" / f"{slug(PARENTS[0])}.json").read_text())
    return host_line(msgspec.convert(record["host"], Host), PACKAGES)


def pruning_networks() -> str:
    """What is left of each network, and the points that it has lost against its parent, image by image."""
    rows: list[tuple[object, ...]] = []
    for parent in PARENTS:
        for number, found in enumerate(networks(parent)):
            before = found["parent"]
            if number == 0:
                sizes = f"{before['macs'] / 1e6:.1f} M", f"{before['params'] / 1e3:,.0f} k"
                rows.append((f"`{parent}`", "as it is", *sizes, _accuracy(found["accuracies"][0]), ""))
            after = found["pruned"]
            macs = f"{after['macs'] / 1e6:.1f} M (1/{_share(found, 'macs'):.2f})"
            params = f"{after['params'] / 1e3:,.0f} k (1/{_share(found, 'params'):.2f})"
            rows.append(("", found["way"], macs, params, _accuracy(found["accuracies"][1]), _loss(found["losses"][0])))
    header = ("network", "pruned", "multiply-adds", "parameters", "top-1 (95 %)", "points lost (paired 95 %)")
    return table(header, rows)


def pruning_speed() -> str:
    """Times faster than the parent in each place, and how much of what the multiply-adds promise that is."""
    rows: list[tuple[object, ...]] = []
    places = [(runtime, batch) for runtime in RUNTIMES for batch in BATCHES]
    for parent in measured("speed"):
        raced = {place: race("speed", parent, *place) for place in places}
        for number, found in enumerate(networks(parent)):
            promised = _share(found, "macs")
            speeds = [speed(raced[place], found["plan"]) for place in places]
            cells = [f"{one}, {100 * one.times / promised:.0f} %" for one in speeds]
            rows.append(("" if number else f"`{parent}`", found["way"], f"{promised:.2f}", *cells))
    header = ("network", "pruned", "fewer multiply-adds", *(f"{runtime}, batch {batch}" for runtime, batch in places))
    return table(header, rows)


def pruning_equal() -> str:
    """Networks that shall take the same share of their parent's latency, made in different ways."""
    rows: list[tuple[object, ...]] = []
    for parent in measured("speed"):
        raced = race("speed", parent, RUNTIMES[0], BATCHES[-1])
        for found in networks(parent, *TIMED, EQUAL):
            one = speed(raced, found["plan"])
            latency = f"{1 / one.times:.3f} ({1 / one.high:.3f} to {1 / one.low:.3f})"
            cells = latency, f"{1 / _share(found, 'macs'):.2f}", f"{1 / _share(found, 'params'):.2f}"
            rows.append((f"`{parent}`", found["way"], *cells, _loss(found["losses"][0])))
    header = ("network", "pruned", f"latency (99 %), {TARGET:g} asked", "multiply-adds", "parameters", "points lost")
    return table(header, rows)


def pruning_tried() -> str:
    """The share of the latency that is left when channels go by the multiply-adds alone."""
    rows: list[tuple[object, ...]] = []
    for parent in PARENTS:
        record = json.loads((FOLDER / "equal" / f"{slug(parent)}.json").read_text())
        tried = sorted(record["figures"]["tried"], key=lambda each: each["macs"], reverse=True)
        rows += [("" if number else f"`{parent}`", each["macs"], _left(each)) for number, each in enumerate(tried)]
    return table(("network", "multiply-adds left", "latency left (99 %)"), rows)


def _left(tried: dict[str, Any]) -> str:
    if (ratio := tried["latency"]) is None:
        return "refused: not measurably faster"
    low, high = ratio["interval"]
    return f"{ratio['value']:.3f} ({low:.3f} to {high:.3f})"


def pruning_steps() -> str:
    """Pruned, then quantized: what each step costs and buys."""
    rows: list[tuple[object, ...]] = []
    for parent in measured("steps"):
        path = FOLDER / "quantized" / f"{slug(parent)}.json"
        found = json.loads(path.read_text())["figures"]
        raced = [race("steps", parent, batch).comparison for batch in BATCHES]
        lost = ["", *map(_loss, found["losses"])]
        for step, name in enumerate((f"`{parent}`", f"pruned: {STEPS}", "and quantized to int8")):
            speeds = [_speed(each, AGAIN + step if step else 0) for each in raced]
            cells = [cell for one in speeds for cell in (one.median_ms, str(one) if step else "1")]
            rows.append((name, _accuracy(found["accuracies"][step]), lost[step], *cells))
    columns = [f"{what}, batch {batch}" for batch in BATCHES for what in ("ms", "times faster (99 %)")]
    return table(("step", "top-1 (95 %)", "points lost (paired 95 %)", *columns), rows)


def measured(part: str) -> list[str]:
    """The parents that there are races of."""
    return [parent for parent in PARENTS if any((FOLDER / part).glob(f"{slug(parent)}-*"))]


def networks(parent: str, *ways: str) -> Iterator[dict[str, Any]]:
    """The figures of those that were made, in the order of the ways; of all ways where none is named."""
    for way in ways or WAYS:
        path = FOLDER / "networks" / f"{slug(parent, way)}.json"
        if path.exists():
            yield json.loads(path.read_text())["figures"]


def race(part: str, *words: object) -> Race:
    folder = FOLDER / part / slug(*map(str, words))
    (path,) = folder.glob("compare.*.json")
    return Race(read_json(path, Comparison, FIX), json.loads((folder / RACED).read_text()))


def speed(raced: Race, plan: object) -> Speed:
    """Of the network with this plan. The parent stands in a comparison twice, before all others."""
    if plan not in raced.plans:
        raise SystemExit(f"a network was not raced on {raced.comparison.subjects[0].scenario}. {FIX}")
    return _speed(raced.comparison, AGAIN + 1 + raced.plans.index(plan))


def _speed(raced: Comparison, place: int) -> Speed:
    median_ms = contestants(raced)[place].median_ms
    if place == 0:
        return Speed(1.0, 1.0, 1.0, median_ms)
    found = ratio(raced, place)
    return Speed(1 / found.value, 1 / found.interval.high, 1 / found.interval.low, median_ms)


def _share(found: dict[str, Any], cost: str) -> float:
    """How many times fewer."""
    return float(found["parent"][cost] / found["pruned"][cost])


def _accuracy(found: dict[str, Any]) -> str:
    low, high = proportion_interval(found["correct"], found["n"])
    return f"{100 * found['correct'] / found['n']:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def _loss(found: dict[str, Any]) -> str:
    low, high = (100 * end for end in found["drop_interval"])
    return f"{100 * found['drop']:+.2f} ({low:+.2f} to {high:+.2f})"


PRUNING_TABLES: dict[str, Callable[[], str]] = {
    "pruning_host": pruning_host,
    "pruning_networks": pruning_networks,
    "pruning_speed": pruning_speed,
    "pruning_equal": pruning_equal,
    "pruning_tried": pruning_tried,
    "pruning_steps": pruning_steps,
}
