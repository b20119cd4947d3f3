"""Write the tables of README.md and docs/ from docs/measurements/: `python scripts/tables.py [--check]`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. With --check nothing is written, and a table that is
not what the measurements say ends the script with 1.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import rows
from figures import load
from pruning import BATCHES, RUNTIMES, TARGET
from quantization import AKAMASTER, OURS
from rows import Row
from runtimes import NETWORKS, TRAINED

from reszoo.core.measured import Host

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Table(NamedTuple):
    """`columns`: the header of each, and the format of a row's cell."""

    rows: Callable[[], Iterable[Row]]
    columns: Mapping[str, str]

    def __str__(self) -> str:
        cells = [[form.format_map(row) for form in self.columns.values()] for row in self.rows()]
        lines = [[*self.columns], ["---"] * len(self.columns), *cells]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


class Machine(NamedTuple):
    """The line that says where a part was measured, with the versions of these packages."""

    part: str
    packages: str

    def __str__(self) -> str:
        host = msgspec.convert(load(self.part)["host"], Host)
        versions = ", ".join(f"{name} {host.versions[name]}" for name in self.packages.split())
        sets = ", ".join(host.instruction_sets)
        return f"{host.cpu}, {host.cores} cores, {sets}; {host.os}; Python {host.python}, {versions}.\n"


class Sentence(NamedTuple):
    figure: Callable[[], float]
    form: str

    def __str__(self) -> str:
        return self.form.format(self.figure()) + "\n"


def short(networks: Iterable[str]) -> list[str]:
    return [network.partition(".")[0] for network in networks]


def ways(network: str) -> Table:
    settings = [(threads, batch) for threads in (1, 2) for batch in (1, 32)]
    columns = {
        "runtime": "{way[0]}",
        "format": "{way[1]}",
        "": "{way[2]}",
        **{f"{t} thread{'s' * (t > 1)}, batch {b}": f"{{latency[t{t}b{b}]}}" for t, b in settings},
        **({"top-1": "{top_1}"} if network in TRAINED else {}),
        "MB": "{mb:.2f}",
        "memory MB": "{memory:.0f}",
        "cold ms": "{cold_ms:.0f}",
    }
    return Table(partial(rows.ways, network), columns)


TABLES: Mapping[str, Table | Machine | Sentence] = {
    "host": Machine("speed/resnet20_v1.akamaster_cifar10-1", "torch onnx onnxruntime openvino"),
    "speed": Table(
        rows.speed,
        {
            "network": "{network}",
            "batch": "{batch}",
            "runtime": "{runtime}",
            "median ms": "{ms}",
            "times faster (99 % interval)": "{times}",
        },
    ),
    "accuracy": Table(
        rows.accuracy,
        {
            "checkpoint": "{network}",
            "published": "{published:.4f}",
            "PyTorch": "{torch:.4f}",
            "ONNX Runtime": "{onnxruntime:.4f}",
            "n": "{n}",
        },
    ),
    "startup": Table(
        rows.startup,
        {"command": "`{name}`", "median ms": "{ms:.0f}", "times `python -c pass`": "{times:.1f}", "runs": "{runs}"},
    ),
    "export": Table(
        rows.export,
        {
            "network": "{name}",
            "median s": "{s.value:.1f}",
            "range": "{s.low:.1f} to {s.high:.1f}",
            "runs": "{runs}",
        },
    ),
    "bundled": Table(
        rows.bundled,
        {
            "checkpoint": "`{ref}`",
            "accuracy": "{accuracy:.4f} ({low:.4f} to {high:.4f}, n = {n})",
            "made by": "`{command}`",
        },
    ),
    "training": Table(
        rows.training,
        {
            "device": "{device}",
            "loop": "{loop}",
            "arithmetic": "{arithmetic}",
            "images/s": "{images_per_s:,.0f}",
            "times the plain loop": "{times:.2f}",
        },
    ),
    "coverage": Table(
        rows.coverage,
        {
            "stream": "{stream}",
            "fixed length": "{fixed_percent:.1f} %",
            "samples": "{fixed[n]:,.0f}",
            "until known to 1 %": "{until_precise_percent:.1f} %",
            "samples, mean": "{until_precise[n]:,.0f}",
            "trials each": "{fixed[trials]}",
        },
    ),
    "known_costs": Table(
        rows.known_costs,
        {"what": "{what}", "known": "{known}", "measured": "{measured}", "largest error": "{error}"},
    ),
    "agreement": Table(
        rows.agreement,
        {
            "against": "{name}",
            "ours / theirs, median": "{share.value:.3f}",
            "range": "{share.low:.3f} to {share.high:.3f}",
            "rounds": "{rounds}",
        },
    ),
    "alarms": Table(
        rows.alarms,
        {
            "truth": "{truth}",
            'said "different"': "{said} of {runs}",
            "ratio, median": "{ratio:.4f}",
            "half-width, median": "{half_width:.2f} %",
            "seconds, median": "{seconds:.0f}",
            "with a warning": "{disturbed}",
        },
    ),
    "int8_host": Machine("quantization/integers", "onnxruntime openvino nncf"),
    "int8_accuracy": Table(
        rows.int8_accuracy,
        {
            "network": "{network}",
            "float": "{float}",
            "int8, ONNX Runtime": "{onnxruntime}",
            "int8, OpenVINO": "{openvino}",
            "int8-nncf, OpenVINO": "{nncf}",
        },
    ),
    "int8_ways": Table(
        rows.int8_ways,
        {
            "way": "{way}",
            **{network: f"{{drops[{network}]}}" for network in short([*AKAMASTER, *OURS])},
            "mean": "{mean}",
        },
    ),
    "int8_speed": Table(
        rows.int8_speed,
        {
            "network": "`{network}`",
            "batch": "{batch}",
            "runtime": "{runtime}",
            "fp32 ms": "{fp32}",
            "int8 ms": "{int8}",
            "times faster (99 % interval)": "{times:.2f}",
        },
    ),
    "int8_integers": Table(
        rows.int8_integers,
        {
            "network": "`{network}`",
            "integer layers": "{layers}",
            "proven as they were": "{certificate[proven]}",
            "channels reduced": "{certificate[reduced]}",
            "results": "{elements:,}",
            "ties": "{rounding:,}",
            "wrong": "{wrong}",
        },
    ),
    "runtimes_host": Machine(
        "runtimes/exports", "torch onnxruntime openvino ai-edge-litert executorch ncnn nncf litert-torch"
    ),
    **{f"runtimes_{network.partition('.')[0]}": ways(network) for network in NETWORKS},
    "runtimes_accuracy": Table(
        rows.runtimes_accuracy,
        {
            "runtime": "{way[0]}",
            "format": "{way[1]}",
            "": "{way[2]}",
            **{network: f"{{top_1[{network}]}}" for network in short(TRAINED)},
        },
    ),
    "runtimes_error": Sentence(rows.widest_top_1, "{:.2f} points"),
    "runtimes_exports": Table(
        rows.runtimes_exports,
        {
            "format": "{format}",
            "": "{precision}",
            **{network: f"{{cells[{network}]}}" for network in short(NETWORKS)},
        },
    ),
    "runtimes_missing": Table(rows.runtimes_missing, {"what": "{what}", "networks": "{networks}", "why": "{why}"}),
    "runtimes_best": Table(
        rows.runtimes_best,
        {
            "network": "{network}",
            "threads": "{threads}",
            "PyTorch ms": "{eager_ms}",
            "fastest": "{best}",
            "ms": "{best_ms}",
            "times faster (99 % interval)": "{times:.1f}",
            "PyTorch's top-1": "{eager_top_1}",
            "fastest's": "{best_top_1}",
        },
    ),
    "pruning_host": Machine("pruning/equal/resnet56_v1.akamaster_cifar10", "torch torch-pruning onnxruntime openvino"),
    "pruning_networks": Table(
        rows.pruning_networks,
        {
            "network": "{network}",
            "pruned": "{way}",
            "multiply-adds": "{macs}",
            "parameters": "{params}",
            "top-1 (95 %)": "{top_1:.2f}",
            "points lost (paired 95 %)": "{lost}",
        },
    ),
    "pruning_speed": Table(
        rows.pruning_speed,
        {
            "network": "{network}",
            "pruned": "{way}",
            "fewer multiply-adds": "{promised:.2f}",
            **{
                f"{runtime}, batch {batch}": f"{{times[{runtime} {batch}]}}"
                for runtime in RUNTIMES
                for batch in BATCHES
            },
        },
    ),
    "pruning_equal": Table(
        rows.pruning_equal,
        {
            "network": "`{network}`",
            "pruned": "{way}",
            f"latency (99 %), {TARGET:g} asked": "{latency:.3f}",
            "multiply-adds": "{macs:.2f}",
            "parameters": "{params:.2f}",
            "points lost": "{lost:+.2f}",
        },
    ),
    "pruning_tried": Table(
        rows.pruning_tried, {"network": "{network}", "multiply-adds left": "{macs}", "latency left (99 %)": "{left}"}
    ),
    "pruning_steps": Table(
        rows.pruning_steps,
        {
            "step": "{step}",
            "top-1 (95 %)": "{top_1:.2f}",
            "points lost (paired 95 %)": "{lost}",
            **{
                f"{what}, batch {batch}": f"{{{cell}[b{batch}]}}"
                for batch in BATCHES
                for what, cell in (("ms", "ms"), ("times faster (99 %)", "times"))
            },
        },
    ),
}


def main() -> int:
    stale = []
    for page in PAGES:
        old = page.read_text()
        new = MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]]}{found[3]}", old)
        if new != old:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(new)
    print(f"{'stale' if '--check' in sys.argv else 'written'}: {', '.join(stale) or 'none'}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
