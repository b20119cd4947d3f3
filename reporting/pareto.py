"""The Pareto front: the rows that no comparable row beats in accuracy without costing more.

Rows are comparable if they answer one question in one way: the same machine, reached and measured alike, data set,
batch and state of the caches. Threads, streams, runtime, format and model are what one chooses between. The estimates
are compared, not their intervals.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import get_args

import msgspec

from ..core.measured import Host
from .rows import Axis, Estimate, Row

AXES: tuple[Axis, ...] = get_args(Axis)
MEASURES: dict[Axis, Callable[[Row], Estimate | None]] = {
    "latency": lambda row: row.latency_s,
    "throughput": lambda row: row.images_per_s,
    "size": lambda row: _exact(row.artifact_bytes),
    "memory": lambda row: _exact(row.memory_bytes.taken),
}


def marked(rows: Sequence[Row], hosts: Sequence[Host]) -> list[Row]:
    """The same rows, with the axes on whose front they are."""
    groups = [group(row, hosts) for row in rows]
    result = []
    for row, own in zip(rows, groups, strict=True):
        rivals = [other for other, its in zip(rows, groups, strict=True) if its == own]
        on = tuple(axis for axis in AXES if own is not None and _is_on_front(row, rivals, axis))
        result.append(msgspec.structs.replace(row, pareto=on))
    return result


def group(row: Row, hosts: Sequence[Host]) -> Hashable:
    """Rows with equal ones are comparable; None without an accuracy."""
    if row.accuracy is None:
        return None
    host = hosts[row.host]
    machine = (host.machine, host.cpu, host.cores, host.gpu, row.target, row.way)
    return machine, row.accuracy.where, row.batch, row.cold_cache


def _is_on_front(row: Row, rivals: Sequence[Row], axis: Axis) -> bool:
    own = _place(row, axis)
    if own is None:
        return False
    places = [place for rival in rivals if (place := _place(rival, axis))]
    return not any(place != own and place[0] <= own[0] and place[1] >= own[1] for place in places)


def _place(row: Row, axis: Axis) -> tuple[float, float] | None:
    """(cost, accuracy)."""
    measured = MEASURES[axis](row)
    if measured is None or row.accuracy is None:
        return None
    return -measured.value if axis == "throughput" else measured.value, row.accuracy.value


def _exact(value: float) -> Estimate:
    return Estimate(value=value, low=None, high=None)
