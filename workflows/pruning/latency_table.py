"""How long a network of any plan would take: a table of measured latencies of its parts on one runtime.

The table drives pruning, which asks for many networks; none of them is exported. It is measured once, in minutes, for
a machine, a runtime of some version, threads, a batch size and a precision, and kept in the cache.

Its networks are written by the format itself, with random weights and without the proof of parity, in int8 with the
ranges of noise: nobody reads their outputs, only their time, and a convolution's does not depend on its weights. What
is chosen by the table is exported, and compared with its parent (`speed_check`): the last word is never the table's.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec

from ...bench.machine import warnings_of
from ...bench.timer import VISIT_S, visits
from ...core.documents import read_json, write_json
from ...core.errors import UsageError
from ...core.estimates import median
from ...core.files import cache_dir, explained
from ...core.hosts import describe, versions
from ...core.locks import locked
from ...core.measured import Host, MeasurementWarning, Scenario
from ...core.missing import unavailable_error
from ...core.progress import Progress, silent
from ...core.refs import inside
from ...core.schemas import Schema, unchanged
from ...core.types import Candidate, ModelSpec, NotNegative, Positive, Precision, Preprocess, Record
from ...export.candidates import candidate
from ...export.contract.format import Format, format_named
from ...export.contract.options import ExportOptions
from ...export.contract.runtime import runtimes
from ...export.exporting import checked
from ...export.quantizing import write_untrained
from ...models.latency import Kind, Part, ProbeSet
from ...models.pruning import latency_signature, parts, probe_sets
from ...quantize.contract import scheme_named
from . import older


class Effort(NamedTuple):
    """All networks are visited so often, and sampled for so long at each visit."""

    rounds: int = 7
    visit_s: float = VISIT_S


EFFORT = Effort()


class Point(Record, frozen=True, kw_only=True):
    """What a part takes in the table's scenario; the other fields are those of `models.latency.Part`."""

    kind: Kind
    stage: NotNegative
    channels: Positive
    macs: Positive
    inner_macs: NotNegative
    seconds: float

    @property
    def part(self) -> Part:
        return Part(self.kind, self.stage, self.channels, self.macs, self.inner_macs)


class LatencyTable(Record, frozen=True, kw_only=True):
    """For all networks of this latency signature in this precision, on this host, with these versions.

    `warnings` are the reasons to doubt it: what disturbed the machine while it was measured.
    """

    schema: ClassVar[Schema] = Schema(
        readers={1: older.table_from_schema_1, 2: older.table_from_schema_2, 3: unchanged}
    )

    host: Host
    scenario: Scenario
    precision: Precision = "fp32"
    versions: dict[str, str]
    signature: ModelSpec
    points: tuple[Point, ...] = ()
    warnings: tuple[MeasurementWarning, ...] = ()

    def seconds(self, spec: ModelSpec) -> float:
        """What one batch through the network should take."""
        return sum(self._part(part) for part in parts(spec))

    def knows(self, probe_set: ProbeSet) -> bool:
        return {probe.part for probe in probe_set.probes} <= {point.part for point in self.points}

    def _part(self, part: Part) -> float:
        """Interpolated over multiply-adds, and over the stream's channels.

        With other channels in the stream, the same block has proportionally many multiply-adds in all convolutions that
        read or write it. A part smaller than all that were measured is taken to be as slow as the smallest: little is
        gained there, and nothing promised.
        """
        in_stream = part.macs - part.inner_macs
        curves: dict[int, list[tuple[float, float]]] = {}
        for point in self.points:
            if (point.kind, point.stage) == (part.kind, part.stage):
                # only those of blocks are a grid
                channels = point.channels if part.kind == "block" else part.channels
                curves.setdefault(channels, []).append((point.macs, point.seconds))
        streams = [
            (channels, _interpolated(part.inner_macs + in_stream * channels / part.channels, curve))
            for channels, curve in curves.items()
        ]
        return _interpolated(part.channels, streams)


def _interpolated(x: float, known: Sequence[tuple[float, float]]) -> float:
    """On straight lines through the known (x, y), and level outside of them."""
    import numpy as np

    xs, ys = np.array(sorted(known)).T
    return float(np.interp(x, xs, ys))


def table_for(
    spec: ModelSpec,
    scenario: Scenario,
    progress: Progress = silent,
    effort: Effort = EFFORT,
    full_width: bool = False,
    precision: Precision = "fp32",
) -> LatencyTable:
    """The table from the cache, measured first where it is not complete.

    full_width  only for networks that keep all channels: much less has to be measured

    Raises UnavailableError for a runtime that is not on this machine, or a precision that its format does not have, and
    UsageError for a runtime that loads too slowly.
    """
    runtime = runtimes()[scenario.runtime]
    if missing := runtime.unavailable(scenario.device, scenario.variant):
        raise unavailable_error(missing)
    if scenario.variant in runtime.slow_variants:
        raise UsageError(
            f"{scenario.runtime_name} takes minutes to load a network, and a table of latencies times hundreds",
            "Prune by `macs`, or choose another `runtime`.",
        )
    plugin = format_named(runtime.formats[0])
    options = checked(ExportOptions(precision=precision), plugin)
    scheme = scheme_named(options.quantize.scheme).packages if options.quantize else ()
    empty = LatencyTable(
        host=describe(),
        scenario=scenario,
        precision=precision,
        versions=versions(("reszoo", *(runtime.packages or (runtime.name,)), *plugin.packages, *scheme)),
        signature=latency_signature(spec),
    )
    path = _path(empty)
    with explained(path), locked(path):  # two that measured at once would slow each other down
        known = read_json(path, LatencyTable, f"Delete {path}; it is then measured again.") if path.exists() else empty
        missing_sets = [probe_set for probe_set in probe_sets(spec, full_width) if not known.knows(probe_set)]
        if not missing_sets:
            return known
        table = _extended(msgspec.structs.replace(known, scenario=scenario), missing_sets, plugin, progress, effort)
        write_json(path, table)
        return table


def _path(table: LatencyTable) -> Path:
    """Named by all that decides what would be measured."""
    host, scenario = table.host, table.scenario
    decisive = (
        host.machine,
        host.cpu,
        host.cores,
        host.instruction_sets,
        table.versions,
        older.hashed(table.signature),
    )
    digest = hashlib.sha256(msgspec.json.encode(decisive, order="deterministic")).hexdigest()[:16]
    runtime = scenario.runtime_name.replace(":", "-")
    precision = "" if table.precision == "fp32" else f".{table.precision}"
    name = f"{runtime}.{scenario.device}.t{scenario.threads}.b{scenario.batch}{precision}.{digest}.json"
    return inside(cache_dir() / "latency", name)


def _extended(
    known: LatencyTable, wanted: Sequence[ProbeSet], plugin: Format, progress: Progress, effort: Effort
) -> LatencyTable:
    """The networks of a set are visited one after the other, forwards and backwards, and subtracted visit by visit."""
    networks = [network for probe_set in wanted for network in probe_set.networks]
    forwards = list(range(len(networks)))
    order = [number for turn in range(effort.rounds) for number in (forwards[::-1] if turn % 2 else forwards)]
    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        models = []
        for done, network in enumerate(networks):
            progress("writing parts of the network", done, len(networks))
            with explained(Path(name)):
                models.append(_written(network, plugin, Path(name) / str(done), known.precision))
        on_visit = partial(progress, "timing them")
        timed = visits(models, order, known.scenario, effort.visit_s, on_visit)
    seconds: list[list[float]] = [[] for _ in networks]
    for number, taken in zip(order, timed.seconds, strict=True):
        seconds[number].append(taken)
    points, rest = list(known.points), iter(seconds)
    for probe_set in wanted:
        points += _points(probe_set, list(islice(rest, len(probe_set.networks))))
    seen = warnings_of(known.host, known.scenario, timed.conditions)
    newest = {point.part: point for point in points}  # of a part that was in a smaller table too
    return msgspec.structs.replace(known, points=tuple(newest.values()), warnings=(*known.warnings, *seen))


def _points(probe_set: ProbeSet, seconds: Sequence[Sequence[float]]) -> Iterator[Point]:
    """From the seconds of each network in each round, the base's first."""
    base, *others = seconds
    added: dict[Part, list[float]] = {}
    for probe, longer in zip(probe_set.probes, others, strict=True):
        added[probe.part] = [(a - b) / probe.times for a, b in zip(longer, base, strict=True)]
    if probe_set.stem:  # the base without its block
        own = [added[part] for part in parts(probe_set.base)[1:]]
        added[probe_set.stem] = [total - sum(blocks) for total, *blocks in zip(base, *own, strict=True)]
    for part, differences in added.items():
        yield Point(**part._asdict(), seconds=max(median(differences), 0.0))


def _written(network: ModelSpec, plugin: Format, folder: Path, precision: Precision = "fp32") -> Candidate:
    from ... import models, zoo

    channels, options = network.input[0], checked(ExportOptions(precision=precision), plugin)
    checkpoint = zoo.save(
        folder / "checkpoint",
        models.build(network).state_dict(),
        ref="part",
        spec=network,
        preprocess=Preprocess(mean=(0.0,) * channels, std=(1.0,) * channels, input=network.input),
        labels=tuple(map(str, range(network.num_classes))),
        dataset="noise",
        metrics=(),
        licence="",
        provenance=(),
    )
    (folder / "model").mkdir()
    if options.quantize:
        return write_untrained(checkpoint, plugin, options, folder / "model")
    plugin.write(checkpoint, options, folder / "model")
    return candidate(checkpoint, plugin, options, folder / "model")
