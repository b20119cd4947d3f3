"""The table of latencies: what it adds up, and that it is measured once."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import onnx
import pytest
from processes import children, told
from speed_checks import table_of

from reszoo.bench.timer import visits
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.measured import MeasurementWarning
from reszoo.core.types import Candidate, ChannelPlan, ModelSpec
from reszoo.export.contract.format import format_named
from reszoo.models import latency, spec_of
from reszoo.models.cost import cost_of
from reszoo.prune.depth import without
from reszoo.workflows.pruning import latency_table
from reszoo.workflows.pruning.latency_table import Effort, LatencyTable, table_for
from reszoo.workflows.pruning.speed_check import scenario_for

SCENARIO = scenario_for("torch", threads=1, batch=16)
WARNING = MeasurementWarning(kind="steal", detail="the hypervisor took 9 % of a core away")
BRIEF = Effort(rounds=2, visit_s=0.01)
SMALL = msgspec.structs.replace(
    spec_of("resnet20_v1"), depths=(2, 2), widths=(8, 16), stem_width=8, input=(3, 16, 16), num_classes=4
)


def known(spec: ModelSpec, seconds: Callable[[latency.Part, int], float]) -> LatencyTable:
    return table_of(spec, SCENARIO, seconds)


BASIC = ("resnet20_v1", "resnet20_v2", "resnet20_plain", "wide_resnet16_2_v2", "resnet18_v1")
BOTTLENECKS = ("resnet50_v1", "resnet164_v2", "wide_resnet50_2_v1")


@pytest.mark.parametrize("arch", [*BASIC, *BOTTLENECKS])
def test_the_parts_are_all_of_the_network(arch: str) -> None:
    spec = spec_of(arch)
    head = cost_of(spec).layers[-1]
    assert sum(part.macs for part in latency.parts(spec)) == cost_of(spec).macs - head.macs


def first(**counts: int) -> ChannelPlan:
    """The first so many channels of each channel group, with _ for the dots of its name."""
    return ChannelPlan(channels={name.replace("_", "."): tuple(range(count)) for name, count in counts.items()})


@pytest.mark.parametrize("arch", ["resnet56_v1", "resnet29_v2", "resnet20_plain"])
def test_latencies_that_follow_the_macs_add_up(arch: str) -> None:
    spec = spec_of(arch)
    table = known(spec, lambda part, inner: 1e-9 * part.macs)
    assert table.seconds(spec) == pytest.approx(1e-9 * sum(part.macs for part in latency.parts(spec)))


@pytest.mark.parametrize(
    ("arch", "plan"),
    [
        ("resnet56_v1", first(stages_2_1_convs_0=24)),
        ("resnet56_v1", first(stages_2=52, stages_2_1_convs_0=40)),  # a stream between the counts that were measured
        ("resnet29_v2", first(stages_2=200, stages_2_1_convs_0=40)),  # the 3x3 does not care for the stream
        ("resnet29_v2", first(stages_2=200, stages_2_1_convs_0=40, stages_2_1_convs_1=50)),
    ],
)
def test_a_block_of_any_plan_takes_what_its_macs_take(arch: str, plan: ChannelPlan) -> None:
    spec = spec_of(arch)
    table = known(spec, lambda part, inner: 1e-9 * part.macs)
    longer = msgspec.structs.replace(spec, plan=plan)
    shorter = without(longer, "stages.2.1")
    macs = sum(part.macs for part in latency.parts(longer)) - sum(part.macs for part in latency.parts(shorter))
    assert table.seconds(longer) - table.seconds(shorter) == pytest.approx(1e-9 * macs)


@pytest.mark.parametrize(
    "suffix",
    [
        "+order=norm-conv+families=v2,v1,v1",
        "+order=act-norm-conv+families=v1,v2,plain",
        "+skip=gate+gate_bias=-6+families=v1,plain,v2",
        "+skip=scale+families=plain,plain,v1",
    ],
)
def test_a_part_of_a_network_of_several_families_is_measured_in_networks_of_its_own(suffix: str) -> None:
    """What one stage alone has, such as an order of v2 blocks, does not stand in the way of the others."""
    spec = spec_of(f"resnet20_v2{suffix}")
    table = known(spec, lambda part, inner: 1e-9 * part.macs)
    assert table.seconds(spec) == pytest.approx(1e-9 * sum(part.macs for part in latency.parts(spec)))


def test_a_part_that_is_smaller_than_all_known_ones_is_promised_nothing() -> None:
    spec = spec_of("resnet20_v1")
    table = known(spec, lambda part, inner: 1e-9 * part.macs)
    one, least = (
        msgspec.structs.replace(spec, plan=ChannelPlan(channels={"stages.2.1.convs.0": tuple(range(n))}))
        for n in (1, 16)
    )
    assert table.seconds(one) == table.seconds(least)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LatencyTable]:
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESZOO_CACHE", str(folder))
        patch.setattr(latency_table, "warnings_of", lambda host, scenario, conditions: (WARNING,))
        return folder, table_for(SMALL, SCENARIO, effort=BRIEF)


@pytest.mark.alone
def test_it_predicts_a_network_that_it_has_not_seen(measured: tuple[Path, LatencyTable], tmp_path: Path) -> None:
    _, table = measured
    deep = msgspec.structs.replace(SMALL, depths=(5, 4))
    networks = [deep, msgspec.structs.replace(deep, plan=ChannelPlan(blocks={"stages.0": (0,), "stages.1": (0,)}))]
    models = [
        latency_table._written(network, format_named("torch"), tmp_path / str(i)) for i, network in enumerate(networks)
    ]
    taken, conditions = visits(models, [0, 1] * 3, SCENARIO, 0.02)
    assert conditions.seconds > 0.1
    for i, network in enumerate(networks):
        seconds = sorted(taken[i::2])[1]
        assert 0.5 < table.seconds(network) / seconds < 2  # other tests run meanwhile
    assert table.seconds(networks[1]) < 0.7 * table.seconds(networks[0])


@pytest.mark.alone
def test_it_is_measured_once(measured: tuple[Path, LatencyTable], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, table = measured
    monkeypatch.setenv("RESZOO_CACHE", str(folder))
    seen: list[str] = []
    watch = lambda what, done, total: seen.append(what)  # noqa: E731
    deeper = msgspec.structs.replace(SMALL, depths=(9, 9))
    assert table_for(deeper, SCENARIO, watch) == table
    assert not seen
    assert table.warnings == (WARNING,)  # it stays there when it comes from the cache
    (document,) = (folder / "latency").iterdir()
    document.write_text(document.read_text().replace('"points"', '"pints"'))
    with pytest.raises(ReszooError, match=r"pints.*\nDelete .*measured again"):
        table_for(SMALL, SCENARIO)


def test_a_model_that_cannot_be_timed_says_why(tmp_path: Path) -> None:
    model: Candidate = latency_table._written(SMALL, format_named("torch"), tmp_path / "x")
    (model.path / "weights.safetensors").unlink()
    failed = "timing networks on torch, cpu, 1 threads, batch 16 failed: the process that times them"
    with pytest.raises(ReszooError, match=rf"{failed} ended with exit code 1\n(.*\n)*.*weights.safetensors"):
        visits([model], [0], SCENARIO)
    with pytest.raises(ReszooError, match=rf"{failed} did not answer within 0\.01 s"):
        visits([model], [0], SCENARIO, patience_s=0.01)


def test_a_killed_timer_is_told_from_a_slow_one(tmp_path: Path) -> None:
    model = latency_table._written(SMALL, format_named("torch"), tmp_path / "x")

    def kill(done: int, total: int | None) -> None:
        for pid in children(os.getpid()):
            if "bench.timer" in told(pid, "cmdline"):
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(ReszooError, match=r"was killed by SIGKILL: .*memory runs out\n(.*\n)*.*fewer images at a time"):
        visits([model], [0] * 1000, SCENARIO, count=kill)


def test_a_runtime_that_is_not_known_or_not_here() -> None:
    with pytest.raises(UsageError, match="unknown runtime 'onnxruntine'\nDid you mean onnxruntime"):
        scenario_for("onnxruntine", 1, 1)
    with pytest.raises((UsageError, UnavailableError), match="cuda_graph on cpu is not available here"):
        scenario_for("torch:cuda_graph", 1, 1)


@pytest.mark.parametrize("full_width", [True, False])
def test_what_takes_minutes_to_load_gets_no_table(full_width: bool) -> None:
    compiled = msgspec.structs.replace(SCENARIO, variant="compile")
    with pytest.raises((UsageError, UnavailableError), match="torch:compile"):
        table_for(SMALL, compiled, full_width=full_width)


def test_a_network_of_a_table_is_quantized_without_images(tmp_path: Path) -> None:
    written = latency_table._written(SMALL, format_named("onnx"), tmp_path / "int8", "int8")
    assert written.precision == "int8"
    operators = [node.op_type for node in onnx.load(written.path / "model.onnx").graph.node]
    assert operators.count("QuantizeLinear") > operators.count("Conv") > 0


@pytest.mark.long
@pytest.mark.alone
def test_a_table_of_int8_is_another_one(cache: Path) -> None:
    scenario = scenario_for("onnxruntime", 1, 16, "int8")
    fp32, int8 = (
        table_for(SMALL, scenario, effort=BRIEF, full_width=True, precision=precision) for precision in ("fp32", "int8")
    )
    assert (fp32.precision, int8.precision) == ("fp32", "int8")
    assert int8.seconds(SMALL) > 0
    names = [path.name for path in (cache / "latency").iterdir()]
    assert [name.startswith("onnxruntime.cpu.t1.b16.int8.") for name in sorted(names)].count(True) == 1
    assert len(names) == 2
    seen: list[str] = []
    watch = lambda what, done, total: seen.append(what)  # noqa: E731
    assert table_for(SMALL, scenario, watch, full_width=True, precision="int8") == int8
    assert not seen


@pytest.mark.long
def test_a_table_for_removing_blocks_is_small_and_can_be_completed(measured: tuple[Path, LatencyTable]) -> None:
    """In a cache of its own."""
    deep = spec_of("resnet56_v1")
    few, many = (sum(len(one.networks) for one in latency.probe_sets(deep, full_width)) for full_width in (True, False))
    assert (few, many) == (8, 55)
    small = table_for(SMALL, SCENARIO, effort=BRIEF, full_width=True)
    shorter = msgspec.structs.replace(SMALL, plan=ChannelPlan(blocks={"stages.0": (0,)}))
    assert {part for spec in (SMALL, shorter) for part in latency.parts(spec)} <= {point.part for point in small.points}
    complete = table_for(SMALL, SCENARIO, effort=BRIEF)
    assert sorted(point.part for point in complete.points) == sorted(point.part for point in measured[1].points)
