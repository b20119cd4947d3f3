"""What pruning loses for what it saves: the table and the plot of what the script has measured so far."""

import json
from pathlib import Path
from typing import Any

import pruning_curve
import pytest
import rows
from figures import save, save_comparison
from speed_checks import comparison_of

from reszoo.workflows.pruning.speed_check import scenario_for

RECIPE = {"recipe": "prune-finetune", "views": 10}
PARENT, PLACE, SCENARIO = "resnet56_v1.akamaster_cifar10", "litert int8", scenario_for("torch", 1, 1)


def answers_of(correct: int) -> dict[str, Any]:
    loss = (9339 - correct) / 1e4
    accuracies = [{"correct": each, "n": 10_000} for each in (9339, correct)]
    return {"accuracies": accuracies, "losses": [{"drop": loss, "drop_interval": [loss - 0.002, loss + 0.002]}]}


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Two ways at half of the latency, of which one is not timed, the parent trained on, and a rival."""
    for way, plan, correct in (("mixed", "abc", 9300), ("blocks", "def", 9280)):
        case = {"parent": PARENT, "place": PLACE, "share": "0.5", "way": way, "plan": plan, "epochs": 10, **RECIPE}
        save(tmp_path / "networks" / f"{way}.json", {"figures": [{**case, **answers_of(correct)}]})
    control = {"parent": PARENT, "place": PLACE, "share": "1", "way": "unpruned", "plan": "ghi", "epochs": 10, **RECIPE}
    save(tmp_path / "networks" / "unpruned.json", {"figures": [{**control, **answers_of(9350)}]})
    rival = {"parent": PARENT, "place": PLACE, "network": "resnet32_v1.akamaster_cifar10"}
    save(tmp_path / "rivals" / "r.json", {"figures": [{**rival, **answers_of(9263)}]})
    name = f"{PARENT}-litert-int8"
    save_comparison(tmp_path / "speed" / f"{name}-0.5.json", comparison_of(0.5, SCENARIO), ["abc"])
    save_comparison(tmp_path / "speed" / f"{name}-rivals.json", comparison_of(0.6, SCENARIO), [rival["network"]])
    return tmp_path


def test_what_is_timed_and_tested_is_in_the_table(measured: Path) -> None:
    pruned, unpruned, rival = rows.pruning_curve(measured)
    assert (unpruned["kind"], unpruned["times"].value, unpruned["lost"].value) == (
        "unpruned, 10 epochs",
        1,
        pytest.approx(-0.11),
    )
    assert (pruned["kind"], pruned["asked"], rival["name"]) == (
        "mixed, 10 epochs",
        "0.5",
        "resnet32_v1.akamaster_cifar10",
    )
    assert f"{pruned['times']:.1f}".startswith("2.0 (2.0")
    assert f"{pruned['lost']:+.2f}" == "+0.39 (+0.19 to +0.59)"
    assert f"{rival['lost']:+.2f}" == "+0.76 (+0.56 to +0.96)"
    assert f"{rival['top_1']:.2f}".startswith("92.63 %")


def test_the_same_figures_give_the_same_plot(measured: Path) -> None:
    first, second = (pruning_curve.drawn(list(rows.pruning_curve(measured))) for _ in range(2))
    assert first == second
    assert first.startswith(b"<?xml")


def test_what_decides_most_is_made_first() -> None:
    asked = {"one": ("0.5", "0.333"), "other": ("0.5",)}
    options = pruning_curve.Options(asked, {}, list(pruning_curve.WAYS), list(pruning_curve.PLACES), *[None] * 10)
    cases = list(pruning_curve.cases(options))
    assert (cases[0].way, cases[0].share, len(cases), len({case.name for case in cases})) == ("mixed", "0.5", 18, 18)
    assert json.dumps(cases[0].words)


def test_networks_of_two_recipes_are_not_mixed(measured: Path) -> None:
    case = {"parent": PARENT, "place": PLACE, "share": "0.5", "way": "channels", "plan": "jkl", "epochs": 10}
    save(
        measured / "networks" / "other.json", {"figures": [{**case, "recipe": "mine", "views": 10, **answers_of(9300)}]}
    )
    with pytest.raises(ValueError, match="networks of several recipes"):
        list(rows.pruning_curve(measured))


def test_a_network_that_is_still_trained_is_not_timed(tmp_path: Path) -> None:
    options = pruning_curve.Options({}, {}, [], [], *[None] * 8, tmp_path, None)
    for name in ("one-abc-epochs10-1.unfinished", "one-abc-epochs10-2", "one-def-epochs10-3"):
        (tmp_path / "tuned" / name).mkdir(parents=True)
        (tmp_path / "tuned" / name / ("run.json" if "unfinished" in name else "checkpoint.json")).touch()
    (tmp_path / "tuned" / "one-abc-epochs10-2.reszoo-lock").touch()
    assert pruning_curve.trained("one", "abc", options) == [tmp_path / "tuned" / "one-abc-epochs10-2"]
