"""`reszoo prune` after its speed check, whose outcome is given here: refusals, messages, and the files."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from measurements import CONDITIONS, HOST, SUBJECT

from reszoo import zoo
from reszoo.cli.main import end_on_signals
from reszoo.cli.prune import prune
from reszoo.cli.spelling import spelled
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.measured import Block, Comparison, Failure, MeasurementWarning, Scenario
from reszoo.core.types import Checkpoint, ModelSpec, Precision
from reszoo.models.cost import cost_of

REF = "resnet8_v1.reszoo_digits"
QUICK: dict[str, Any] = {"measure": False, "importance": "l2"}
MEASURED: dict[str, Any] = {"importance": "l2", "round_to": "8"}

Check = Callable[..., Comparison | Failure]


def ends(ratio: float, meanwhile: Callable[[], object] = lambda: None) -> Check:
    """A speed check in which every run of the pruned network takes this much of its parent's time."""

    def check(
        pruned: Checkpoint, parent: Checkpoint, scenario: Scenario, *_: Any, precision: Precision, **__: Any
    ) -> Comparison:
        meanwhile()
        samples = enumerate((0.001, 0.001, 0.001 * ratio))
        timed = tuple(Block(contestant=contestant, samples_s=(seconds,) * 3) for contestant, seconds in samples)
        return Comparison(
            subjects=tuple(
                msgspec.structs.replace(SUBJECT, scenario=scenario, precision=precision, weights_sha256=network.sha256)
                for network in (parent, parent, pruned)
            ),
            host=HOST,
            started_at="2026-11-22T13:00:00.000+00:00",
            rounds=(timed,) * 5,
            conditions=(CONDITIONS,) * 5,
            warnings=(MeasurementWarning(kind="steal", detail="others had it"),),
        )

    return check


def fails(*_: Any, **__: Any) -> Failure:
    return Failure(what="small on onnxruntime", reason="it crashed", output="Segmentation fault")


class Table:
    """Of latencies that are as the multiply-adds are."""

    warnings = ()

    def __init__(self, spec: ModelSpec, scenario: Scenario, *_: Any, precision: Precision, **__: Any) -> None:
        self.scenario, self.precision = scenario, precision

    def seconds(self, spec: ModelSpec) -> float:
        return cost_of(spec).macs / 1e9


@pytest.fixture
def set_speed_check(monkeypatch: pytest.MonkeyPatch) -> Callable[[Check], None]:
    """Runs this speed check instead of a real one; no latency is measured."""

    def run(check: Check) -> None:
        monkeypatch.setattr("reszoo.workflows.pruning.speed_check.check_speed", check)
        monkeypatch.setattr("reszoo.workflows.pruning.fitting.check_speed", check)
        monkeypatch.setattr("reszoo.workflows.pruning.latency_table.table_for", Table)

    return run


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "cache")


@pytest.mark.parametrize(
    ("check", "options", "says"),
    [
        (ends(1.1), {"macs": "0.5"}, ("is refused: it is not faster than its", "or keep it all the same with --no-m")),
        (
            ends(1.1),
            {"macs": "0.9", "blocks": True, "round_to": None, "importance": "random"},
            ("leave --blocks away",),
        ),
        (ends(1.1), {"macs": "0.5"}, ("or try --blocks, or --round-to 16, or keep",)),
        (ends(1.1), {"latency": "0.5", "round_to": None}, ("Ask for a smaller share, or try --blocks.",)),
        (ends(1.1), {"macs": "0.9", "round_to": "16"}, ("Ask for a smaller share, or try --blocks, or keep",)),
        (ends(0.6), {"latency": "0.5"}, ("a cost of 0.5 of the network's cannot be reached: the nearest is 0.6\n",)),
        (fails, {"macs": "0.5"}, ("it crashed\nSegmentation fault\nTry another --runtime, or --no-measure.",)),
    ],
)
def test_a_network_that_has_not_passed_does_not_appear(
    check: Check,
    options: dict[str, Any],
    says: tuple[str, ...],
    set_speed_check: Callable[[Check], None],
    tmp_path: Path,
) -> None:
    set_speed_check(check)
    with pytest.raises(ReszooError) as caught:
        prune(REF, **MEASURED | {"out": tmp_path / "made"} | options)
    assert [text for text in says if text not in spelled(str(caught.value))] == []
    assert caught.value.exit_code == 1
    assert files_in(tmp_path) == []


def test_a_network_that_has_passed_comes_with_its_speed_check_and_the_warnings(
    set_speed_check: Callable[[Check], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_speed_check(ends(0.5))
    prune(REF, latency="0.5", out=tmp_path / "made", **MEASURED | {"round_to": None})
    printed = capsys.readouterr()
    assert "multiples of 8, or all" in printed.out
    assert "0.500 (0.500 to 0.500) of its parent's latency on onnxruntime, cpu, 1 threads, batch 1" in printed.out
    assert "! steal: others had it" in printed.err
    assert files_in(tmp_path) == ["made"]
    assert files_in(tmp_path / "made") == ["checkpoint.json", "speed_check.json", "weights.safetensors"]
    prune(REF, macs="0.5", out=tmp_path / "again", json=True, **MEASURED)
    latency = json.loads(capsys.readouterr().out)["speed_check"]
    assert (round(latency["value"], 6), latency["warnings"][0]["kind"]) == (0.5, "steal")


def test_what_comes_in_between_is_not_replaced(set_speed_check: Callable[[Check], None], tmp_path: Path) -> None:
    theirs = tmp_path / "made"

    def make_it() -> None:
        theirs.mkdir()
        (theirs / "notes.txt").touch()

    set_speed_check(ends(0.5, meanwhile=make_it))
    with pytest.raises(UsageError, match="made is there already"):
        prune(REF, macs="0.5", out=theirs, **MEASURED)
    assert files_in(tmp_path) == ["made"]
    assert files_in(theirs) == ["notes.txt"]


def test_sigterm_in_a_speed_check_leaves_nothing(set_speed_check: Callable[[Check], None], tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    end_on_signals()
    set_speed_check(ends(0.5, meanwhile=lambda: signal.raise_signal(signal.SIGTERM)))
    try:
        with pytest.raises(SystemExit) as caught:
            prune(REF, macs="0.5", out=tmp_path / "made", **MEASURED)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.code == 143
    assert files_in(tmp_path) == []


def test_resuming_checks_the_speed_of_the_network_that_is_there(
    set_speed_check: Callable[[Check], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, pruned = tmp_path / "made", tmp_path / "made.pruned"
    prune(REF, macs="0.5", out=pruned, **QUICK)  # as a run with --no-measure leaves it that was stopped in its training
    weights = (pruned / "weights.safetensors").stat().st_mtime_ns
    more = {"macs": "0.5", "out": out, "finetune": "digits", "set_": ["epochs=1", "train_on=train"], "resume": True}
    set_speed_check(ends(1.1))
    with pytest.raises(ReszooError, match="is refused"):
        prune(REF, **MEASURED | more)
    assert files_in(pruned) == ["checkpoint.json", "weights.safetensors"]
    set_speed_check(ends(0.5))
    (tmp_path / "made.unfinished").mkdir()
    prune(REF, **MEASURED | more)
    assert (pruned / "speed_check.json").exists()
    assert (pruned / "weights.safetensors").stat().st_mtime_ns == weights
    (row,) = [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]
    assert f"val accuracy after fine-tuning: {row['val_accuracy']:.4f} on 143 images" in capsys.readouterr().out
    shutil.rmtree(out)
    with pytest.raises(UsageError, match="was started with other options"):
        prune(REF, **MEASURED | more | {"batch": 32})


def test_latency_can_be_that_of_int8(
    set_speed_check: Callable[[Check], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The speed check is told, its record and the provenance say so, and a run in another precision is another one."""
    set_speed_check(ends(0.5))
    out = {"latency": "0.5", "round_to": None, "runtime": "litert", "out": tmp_path / "made"}
    prune(REF, **MEASURED | out | {"precision": "int8", "mixed": True, "json": True})
    record = json.loads(capsys.readouterr().out)
    assert record["speed_check"]["precision"] == "int8"
    config = zoo.read(tmp_path / "made").provenance[-1].config
    assert config["latency, litert, cpu, 1 threads, batch 1, int8"].startswith(
        "at most 0.5 of the parent's, measured 0.5"
    )
    assert (config["remove"], config["round_to"], config["statistics"]) == ("mixed", "8", "renewed")
    assert "ranking" not in config
    (tmp_path / "made").rename(tmp_path / "again.pruned")  # as a run leaves it that was stopped in its training
    again = out | {"out": tmp_path / "again", "finetune": "digits", "set_": ["epochs=1"], "resume": True}
    for change in ({"precision": "fp32"}, {"mixed": False}, {"statistics": "kept"}):
        with pytest.raises(UsageError, match="was started with other options"):
            prune(REF, **MEASURED | again | {"precision": "int8", "mixed": True} | change)
    prune(REF, **MEASURED | again | {"precision": "int8", "mixed": True})
    assert "0.500 (0.500 to 0.500) of its parent's latency on litert, cpu, 1 threads, batch 1, int8" in (
        capsys.readouterr().out
    )


def test_a_refusal_names_the_precision_and_what_else_there_is(
    set_speed_check: Callable[[Check], None], tmp_path: Path
) -> None:
    set_speed_check(ends(1.1))
    with pytest.raises(ReszooError, match=r"on onnxruntime, cpu, 1 threads, batch 1, int8: (?s:.*)leave `mixed` away"):
        prune(REF, macs="0.5", mixed=True, precision="int8", out=tmp_path / "made", **MEASURED)
    assert files_in(tmp_path) == []


def test_what_earlier_versions_have_pruned_can_be_resumed(
    set_speed_check: Callable[[Check], None], tmp_path: Path
) -> None:
    """Their provenance says nothing of statistics."""
    out, pruned = tmp_path / "made", tmp_path / "made.pruned"
    prune(REF, macs="0.5", out=pruned, **QUICK)
    document = json.loads((pruned / "checkpoint.json").read_text())
    assert document["provenance"][-1]["config"].pop("statistics") == "kept"
    (pruned / "checkpoint.json").write_text(json.dumps(document))
    prune(REF, macs="0.5", out=out, finetune="digits", set_=["epochs=1"], resume=True, **QUICK)
    assert "statistics" not in zoo.read(out).provenance[-2].config


def test_what_the_last_speed_check_has_measured_can_be_asked_for(
    set_speed_check: Callable[[Check], None], tmp_path: Path
) -> None:
    ratios = iter((0.6, 0.49, 0.555))  # too slow; good; and then the good one once more
    set_speed_check(lambda *given, **named: ends(next(ratios))(*given, **named))
    with pytest.raises(
        ReszooError, match=r"is refused: it misses 0\.5 of .*\nAsk for `latency=0\.56`, or try `blocks=True`\."
    ):
        prune(REF, latency="0.5", out=tmp_path / "made", **MEASURED)
    assert files_in(tmp_path) == []
