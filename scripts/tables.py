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
from pruning_statistics import SHARES as STATISTICS_AT
from quantization import AKAMASTER, OURS
from rows import Row
from runtimes import NETWORKS, TRAINED
from shipped import NETWORKS as SHIPPED

from reszoo.core.measured import Host

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Table(NamedTuple):
    """`header` and `cells` are lines of Markdown; `cells` is formatted with each row."""

    rows: Callable[[], Iterable[Row]]
    header: str
    cells: str

    def __str__(self) -> str:
        rule = " | ".join("---" for _ in self.header.split(" | "))
        lines = (self.header, rule, *(self.cells.format_map(row) for row in self.rows()))
        return "".join(f"| {line} |\n" for line in lines)


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
    figures: Callable[[], tuple[float, ...]]
    form: str

    def __str__(self) -> str:
        return self.form.format(*self.figures()) + "\n"


def columns(form: str, names: Iterable[object]) -> str:
    """A part of a line that is the same for each name."""
    return " | ".join(form.format(name) for name in names)


ALL, COUNTED, INT8 = (
    [network.partition(".")[0] for network in networks] for networks in (NETWORKS, TRAINED, [*AKAMASTER, *OURS])
)
PLACES = [(runtime, batch) for runtime in RUNTIMES for batch in BATCHES]


def ways(network: str) -> Table:
    """The networks with random weights have no accuracy."""
    top_1 = ("top-1 | ", "{top_1} | ") if network in TRAINED else ("", "")
    return Table(
        partial(rows.ways, network),
        "runtime | format |  | 1 thread, batch 1 | 1 thread, batch 32 | 2 threads, batch 1 | 2 threads, batch 32 | "
        f"{top_1[0]}MB | memory MB | cold ms",
        "{way[0]} | {way[1]} | {way[2]} | {latency[t1b1]} | {latency[t1b32]} | {latency[t2b1]} | {latency[t2b32]} | "
        f"{top_1[1]}{{mb:.2f}} | {{memory:.0f}} | {{cold_ms:.0f}}",
    )


TABLES: Mapping[str, Table | Machine | Sentence] = {
    # README.md, docs/benchmarking.md, docs/training.md
    "host": Machine("speed/resnet20_v1.akamaster_cifar10-1", "torch onnx onnxruntime openvino"),
    "speed": Table(
        rows.speed,
        "network | batch | runtime | median ms | times faster (99 % interval)",
        "{network} | {batch} | {runtime} | {ms} | {times}",
    ),
    "accuracy": Table(
        rows.accuracy,
        "checkpoint | published | PyTorch | ONNX Runtime | n",
        "{network} | {published:.4f} | {torch:.4f} | {onnxruntime:.4f} | {n}",
    ),
    "startup": Table(
        rows.startup,
        "command | median ms | times `python -c pass` | runs",
        "`{name}` | {ms:.0f} | {times:.1f} | {runs}",
    ),
    "export": Table(
        rows.export,
        "network | median s | range | runs",
        "{name} | {s.value:.1f} | {s.low:.1f} to {s.high:.1f} | {runs}",
    ),
    "bundled": Table(
        rows.bundled,
        "checkpoint | accuracy | made by",
        "`{ref}` | {accuracy:.4f} ({low:.4f} to {high:.4f}, n = {n}) | `{command}`",
    ),
    "training": Table(
        rows.training,
        "device | loop | arithmetic | images/s | times the plain loop",
        "{device} | {loop} | {arithmetic} | {images_per_s:,.0f} | {times:.2f}",
    ),
    "training_worth": Table(
        rows.training_worth,
        "network | recipe | epochs | top-1 on val | points more (paired 95 %) | worth times its images (95 %) | "
        "time of an image (95 %) | seeds",
        "{network} | {variant} | {epochs} | {top_1:.2f} % | {gain} | {worth} | {cost} | {seeds}",
    ),
    "transfer": Table(
        rows.transfer,
        "data | network | top-1 | points more than from scratch (paired 95 %) | seeds",
        "{data} | {way} | {top_1:.1f} % | {gain} | {seeds}",
    ),
    "coverage": Table(
        rows.coverage,
        "stream | fixed length | samples | until known to 1 % | samples, mean | trials each",
        "{stream} | {shares[fixed]:.1f} % | {fixed[n]:,.0f} | {shares[until_precise]:.1f} % | "
        "{until_precise[n]:,.0f} | {fixed[trials]}",
    ),
    "known_costs": Table(
        rows.known_costs,
        "what | known | measured | largest error",
        "{what} | {known} | {measured} | {error}",
    ),
    "agreement": Table(
        rows.agreement,
        "against | ours / theirs, median | range | rounds",
        "{name} | {share.value:.3f} | {share.low:.3f} to {share.high:.3f} | {rounds}",
    ),
    "alarms": Table(
        rows.alarms,
        'truth | said "different" | ratio, median | half-width, median | seconds, median | with a warning',
        "{truth} | {said} of {runs} | {ratio:.4f} | {half_width:.2f} % | {seconds:.0f} | {disturbed}",
    ),
    "stopping": Table(
        rows.stopping,
        "scatter of a round | intervals | at 1.03: passed / failed | 1.00 passed / 1.06 failed | rounds | "
        "no gate: held the truth | rounds",
        "{scatter} | {intervals} | {limit[shares][passed]:.2f} % / {limit[shares][failed]:.2f} % | "
        "{below[shares][passed]:.1f} % / {above[shares][failed]:.1f} % | {below[rounds]:.1f} / {above[rounds]:.1f} | "
        "{alone[shares][covered]:.1f} % | {alone[rounds]:.1f}",
    ),
    # docs/quantization.md
    "int8_host": Machine("quantization/integers", "onnxruntime openvino nncf"),
    "int8_accuracy": Table(
        rows.int8_accuracy,
        "network | float | int8, ONNX Runtime | int8, OpenVINO | int8-nncf, OpenVINO",
        "{network} | {float} | {onnxruntime} | {openvino} | {nncf}",
    ),
    "int8_ways": Table(
        rows.int8_ways,
        f"way | {columns('{}', INT8)} | mean",
        f"{{way}} | {columns('{{drops[{}]}}', INT8)} | {{mean}}",
    ),
    "int8_speed": Table(
        rows.int8_speed,
        "network | batch | runtime | fp32 ms | int8 ms | times faster (99 % interval)",
        "`{network}` | {batch} | {runtime} | {fp32} | {int8} | {times:.2f}",
    ),
    "int8_integers": Table(
        rows.int8_integers,
        "network | integer layers | unchanged layers | rescaled channels | results | ties | wrong",
        "`{network}` | {layers} | {certificate[unchanged_layers]} | {certificate[rescaled_channels]} | "
        "{elements:,} | {rounding:,} | {wrong}",
    ),
    "int8_host_without_vnni": Machine(f"{rows.WITHOUT_VNNI}/certificate", "onnxruntime openvino"),
    "int8_certificate": Table(
        rows.int8_certificate,
        "network | weights | wrong layers | wrong results | points of top-1 lost (95 % interval)",
        "`{network}` | {weights} | {layers} | {elements} | {points}",
    ),
    "int8_speed_without_vnni": Table(
        partial(rows.int8_speed, rows.WITHOUT_VNNI),
        "network | batch | runtime | fp32 ms | int8 ms | times faster (99 % interval)",
        "`{network}` | {batch} | {runtime} | {fp32} | {int8} | {times:.2f}",
    ),
    # docs/runtimes.md
    "runtimes_host": Machine(
        "runtimes/exports", "torch onnxruntime openvino ai-edge-litert executorch ncnn nncf litert-torch"
    ),
    **{f"runtimes_{name}": ways(network) for name, network in zip(ALL, NETWORKS, strict=True)},
    "runtimes_accuracy": Table(
        rows.runtimes_accuracy,
        f"runtime | format |  | {columns('{}', COUNTED)}",
        f"{{way[0]}} | {{way[1]}} | {{way[2]}} | {columns('{{top_1[{}]}}', COUNTED)}",
    ),
    "runtimes_error": Sentence(rows.widest_top_1, "{:.2f} points"),
    "runtimes_exports": Table(
        rows.runtimes_exports,
        f"format |  | {columns('{}', ALL)}",
        f"{{format}} | {{precision}} | {columns('{{cells[{}]}}', ALL)}",
    ),
    "runtimes_missing": Table(rows.runtimes_missing, "what | networks | why", "{what} | {networks} | {why}"),
    "runtimes_best": Table(
        rows.runtimes_best,
        "network | threads | PyTorch ms | fastest | ms | times faster (99 % interval) | PyTorch's top-1 | fastest's",
        "{network} | {threads} | {eager_ms} | {best} | {best_ms} | {times:.1f} | {eager_top_1} | {best_top_1}",
    ),
    "shipped_host": Machine("shipped/ways", "torch onnxruntime openvino ai-edge-litert executorch ncnn"),
    "shipped": Table(
        rows.shipped,
        f"format |  | input | ways | batches | agreement, at least | {columns('{}', SHIPPED)} | refused",
        "{format} | {precision} | {input} | {ways} | {batches} | {agreement} | "
        f"{columns('{{top_1[{}]}}', SHIPPED)} | {{refused}}",
    ),
    "shipped_images": Sentence(rows.shipped_images, "{:,.0f} test images"),
    # docs/edge.md
    "arm64": Table(
        rows.arm64,
        "network | runtime | precision | images | top-1 there | answers",
        "{network} | {runtime} | {precision} | {n:,} | {top_1:.2f} | {answers}",
    ),
    "targets_host": Machine("edge/targets", "onnxruntime openvino ai-edge-litert mnn"),
    "targets": Table(
        rows.targets,
        "network | where | engine | top-1 (95 %) | images | kB | memory | time of one image",
        "{network} | {where} | {engine} | {top_1} | {n:,} | {kb} | {memory} | {time}",
    ),
    # docs/microcontrollers.md
    "mcu_host": Machine("edge/microcontrollers", "ai-edge-litert ai-edge-quantizer tflite-micro ethos-u-vela"),
    "mcu": Table(
        rows.microcontrollers,
        "network | multiply-adds | file, bytes (counted) | arena, bytes (measured) | top-1, int8 (measured) | images | "
        "at least 85 %",
        "{network} | {macs:.1f} M | {file:,} | {arena:,} | {top_1:.2f} | {n:,} | {is_enough}",
    ),
    "npus": Table(
        rows.npus,
        "network | configuration | operators on the NPU / CPU | cycles, estimated | ms, estimated | "
        "SRAM KiB, estimated | flash or DRAM KiB, estimated",
        "{network} | {configuration} | {operators} | {cycles:,} | {ms:.3f} | {sram:.1f} | {weights:.1f}",
    ),
    # docs/serving.md
    "serving_host": Machine("serving", "onnxruntime"),
    "serving_latency": Table(
        rows.serving_latency,
        "bare runtime, us | through the server, us | more | an exchange without computing, us | rounds",
        "{bare_us:.0f} | {served_us:.0f} | {more:.1f} | {exchanged_us:.0f} | {rounds}",
    ),
    "serving_load": Table(
        rows.serving_load,
        "workers | largest batch | delay, ms | requests/s | p50 ms | p99 ms | images together | requests | lost | "
        "memory MB",
        "{workers} | {max_batch} | {max_delay_ms} | {per_s:,.0f} | {p50_ms:.2f} | {p99_ms:.2f} | {together:.1f} | "
        "{sent:,} | {lost} | {memory:.0f}",
    ),
    # docs/optimize.md
    "optimize_host": Machine("optimize/live", "onnxruntime openvino ai-edge-litert executorch ncnn mnn torch"),
    "optimize_regret": Table(
        rows.optimize_regret,
        "limits | searches | worst regret, % (95 %) | above 2 % | surely | infeasible | rounds, mean",
        "{limits} | {searches} | {worst:.2f} | {above} | {surely} | {infeasible} | {rounds:.1f}",
    ),
    "optimize_live": Table(
        rows.optimize_live,
        "network | threads | candidates | choice | regret | search, s | exports, s | exhaustive, s | times cheaper",
        "{network} | {threads} | {candidates} | {choice} | {regret} | {search_s:.0f} | {exports_s:.0f} | "
        "{exhaustive_s:.0f} | {cheaper:.1f}",
    ),
    "optimize_peers": Table(
        rows.optimize_peers,
        "limit | choice | peer, fp32 | times faster (99 % interval)",
        "{limit} | {choice} | {peer} | {times:.2f}",
    ),
    "optimize_networks": Table(
        rows.optimize_networks,
        "latency | answer | network | as | ms | top-1 on test | minutes",
        "{latency} | {outcome} | {network} | {how} on {runtime} | {ms} | {top_1} | {minutes:.0f}",
    ),
    "optimize_front": Table(
        rows.optimize_front,
        "network | PyTorch ms | its top-1 | fastest fp32, int8 | ms | times faster (99 % interval) | top-1",
        "{network} | {eager_ms} | {eager_top_1} | {way} | {ms} | {times:.1f} | {top_1}",
    ),
    "optimize_gains": Sentence(
        rows.optimize_gains,
        "int8 is {:.1f} to {:.1f} times as fast as eager PyTorch, and its top-1 is within {:.2f} points of it.",
    ),
    # docs/c-artifact.md
    "c_host": Machine("c/latency", "onnxruntime openvino ai-edge-litert executorch"),
    "c_bits": Table(
        rows.c_bits,
        "network | avx512vnni | avx2 | portable | emulated | top-1",
        "{network} | {equal[avx512vnni]} | {equal[avx2]} | {equal[portable]} | {emulated} | {top_1}",
    ),
    "c_fuzz": Table(
        rows.c_fuzz,
        "random networks | kernels | equal in every bit | refused with a reason | wrong",
        "{networks} | {kernels} | {equal} | {refused} | {wrong}",
    ),
    "c_sizes": Table(
        rows.c_sizes,
        "network | multiply-adds | workspace, bytes | constants, bytes | sources, bytes | library, bytes | "
        "generation, s | build, s | export, s",
        "{network} | {macs:.1f} M | {workspace_bytes:,} | {constants_bytes:,} | {source_bytes:,} | {library_bytes:,} | "
        "{generate_s:.1f} | {build_s:.1f} | {export_s:.1f}",
    ),
    "c_controllers": Table(
        rows.c_controllers,
        "network | processor | kernels | instructions (counted) | each multiply-add | flash, bytes | RAM, bytes",
        "{network} | {cpu} | {kernels} | {instructions:,} | {each:.2f} | {flash_bytes:,} | {ram_bytes:,}",
    ),
    "c_shares": Table(
        rows.c_shares,
        "network | us | peak, G multiply-adds/s | share of it",
        "{network} | {us:.1f} | {peak:.0f} | {share:.0f} %",
    ),
    "c_layers": Table(rows.c_layers, "layer |  | us | share of the peak", "`{layer}` | {shape} | {us:.2f} | {share}"),
    "c_tiles": Table(
        rows.c_tiles,
        "network | convolutions, us | each with its fastest tile, us | gained",
        "{network} | {by_rule:.1f} | {by_clock:.1f} | {gained:.1f} %",
    ),
    "c_latency": Table(
        rows.c_latency,
        "network | batch | c | c:avx2 | litert | onnxruntime | openvino | executorch | fastest other | "
        "its time / c's (99 % interval)",
        "{network} | {batch} | {ms[c]} | {ms[c:avx2]} | {ms[litert]} | {ms[onnxruntime]} | {ms[openvino]} | "
        "{ms[executorch]} | {best} | {times:.2f}",
    ),
    "c_cold": Table(
        rows.c_cold,
        "network | processor time to the first logits, ms | most memory, bytes | constants and workspace, bytes",
        "{network} | {ms:.2f} | {peak_bytes:,} | {needed:,}",
    ),
    # docs/pruning.md
    "pruning_host": Machine("pruning/equal/resnet56_v1.akamaster_cifar10", "torch torch-pruning onnxruntime openvino"),
    "pruning_networks": Table(
        rows.pruning_networks,
        "network | pruned | multiply-adds | parameters | top-1 (95 %) | points lost (paired 95 %)",
        "{network} | {way} | {macs} | {params} | {top_1:.2f} | {lost}",
    ),
    "pruning_speed": Table(
        rows.pruning_speed,
        f"network | pruned | fewer multiply-adds | {columns('{0[0]}, batch {0[1]}', PLACES)}",
        f"{{network}} | {{way}} | {{promised:.2f}} | {columns('{{times[{0[0]} {0[1]}]}}', PLACES)}",
    ),
    "pruning_equal": Table(
        rows.pruning_equal,
        f"network | pruned | latency (99 %), {TARGET:g} asked | multiply-adds | parameters | points lost",
        "`{network}` | {way} | {latency:.3f} | {macs:.2f} | {params:.2f} | {lost:+.2f}",
    ),
    "pruning_tried": Table(
        rows.pruning_tried,
        "network | multiply-adds left | latency left (99 %)",
        "{network} | {macs} | {latency}",
    ),
    "pruning_curve": Table(
        rows.pruning_curve,
        "network | where | way | latency asked | times faster (99 %) | top-1 (95 %) | points lost (paired 95 %)",
        "`{parent}` | {place} | {kind} {name} | {asked} | {times:.2f} | {top_1:.2f} | {lost:+.2f}",
    ),
    "pruning_statistics": Table(
        rows.pruning_statistics,
        f"network | removed | {columns('{:g} of the multiply-adds', STATISTICS_AT)}",
        f"`{{network}}` | {{way}} | {columns('{{losses[{:g}]}}', STATISTICS_AT)}",
    ),
    "pruning_steps": Table(
        rows.pruning_steps,
        "step | top-1 (95 %) | points lost (paired 95 %) | "
        f"{columns('ms, batch {0} | times faster (99 %), batch {0}', BATCHES)}",
        f"{{step}} | {{top_1:.2f}} | {{lost}} | {columns('{{ms[b{0}]}} | {{times[b{0}]}}', BATCHES)}",
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
