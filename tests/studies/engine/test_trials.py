"""A training as a trial: what is measured of one that goes well, of one that diverges, and of the controls."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from reszoo import zoo
from reszoo.studies.engine.records import Settings
from reszoo.studies.engine.trials import FLOOR, TRAININGS, trial
from reszoo.training import fit, initialised, load, override, spec_for

DIGITS = Settings(scale="smoke", data="digits", seeds=1)
QUICK = {"batch": "128", "steps": "3"}


def test_it_is_the_training_that_the_command_line_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A probe that runs the network in training mode changes nothing of it."""
    changes = {**QUICK, "seed": "1", "epochs": "1", "threads": "1", "train_on": "train", "precision": "fp32"}
    recipe = override(load("digits"), changes)
    spec = spec_for("resnet8_v2", "digits", recipe)
    out = tmp_path_factory.mktemp("fit") / "out"
    checkpoint = fit(initialised(spec, 1), spec, "digits", recipe, out, ref="resnet8_v2", device="cpu")
    found = trial("resnet8_v2", DIGITS, 1, 1, QUICK, probe=_forward)
    assert found.accuracy == 100 * checkpoint.metrics[0].value
    assert found.images == 3 * 128
    assert len(found.probed) == 2
    assert found.probed[0] != found.probed[1]


def _forward(model: nn.Module) -> tuple[float, ...]:
    assert model.training
    with torch.no_grad():
        return (float(model(torch.ones(4, 1, 8, 8)).sum()),)


def test_stochastic_depth_of_the_recipe_is_in_the_network() -> None:
    drops: list[float] = []

    def look(model: nn.Module) -> tuple[float, ...]:
        drops.extend(module.p for module in model.modules() if type(module).__name__ == "StochasticDepth")
        return ()

    with_it = trial("resnet8_v2", DIGITS, 0, 1, {**QUICK, "stochastic_depth": "0.5"}, probe=look)
    assert 0.5 in drops
    assert with_it.loss != trial("resnet8_v2", DIGITS, 0, 1, QUICK).loss


def test_what_machines_would_choose_is_fixed() -> None:
    """Precision above all: auto is another arithmetic on another processor."""
    changed = {"precision": "bf16", "threads": "2", "train_on": "trainval", "select": "last"}
    assert trial("resnet8_v1", DIGITS, 0, 1, {**QUICK, **changed}) == trial("resnet8_v1", DIGITS, 0, 1, QUICK)


@pytest.mark.parametrize("arch", ["resnet8_v1", "resnet8_v2", "resnet8_v2+norm=none"])
def test_one_that_diverges_is_at_chance_and_its_figures_are_numbers(arch: str) -> None:
    found = trial(arch, DIGITS, 0, 2, {"batch": "128"}, training="diverging", probe=_forward)
    assert found.diverged
    assert found.probed == (found.probed[0],) * 3
    assert found.accuracy == 10
    assert found.val == (10, 10)
    assert found.loss[-1] == math.log(10)
    measured = found.measured({"more": 1.0})
    assert measured.values["diverged"] == measured.values["failed"] == 1
    assert measured.values["val_mean"] == 10
    assert measured.values["more"] == 1
    assert all(math.isfinite(value) for value in measured.values.values())
    assert found.images < 2 * 1295


def test_one_that_learns_nothing_with_finite_numbers_has_failed_too() -> None:
    found = trial("resnet8_v1", DIGITS, 0, 1, {"batch": "128", "lr": "1e-30", "warmup": "0"})
    assert not found.diverged
    assert found.accuracy <= FLOOR
    assert found.measured().values["failed"] == 1


def test_the_controls_take_fewer_steps_and_have_other_seeds() -> None:
    usual = trial("resnet8_v1", DIGITS, 0, 1, {"batch": "64"})
    coarse = trial("resnet8_v1", DIGITS, 0, 1, {"batch": "64"}, training="coarse")
    assert (usual.images // 64, coarse.images // 128) == (20, 10)
    assert coarse.loss[-1] > usual.loss[-1]
    reseeded = trial("resnet8_v1", DIGITS, 0, 1, QUICK, training="reseeded")
    assert reseeded == trial("resnet8_v1", DIGITS, TRAININGS["reseeded"].seeds, 1, QUICK)
    assert reseeded != trial("resnet8_v1", DIGITS, 0, 1, QUICK)


def test_a_budget_is_of_arithmetic_and_may_be_a_part_of_an_epoch() -> None:
    found = trial("resnet14_v1", DIGITS, 0, 1, {"batch": "256"}, budget_of="resnet8_v1")
    assert found.images == 2 * 256  # of five steps an epoch; 14 layers cost over twice what 8 do
    found = trial("resnet8_v1", DIGITS, 0, 1.5, {"batch": "256"})
    assert found.images == 8 * 256
    assert found.budget == pytest.approx((5 / 8, 1))
    assert len(found.val) == 2


def test_the_checkpoint_is_kept_where_it_is_wanted(tmp_path: Path) -> None:
    found = trial("resnet8_v1", DIGITS, 0, 1, {"batch": "64", "steps": "1"}, out=tmp_path / "kept")
    kept = zoo.read(tmp_path / "kept")
    assert (kept.ref, kept.dataset) == ("resnet8_v1", "digits")
    assert 100 * kept.metrics[0].value == found.accuracy
