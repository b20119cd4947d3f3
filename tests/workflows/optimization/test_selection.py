"""What is chosen, and what is said: the selector, with latencies and accuracies that are known."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from recorded import REF, Recorded, Truth, configuration, plan

from reszoo.workflows.optimization import records
from reszoo.workflows.optimization.known import Known
from reszoo.workflows.optimization.log import Log
from reszoo.workflows.optimization.optimize import search
from reszoo.workflows.optimization.outcome import outcome
from reszoo.workflows.optimization.records import Configuration, Happened, Judged, Plan, Round, Trained, Verdict
from reszoo.workflows.optimization.selection import Action, Screen, Train

MS, MB = 1e-3, 1_000_000


class InMemory(Log):
    """Of events that nobody needs afterwards."""

    def __init__(self) -> None:
        self.events: list[Happened] = []

    def add(self, event: Happened) -> None:
        self.events.append(event)


def run(its_plan: Plan, source: Recorded) -> tuple[Verdict, list[Happened]]:
    log = InMemory()
    verdict = search(its_plan, source, log)
    outcome(its_plan, log.events, verdict)  # whatever the answer is, it can be told
    return verdict, log.events


def field(*names: str, **changes: object) -> list[Configuration]:
    return [configuration(name, **changes) for name in names]


def truths(configurations: list[Configuration], *its: Truth) -> dict[str, Truth]:
    return {c.key: truth for c, truth in zip(configurations, its, strict=True)}


FIELD = field("onnx fp32", "onnx int8", "litert fp32", "litert int8", "ncnn fp32")
KEYS = [c.key for c in FIELD]
TABLE = truths(FIELD, *(Truth(ms * MS) for ms in (1.0, 0.5, 0.9, 0.3, 1.2)))


def test_the_fastest_is_chosen_and_only_it_is_judged() -> None:
    verdict, events = run(plan(FIELD, max_drop=0.005), Recorded(TABLE))
    assert (verdict.outcome, verdict.choice) == ("met", KEYS[3])
    assert {event.subject for event in events if isinstance(event, Judged)} == {FIELD[3].subject}


def test_who_loses_too_much_leaves_and_who_lost_to_it_alone_is_back() -> None:
    table = TABLE | {KEYS[3]: Truth(0.3 * MS, drop=0.05)}
    verdict, events = run(plan(FIELD, max_drop=0.005), Recorded(table))
    assert (verdict.outcome, verdict.choice) == ("met", KEYS[1])
    repaired = [event for event in events if getattr(event, "kind", "") == "failed"]
    assert [event.what for event in repaired] == [f"{REF}/litert int8 +float"]  # which the table does not have


def test_int8_with_layers_in_float_is_tried_where_int8_alone_loses_too_much() -> None:
    kept = configuration("litert int8", kept=True)
    table = TABLE | {KEYS[3]: Truth(0.3 * MS, drop=0.05), kept.key: Truth(0.35 * MS, drop=0.001)}
    verdict, _ = run(plan(FIELD, max_drop=0.005), Recorded(table))
    assert verdict.choice == kept.key


def test_without_a_limit_of_accuracy_none_is_measured_and_only_the_exact_take_part() -> None:
    exact = [c for c in FIELD if c.is_exact]
    verdict, events = run(plan(exact, has_test=False), Recorded(TABLE))
    assert verdict.choice == KEYS[2]
    assert not any(isinstance(event, Judged) for event in events)


@pytest.mark.parametrize(("latency", "said"), [(0.31 * MS, "met"), (0.28 * MS, "not reachable")])
def test_a_latency_limit_is_met_or_cannot_be(latency: float, said: str) -> None:
    verdict, _ = run(plan(FIELD, max_drop=0.005, latency=latency), Recorded(TABLE))
    assert verdict.outcome == said
    if said != "met":
        assert verdict.nearest == KEYS[3]
        assert "at most 0.28 ms allowed" in verdict.reason
        enough = float(verdict.gives[0].partition("`latency=")[2].partition("ms")[0])
        assert 0.3 < enough < 0.33
        assert run(plan(FIELD, max_drop=0.005, latency=enough * MS), Recorded(TABLE))[0].outcome == "met"


def test_a_latency_that_is_the_limit_cannot_be_told() -> None:
    verdict, _ = run(plan(FIELD, max_drop=0.005, latency=0.3 * MS), Recorded(TABLE, seed=3))
    assert verdict.outcome == "cannot tell"
    assert "rounds would decide" in verdict.gives[0]


def test_a_throughput_is_a_latency() -> None:
    fast = plan(FIELD, max_drop=0.005, throughput=3000.0, objective="throughput")
    slow = plan(FIELD, max_drop=0.005, throughput=4000.0, objective="throughput")
    assert run(fast, Recorded(TABLE))[0].outcome == "met"
    assert run(slow, Recorded(TABLE))[0].outcome == "not reachable"


def test_a_drop_that_is_the_limit_cannot_be_told_and_it_says_how_many_images_would_do() -> None:
    its = field("litert int8")
    table = truths(its, Truth(0.3 * MS, drop=0.005))
    verdict, _ = run(plan(its, max_drop=0.0052), Recorded(table, disagreeing=0.03, seed=1))
    assert verdict.outcome == "cannot tell"
    assert "images would decide" in verdict.gives[0]


def test_what_val_allows_and_test_does_not_is_not_chosen() -> None:
    class Contradicting(Recorded):
        def _differing(self, c: Configuration, n: int, draw: random.Random) -> tuple[int, int]:
            return (300, 10) if n == 10_000 else super()._differing(c, n, draw)

    verdict, _ = run(plan(FIELD, max_drop=0.005), Contradicting(TABLE))
    assert (verdict.outcome, verdict.choice) == ("cannot tell", None)
    assert "test that it does not" in verdict.reason


@pytest.mark.parametrize(("objective", "choice"), [("size", 1), ("memory", 2)])
def test_another_objective(objective: str, choice: int) -> None:
    sizes = [
        Truth(1.0 * MS, 0, 4_000_000, 60_000_000),
        Truth(0.5 * MS, 0, 900_000, 50_000_000),
        Truth(0.9 * MS, 0, 3_900_000, 9_000_000),
        Truth(0.3 * MS, 0, 1_000_000, 10_000_000),
        Truth(1.2 * MS, 0, 3_800_000, 8_000_000),
    ]
    asked = plan(FIELD, max_drop=0.005, objective=objective, latency=1.1 * MS)
    verdict, _ = run(asked, Recorded(truths(FIELD, *sizes)))
    assert verdict.choice == KEYS[choice]


def test_what_is_too_large_or_takes_too_much_memory_is_never_run_for_long() -> None:
    table = TABLE | {KEYS[3]: Truth(0.3 * MS, size_bytes=2_000_000), KEYS[1]: Truth(0.5 * MS, memory_bytes=10**9)}
    verdict, events = run(plan(FIELD, max_drop=0.005, size=1_500_000, memory=10**8), Recorded(table))
    assert verdict.choice == KEYS[2]
    assert all(not {KEYS[1], KEYS[3]} & set(event.logs) for event in events if isinstance(event, Round))


def test_an_impossible_size_says_what_is_the_smallest() -> None:
    verdict, _ = run(plan(FIELD, max_drop=0.005, size=10), Recorded(TABLE))
    assert (verdict.outcome, verdict.choice) == ("not reachable", None)
    assert "`size=1000000`" in verdict.gives[0]


def test_accuracy_first_takes_the_best_network_that_is_fast_enough() -> None:
    small, large = (field("onnx fp32", "litert int8", network=f"resnet{n}_v1.x_cifar10") for n in (20, 56))
    both = [*small, *large]
    table = truths(both, Truth(1 * MS), Truth(0.3 * MS, 0.001), Truth(3 * MS), Truth(0.8 * MS, 0.001))
    for latency, choice in ((5 * MS, large[0]), (1.5 * MS, large[1]), (0.5 * MS, small[1])):
        verdict, events = run(plan(both, latency=latency, objective="accuracy"), Recorded(table))
        assert (verdict.outcome, verdict.choice) == ("met", choice.key)
        assert [event.key for event in events if isinstance(event, records.Tested)] == [choice.key]
    verdict, _ = run(plan(both, latency=0.1 * MS, objective="accuracy"), Recorded(table))
    assert verdict.outcome == "not reachable"


def pruned() -> tuple[list[Configuration], dict[str, Truth]]:
    shares = (0.35, 0.5, 0.7)
    several = [configuration("litert fp32"), configuration("litert int8")]
    table = truths(several, Truth(1 * MS), Truth(0.5 * MS, 0.0005))
    for share, drop in zip(shares, (0.03, 0.002, 0.001), strict=True):
        for name, ms in (("litert fp32", 1.0), ("litert int8", 0.5)):
            c = configuration(name, plan=f"channels {share:g}")
            several.append(c)
            table[c.key] = Truth(share * ms * MS, drop)
    return several, table


def test_pruned_networks_race_before_they_are_trained_and_each_training_rules_out_others() -> None:
    several, table = pruned()
    verdict, events = run(plan(several, max_drop=0.01, finetune="prune-finetune"), Recorded(table))
    assert verdict.choice == configuration("litert int8", plan="channels 0.5").key
    assert [event.plan for event in events if isinstance(event, Trained)] == ["channels 0.5", "channels 0.35"]


def test_a_milder_plan_is_trained_where_the_middle_one_loses_too_much() -> None:
    several, table = pruned()
    table = {key: truth._replace(drop=0.05) if "0.5 " in key else truth for key, truth in table.items()}
    table |= {key: truth._replace(drop=0.05) for key, truth in table.items() if "channels 0.5" in key}
    verdict, events = run(plan(several, max_drop=0.01, finetune="prune-finetune"), Recorded(table))
    assert [event.plan for event in events if isinstance(event, Trained)] == ["channels 0.5", "channels 0.7"]
    assert verdict.choice == configuration("litert int8", plan="channels 0.7").key


def test_the_test_split_has_the_last_word_when_the_time_is_up_too() -> None:
    several, table = pruned()
    asked = plan(several, max_drop=0.01, finetune="prune-finetune", budget=150.0)
    verdict, events = run(asked, Recorded(table))
    assert "a longer `budget` may find a better one" in verdict.gives[0]
    assert [event.key for event in events if isinstance(event, records.Tested)] == [verdict.choice]


def knowing_val(several: list[Configuration], **asked: object) -> Plan:
    made = plan(several, max_drop=0.01, finetune="prune-finetune", **asked)
    return replace(made, networks=tuple(replace(network, val=0.999) for network in made.networks))


def test_where_the_source_knows_val_the_whole_network_is_fine_tuned_first() -> None:
    several, table = pruned()
    asked = knowing_val(several)
    verdict, events = run(asked, Recorded(table))
    assert verdict.choice == configuration("litert int8", plan="channels 0.5").key
    assert [event.plan for event in events if isinstance(event, Trained)] == ["", "channels 0.5", "channels 0.35"]
    assert (
        "was trained on val: it answers 99.90 % of it, and 90.00 % of test" in outcome(asked, events, verdict).notes[0]
    )
    as_well = replace(asked, networks=tuple(replace(network, val=0.902) for network in asked.networks))
    _, events = run(as_well, Recorded(table))
    assert [event.plan for event in events if isinstance(event, Trained)] == ["channels 0.5", "channels 0.35"]


def test_a_pruned_choice_whose_source_knows_val_has_to_be_proven_by_the_test_split() -> None:
    class Near(Recorded):
        def _differing(self, c: Configuration, n: int, draw: random.Random) -> tuple[int, int]:
            return (400, 310) if n == 10_000 else super()._differing(c, n, draw)

    several, table = pruned()
    verdict, _ = run(knowing_val(several), Near(table))
    assert (verdict.outcome, verdict.choice) == ("cannot tell", None)
    assert "does not prove that" in verdict.reason
    assert "`max_drop=1.5%`" in verdict.gives[0]  # 1.44 are the interval's end
    verdict, _ = run(plan(several, max_drop=0.01, finetune="prune-finetune"), Near(table))
    assert verdict.outcome == "met"


def test_without_the_time_to_fine_tune_the_whole_network_no_pruned_one_is_chosen() -> None:
    class Hasty(Recorded):
        def perform(self, action: Action, known: Known) -> Iterator[Happened]:
            if isinstance(action, Train):
                yield records.Missing(what=f"{REF}/{action.plan}", kind="not tried", reason="takes too long")
            else:
                yield from super().perform(action, known)

    several, table = pruned()
    verdict, events = run(knowing_val(several), Hasty(table))
    assert (verdict.outcome, verdict.choice) == ("met", configuration("litert int8").key)
    assert sum(isinstance(event, records.Missing) for event in events) == 1


def test_when_the_time_is_up_the_best_that_is_known_is_given_or_nothing() -> None:
    several, table = pruned()
    asked = {"max_drop": 0.01, "finetune": "prune-finetune"}
    early, _ = run(plan(several, budget=5.0, **asked), Recorded(table))
    assert (early.outcome, early.choice) == ("cannot tell", None)
    assert "longer `budget`" in early.gives[0]
    later, events = run(plan(several, budget=105.0, **asked), Recorded(table))
    assert [event.plan for event in events if isinstance(event, Trained)] == ["channels 0.5"]
    assert later.outcome in ("met", "cannot tell")


@pytest.mark.parametrize(("objective", "choice"), [("size", 1), ("memory", 2), ("latency", 0)])
def test_when_the_time_is_up_the_objective_still_says_what_is_best(objective: str, choice: int) -> None:
    its = field("onnx fp32", "litert fp32", "ncnn fp32")
    sizes = [Truth(MS, 0, 4 * MB, 60 * MB), Truth(1.3 * MS, 0, MB, 50 * MB), Truth(1.2 * MS, 0, 2 * MB, 40 * MB)]
    asked = plan(its, objective=objective, has_test=False, budget=6.0)  # three builds and three first looks
    verdict, _ = run(asked, Recorded(truths(its, *sizes)))
    assert (verdict.outcome, verdict.choice) == ("met", its[choice].key)


def test_when_the_time_is_up_the_most_accurate_so_far_is_chosen() -> None:
    its = [configuration("onnx fp32", network=f"resnet{n}_v1.x_cifar10") for n in (8, 20, 56)]
    table = truths(its, Truth(0.2 * MS), Truth(0.5 * MS), Truth(1 * MS))
    asked = plan(its, objective="accuracy", has_test=False, budget=5.0)
    verdict, events = run(asked, Recorded(table))
    assert (verdict.outcome, verdict.choice) == ("met", its[1].key)
    assert "1 candidate is open" in verdict.gives[0]
    assert [row.status for row in outcome(asked, events, verdict).rows] == ["chosen", "beaten", "not tried"]


def test_what_was_not_decided_when_the_time_was_up_is_not_beaten() -> None:
    several, table = pruned()
    asked = plan(several, max_drop=0.01, finetune="prune-finetune", budget=150.0)
    verdict, events = run(asked, Recorded(table))
    rows = {row.key: row for row in outcome(asked, events, verdict).rows}
    fastest = configuration("litert int8", plan="channels 0.35")
    assert verdict.choice != fastest.key
    assert rows[fastest.key].status == "open"


def test_what_there_was_no_time_for_is_done_when_there_is(tmp_path: Path) -> None:
    class Hasty(Recorded):
        def perform(self, action: Action, known: Known) -> Iterator[Happened]:
            if isinstance(action, Train) and known.left_s < 100:
                what = f"{REF}/{action.plan}"
                yield records.Missing(what=what, kind="not tried", reason="takes too long", needs_s=100.0)
            else:
                yield from super().perform(action, known)

    several, table = pruned()
    asked = {"max_drop": 0.01, "finetune": "prune-finetune"}
    log = Log(tmp_path / "search")
    # the last one is over before all that it could do, and less than a training's time is left long before
    for budget, plans in ((60.0, []), (290.0, ["channels 0.5", "channels 0.35"])):
        made = plan(several, budget=budget, **asked)
        log.enter(made)
        verdict = search(made, Hasty(table), log)
        assert [event.plan for event in log.events if isinstance(event, Trained)] == plans
    assert Known(made, log.events).left_s < 100
    assert verdict.choice == configuration("litert int8", plan="channels 0.5").key


def test_nothing_is_beaten_by_what_may_itself_lose_too_much() -> None:
    its = field("onnx int8", "ncnn int8", "litert int8")
    table = truths(its, Truth(0.3 * MS), Truth(0.33 * MS), Truth(0.9 * MS))
    asked = plan(its, max_drop=0.005, budget=6.0)
    verdict, events = run(asked, Recorded(table))
    assert (verdict.choice, verdict.nearest) == (None, its[0].key)
    assert [row.status for row in outcome(asked, events, verdict).rows] == ["nearest", "open", "open"]


def test_one_number_of_threads_that_fails_does_not_hide_what_the_other_leaves_undecided() -> None:
    class Failing(Recorded):
        def perform(self, action: Action, known: Known) -> Iterator[Happened]:
            if isinstance(action, Screen) and action.configuration.threads == 2:
                yield records.Missing(what=action.configuration.key, kind="failed", reason="the process died")
            else:
                yield from super().perform(action, known)

    its = [configuration("litert int8", threads=threads) for threads in (1, 2)]
    table = truths(its, *2 * [Truth(0.3 * MS, drop=0.005)])
    undecided = {"disagreeing": 0.03, "seed": 1}
    verdict, _ = run(plan(its, max_drop=0.0052), Failing(table, **undecided))
    assert (verdict.outcome, verdict.nearest) == ("cannot tell", its[0].key)
    exact = configuration("onnx fp32")
    verdict, _ = run(plan([*its, exact], max_drop=0.0052), Failing(table | {exact.key: Truth(MS)}, **undecided))
    assert verdict.choice == exact.key
    assert its[0].key in verdict.gives[0]


def test_a_pruned_network_is_held_against_its_own_network_and_only_by_the_clock() -> None:
    small, *large = (
        configuration("onnx fp32", network="resnet8_v1.x_cifar10"),
        *(configuration("onnx fp32", network="resnet20_v1.x_cifar10", plan=its) for its in ("", "channels 0.35")),
    )
    table = truths([small, *large], Truth(MS), Truth(2 * MS), Truth(0.7 * MS))
    asked = {"max_drop": 0.01, "finetune": "prune-finetune"}
    assert run(plan([small, *large], **asked), Recorded(table))[0].choice == large[1].key
    several = [*field("onnx fp32", "ncnn fp32"), *field("onnx fp32", "ncnn fp32", plan="channels 0.35")]
    sizes = [Truth(ms * MS, 0, size) for ms, size in ((1, 4 * MB), (2, MB), (0.35, 1_400_000), (0.7, 350_000))]
    smallest = run(plan(several, objective="size", **asked), Recorded(truths(several, *sizes)))[0]
    assert smallest.choice == several[3].key


@pytest.mark.parametrize("objective", ["size", "accuracy"])
def test_one_whose_latency_is_the_limit_does_not_hide_what_surely_does(objective: str) -> None:
    its = [configuration("onnx fp32", network=f"resnet{n}_v1.x_cifar10") for n in (20, 56)]
    table = truths(its, Truth(0.5 * MS, 0, 2 * MB), Truth(MS, 0, MB))
    asked = plan(its, objective=objective, latency=MS, has_test=False)
    verdict, events = run(asked, Recorded(table, seed=3))
    assert (verdict.outcome, verdict.choice) == ("met", its[0].key)
    assert its[1].key in verdict.gives[0]
    assert "rounds would decide" in verdict.gives[0]
    assert [row.status for row in outcome(asked, events, verdict).rows] == ["chosen", "open"]


@pytest.mark.parametrize("drop", [0.0130, 0.0134, 0.0136])
def test_the_drop_that_is_suggested_is_enough(drop: float) -> None:
    its = field("litert int8")
    source = Recorded(truths(its, Truth(0.3 * MS, drop=drop)))
    verdict, _ = run(plan(its, max_drop=0.005), source)
    enough = float(verdict.gives[0].partition("`max_drop=")[2].partition("%")[0]) / 100
    assert run(plan(its, max_drop=enough), source)[0].outcome == "met"


def test_the_choice_is_within_two_percent_of_the_best_that_is_feasible() -> None:
    draw = random.Random(0)  # noqa: S311
    for trial in range(60):
        table = {}
        for c in FIELD:
            table[c.key] = Truth(draw.uniform(0.9, 1.3) * MS, draw.choice([0.0, 0.0005, 0.05]) * (not c.is_exact))
        verdict, _ = run(plan(FIELD, max_drop=0.01), Recorded(table, noise=0.01, seed=trial))
        best = min(truth.latency_s for truth in table.values() if truth.drop < 0.01)
        assert verdict.choice
        assert table[verdict.choice].drop < 0.01
        assert table[verdict.choice].latency_s <= 1.02 * best


def test_killed_at_any_moment_and_resumed_it_gives_the_same_answer(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    asked = plan(FIELD, max_drop=0.005)
    whole = InMemory()
    expected = search(asked, Recorded(TABLE), whole)
    for moment in random.Random(1).sample(range(1, len(whole.events)), 10):  # noqa: S311
        folder = tmp_path / str(moment)
        log = Log(folder)
        log.enter(asked)

        def kill(event: Happened, log: Log = log, moment: int = moment) -> None:
            if len(log.events) == moment:
                raise Killed

        with pytest.raises(Killed):
            search(asked, Recorded(TABLE), log, kill)
        again = Log(folder)
        again.enter(asked)
        assert len(again.events) == moment
        assert search(asked, Recorded(TABLE), again) == expected
        assert again.events == whole.events
