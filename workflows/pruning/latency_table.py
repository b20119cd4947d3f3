"""How long a network of any plan would take: a table of measured latencies of its parts on one runtime.

The table drives pruning, which asks for many networks; none of them is exported. It is measured once, in minutes, for
a machine, a runtime of some version, threads and a batch size, and kept in the cache.

Its networks are written by the format itself, with random weights and without the proof of parity: nobody reads their
answers, only their time, and a convolution's does not depend on its weights. What is chosen by the table is exported
with proof, and raced against its parent (`verdict`): the last word is never the table's.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...bench.machine import warnings_of
from ...core.documents import read_json, write_json
from ...core.errors import UsageError
from ...core.estimates import median
from ...core.files import cache_dir, explained
from ...core.hosts import describe, versions
from ...core.locks import locked
from ...core.measured import Host, MeasurementWarning, Scenario
from ...core.missing import unavailable_error
from ...core.progress import Progress, silent
from ...core.types import Candidate, ModelSpec, NotNegative, Positive, Preprocess, Record
from ...export.candidates import candidate
from ...export.contract.format import Format, format_named
from ...export.contract.options import ExportOptions
from ...export.contract.runtime import runtimes
from .probes import Group, Kind, Part, anatomy, groups, parts
from .stopwatch import VISIT_S, visits


class Effort(NamedTuple):
    """All networks are visited so often, and sampled for so long at each visit."""

    rounds: int = 7
    visit_s: float = VISIT_S


EFFORT = Effort()


class Point(Record, frozen=True, kw_only=True):
    """What a part takes in the table's scenario; the other fields are those of `probes.Part`."""

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
    """For all networks of this anatomy, on this host, with these versions.

    `warnings` are the reasons to doubt it: what disturbed the machine while it was measured.
    """

    host: Host
    scenario: Scenario
    versions: dict[str, str]
    anatomy: ModelSpec
    points: tuple[Point, ...] = ()
    warnings: tuple[MeasurementWarning, ...] = ()

    def seconds(self, spec: ModelSpec) -> float:
        """What one batch through the network should take."""
        return sum(self._part(part) for part in parts(spec))

    def knows(self, group: Group) -> bool:
        return {probe.part for probe in group.probes} <= {point.part for point in self.points}

    def _part(self, part: Part) -> float:
        """Interpolated over multiply-adds, and over the stream's channels.

        With other channels in the stream, the same unit has proportionally many multiply-adds in all convolutions that
        read or write it. A part smaller than all that were measured is said to take as long as the smallest: little is
        gained there, and nothing promised.
        """
        in_stream = part.macs - part.inner_macs
        curves: dict[int, list[tuple[float, float]]] = {}
        for point in self.points:
            if (point.kind, point.stage) == (part.kind, part.stage):
                # only those of units are a grid
                channels = point.channels if part.kind == "unit" else part.channels
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
    whole: bool = False,
) -> LatencyTable:
    """The table from the cache, measured first where it is not complete.

    whole    it is asked for networks that keep all channels; much less has to be measured

    Raises UnavailableError for a runtime that is not on this machine, UsageError for one that loads too slowly.
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
    empty = LatencyTable(
        host=describe(),
        scenario=scenario,
        versions=versions(("reszoo", *(runtime.packages or (runtime.name,)), *plugin.packages)),
        anatomy=anatomy(spec),
    )
    path = _path(empty)
    with explained(path), locked(path):  # two that measured at once would slow each other down
        known = read_json(path, LatencyTable, f"Delete {path}; it is then measured again.") if path.exists() else empty
        lacking = [group for group in groups(spec, whole) if not known.knows(group)]
        if not lacking:
            return known
        table = _extended(msgspec.structs.replace(known, scenario=scenario), lacking, plugin, progress, effort)
        write_json(path, table)
        return table


def _path(table: LatencyTable) -> Path:
    """Named by all that decides what would be measured."""
    host, scenario = table.host, table.scenario
    decisive = (host.machine, host.cpu, host.cores, host.instruction_sets, table.versions, table.anatomy)
    digest = hashlib.sha256(msgspec.json.encode(decisive, order="deterministic")).hexdigest()[:16]
    runtime = scenario.runtime_name.replace(":", "-")
    return cache_dir() / "latency" / f"{runtime}.{scenario.device}.t{scenario.threads}.b{scenario.batch}.{digest}.json"


def _extended(
    known: LatencyTable, wanted: Sequence[Group], plugin: Format, progress: Progress, effort: Effort
) -> LatencyTable:
    """A group's networks are visited one after the other, there and back, and subtracted visit by visit."""
    networks = [network for group in wanted for network in group.networks]
    there = list(range(len(networks)))
    order = [number for turn in range(effort.rounds) for number in (there[::-1] if turn % 2 else there)]
    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        models = []
        for done, network in enumerate(networks):
            progress("writing parts of the network", done, len(networks))
            with explained(Path(name)):
                models.append(_written(network, plugin, Path(name) / str(done)))
        on_visit = partial(progress, "timing them")
        found = visits(models, order, known.scenario, effort.visit_s, on_visit)
    seconds: list[list[float]] = [[] for _ in networks]
    for number, taken in zip(order, found.seconds, strict=True):
        seconds[number].append(taken)
    points, rest = list(known.points), iter(seconds)
    for group in wanted:
        points += _points(group, list(islice(rest, len(group.networks))))
    seen = warnings_of(known.host, known.scenario, found.conditions)
    newest = {point.part: point for point in points}  # of a part that was in a smaller table too
    return msgspec.structs.replace(known, points=tuple(newest.values()), warnings=(*known.warnings, *seen))


def _points(group: Group, seconds: Sequence[Sequence[float]]) -> Iterator[Point]:
    """From the seconds of each network in each round, the base's first."""
    base, *others = seconds
    added: dict[Part, list[float]] = {}
    for probe, longer in zip(group.probes, others, strict=True):
        added[probe.part] = [(a - b) / probe.times for a, b in zip(longer, base, strict=True)]
    if group.opening:  # what is left of the base without its unit
        own = [added[part] for part in parts(group.base)[1:]]
        added[group.opening] = [whole - sum(units) for whole, *units in zip(base, *own, strict=True)]
    for part, differences in added.items():
        yield Point(**part._asdict(), seconds=max(median(differences), 0.0))


def _written(network: ModelSpec, plugin: Format, folder: Path) -> Candidate:
    from ... import models, zoo

    channels, options = network.input[0], ExportOptions()
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
        lineage=(),
    )
    (folder / "model").mkdir()
    plugin.write(checkpoint, options, folder / "model")
    return candidate(checkpoint, plugin, options, folder / "model")
