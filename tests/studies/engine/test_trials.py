"""A training as a trial: what is measured of one that goes well, of one that diverges, and of the controls."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from reszoo import zoo
from reszoo.studies.engine.records import Settings
from reszoo.studies.engine.trials import OTHER_SEEDS, epochs_to, trial
from reszoo.training import fit, initialised, load, override, spec_for

DIGITS = Settings(scale="smoke", data="digits", seeds=1)
QUICK = {"batch": "128", "steps": "3"}


def test_it_is_the_training_that_the_command_line_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A probe that runs the network in training mode changes nothing of it."""
    changes = {**QUICK, "seed": "1", "epochs": "1", "threads": "1", "train_on": "train"}
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


def test_one_that_diverges_is_at_chance_and_its_figures_are_numbers() -> None:
    found = trial("resnet8_v1", DIGITS, 0, 2, {"batch": "128", "lr": "1e30", "warmup": "0"}, probe=_forward)
    assert found.diverged
    assert found.probed == (found.probed[0],) * 3
    assert found.accuracy == 10
    assert found.val == (10, 10)
    assert found.loss[-1] == math.log(10)
    measured = found.measured("digits", {"more": 1.0})
    assert measured.values["diverged"] == 1
    assert measured.values["epochs_to"] == 3
    assert measured.values["more"] == 1
    assert all(math.isfinite(value) for value in measured.values.values())
    assert found.images < 2 * 1295


def test_the_controls_train_less_and_with_other_seeds() -> None:
    short = trial("resnet8_v1", DIGITS, 0, 1, {"batch": "64"}, training="short")
    assert short.images == 2 * 64
    assert len(short.val) == 1
    quick = {"batch": "64", "steps": "2"}
    reseeded = trial("resnet8_v1", DIGITS, 0, 1, quick, training="reseeded")
    assert reseeded == trial("resnet8_v1", DIGITS, OTHER_SEEDS, 1, quick)
    assert reseeded != short


def test_a_budget_is_of_arithmetic() -> None:
    found = trial("resnet14_v1", DIGITS, 0, 1, {"batch": "256"}, budget_of="resnet8_v1")
    assert found.images == 2 * 256  # of five steps an epoch; 14 layers cost over twice what 8 do


def test_the_checkpoint_is_kept_where_it_is_wanted(tmp_path: Path) -> None:
    found = trial("resnet8_v1", DIGITS, 0, 1, {"batch": "64", "steps": "1"}, out=tmp_path / "kept")
    kept = zoo.read(tmp_path / "kept")
    assert (kept.ref, kept.dataset) == ("resnet8_v1", "digits")
    assert 100 * kept.metrics[0].value == found.accuracy


def test_when_a_curve_reaches_a_target() -> None:
    assert epochs_to(60, (30, 50, 70, 80)) == pytest.approx(2.5)
    assert epochs_to(60, (60,)) == pytest.approx(1)
    assert epochs_to(60, (80, 10)) == pytest.approx(0.75)
    assert epochs_to(90, (30, 50, 70, 80)) == 5
