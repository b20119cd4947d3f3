"""Tables of latencies and speed checks with chosen outcomes, so that no test has to wait for real ones."""

from collections.abc import Callable

from reszoo.core.hosts import describe
from reszoo.core.measured import Block, Comparison, Scenario, Subject
from reszoo.core.types import ModelSpec
from reszoo.models import latency
from reszoo.workflows.pruning.latency_table import LatencyTable, Point

ROUNDS = 5


def table_of(spec: ModelSpec, scenario: Scenario, seconds: Callable[[latency.Part, int], float]) -> LatencyTable:
    """A table as if each part took `seconds(part, inner channels)`."""
    points = {}
    for probe_set in latency.probe_sets(spec):
        inner = {probe.part: latency.inner_channels(probe.network) for probe in probe_set.probes}
        for part in (*inner, *([probe_set.stem] if probe_set.stem else [])):
            points[part] = Point(**part._asdict(), seconds=seconds(part, inner.get(part, 0)))
    return LatencyTable(
        host=describe(),
        scenario=scenario,
        versions={},
        signature=latency.latency_signature(spec),
        points=tuple(points.values()),
    )


def comparison_of(
    ratio: float, scenario: Scenario, weights_sha256: str = "pruned", spread: float = 1.001
) -> Comparison:
    """One in which the pruned network took `ratio` of its parent's time, in each round by `spread` more or less."""
    subjects = tuple(
        Subject(
            source_ref=sha256,
            weights_sha256=sha256,
            artifact_format="torch",
            artifact_sha256=sha256,
            artifact_bytes=1,
            compressed_bytes=1,
            precision="fp32",
            input_dtype="float32",
            scenario=scenario,
        )
        for sha256 in ("parent", "parent", weights_sha256)
    )
    seconds = [(1.0, 1.0, ratio * spread ** (i - ROUNDS // 2)) for i in range(ROUNDS)]
    rounds = tuple(tuple(Block(contestant=c, samples_s=(s,)) for c, s in enumerate(taken)) for taken in seconds)
    return Comparison(subjects=subjects, host=describe(), started_at="", rounds=rounds, conditions=(), warnings=())
