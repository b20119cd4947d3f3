"""Designs of trainings: their controls are as fine as the claims, and their claims can be decided."""

from importlib import import_module

import msgspec
import pytest

from reszoo.models import spec_of
from reszoo.studies.engine.designs import Design, compared, controls
from reszoo.studies.engine.recipes import recipe_for
from reszoo.studies.engine.records import (
    Claim,
    Condition,
    Contrast,
    Measured,
    Region,
    RunResult,
    Scale,
    Settings,
    above,
    below,
    within,
)
from reszoo.studies.engine.registry import studies, study_named
from reszoo.studies.engine.trials import FLOOR, METRICS, relative_cost
from reszoo.studies.engine.verdicts import Runs, checked, reach
from reszoo.studies.modern import ARCHS
from reszoo.training import for_training, override

# Points: the standard deviation of a difference between networks from seed to seed, after few epochs and after many.
SPREAD = {"cpu": 0.7, "gpu": 0.35}

CPU = Settings(scale="cpu", data="cifar10", seeds=1)
OF_ACCURACY = {"accuracy", "train", "val_mean"}
DESIGNS = {
    name: module.DESIGN
    for name in studies()
    if hasattr(module := import_module(f"reszoo.studies.{name.replace('-', '_')}"), "DESIGN")
}
COMPARING = [name for name in studies() if any(claim.contrast.floor is not None for claim in study_named(name).claims)]


def claim(metric: str, region: Region) -> Claim:
    contrast = compared(metric, {"skip": "gate"}, {"skip": "identity"}, region)
    return Claim(key="k", hypothesis="h", textbook="t", paper="p", contrast=contrast)


DESIGN = Design(
    networks=lambda settings: [{"skip": "identity"}, {"skip": "gate"}],
    arch=lambda condition, settings: f"resnet8_v2+skip={condition['skip']}",
    epochs={"digits": {"smoke": 1, "cpu": 1, "gpu": 1}},
)


def run(condition: Condition, seed: int, accuracy: float) -> RunResult:
    measured = Measured(values={"accuracy": accuracy, "val_mean": accuracy})
    return RunResult(version="0" * 64, condition=condition, seed=seed, measured=measured, core_s=1, host="")


def test_the_first_network_is_trained_as_the_controls_are() -> None:
    assert DESIGN.conditions(CPU) == [
        {"skip": "identity", "training": "usual"},
        {"skip": "gate", "training": "usual"},
        {"skip": "identity", "training": "coarse"},
        {"skip": "identity", "training": "reseeded"},
    ]


def test_every_metric_that_is_compared_has_controls_at_the_smallest_effect() -> None:
    made = {
        control.key: control.contrast.region
        for control in controls((claim("accuracy", above(3)), claim("val_mean", within(1))))
    }
    assert made == {
        "coarse-accuracy": below(-1),
        "reseeded-accuracy": within(1),
        "coarse-val_mean": below(-1),
        "reseeded-val_mean": within(1),
    }


@pytest.mark.parametrize(
    ("training", "shift", "key", "verdict"),
    [
        ("coarse", -3, "coarse-accuracy", "supported"),
        ("coarse", 0, "coarse-accuracy", "refuted"),  # a probe that does not see that less was learnt
        ("reseeded", 0, "reseeded-accuracy", "supported"),
        ("reseeded", 3, "reseeded-accuracy", "refuted"),  # one that sees what is not there
    ],
)
def test_controls_fail_at_effects_as_small_as_those_that_are_claimed(
    training: str, shift: float, key: str, verdict: str
) -> None:
    noise = (0.1, -0.2, 0.3, 0.0, -0.1)
    usual = [run({"skip": "identity", "training": "usual"}, seed, 70) for seed in range(5)]
    other = [
        run({"skip": "identity", "training": training}, seed, 70 + shift + each) for seed, each in enumerate(noise)
    ]
    found = {
        each.control.key: each.verdict
        for each in checked(controls((claim("accuracy", above(2)),)), Runs([*usual, *other]))
    }
    assert found[key] == verdict


def test_networks_of_equal_cost_get_about_as_many_steps() -> None:
    v2, *others = (spec_of(arch) for arch in ARCHS.values())
    for spec in others:
        assert 0.8 < relative_cost(v2, spec) < 1.25


def test_a_bounded_design_gives_all_the_cost_of_the_first() -> None:
    equal = Design(
        networks=lambda settings: [{"depth": 8}, {"depth": 14}],
        arch=lambda condition, settings: f"resnet{condition['depth']}_v1",
        epochs={"digits": {"smoke": 1, "cpu": 1, "gpu": 1}},
        changes=lambda condition, settings: {"batch": "256"},
        is_equal=True,
    )
    settings = Settings(scale="smoke", data="digits", seeds=1)
    few, many = (equal.trial({"depth": depth, "training": "usual"}, 0, settings) for depth in (14, 8))
    assert 2 * few.images < many.images + 256


@pytest.mark.parametrize("name", COMPARING)
def test_what_studies_compare_is_compared_where_something_was_learnt_and_controlled(name: str) -> None:
    study = study_named(name)
    paired = [
        claim.contrast for claim in study.claims if claim.contrast.against and claim.contrast.metric in OF_ACCURACY
    ]
    assert {contrast.floor for contrast in paired} == {FLOOR}
    positive, negative = (
        {control.contrast.metric for control in study.controls if control.kind == kind}
        for kind in ("positive", "negative")
    )
    metrics = {claim.contrast.metric for claim in study.claims} & METRICS.keys()
    assert metrics <= positive
    assert metrics <= negative
    assert study.trains


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_a_claim_can_be_decided_with_the_seeds_that_it_gets(name: str, scale: Scale) -> None:
    """Where there is no difference at all, every claim of one is decided at the first step of Holm's correction."""
    study = study_named(name)
    settings = Settings(scale=scale, data="cifar10", seeds=study.seeds[scale])
    conditions = study.conditions(settings)
    runs = Runs([run(condition, 0, 0) for condition in conditions])
    cases = sum(len(cases_of(claim.contrast, runs)) for claim in study.claims)
    ends = [
        abs(end)
        for claim in study.claims
        if claim.contrast.floor is not None
        for end in (claim.contrast.region.low, claim.contrast.region.high)
        if end is not None
    ]
    assert reach(cases, settings.seeds) * SPREAD[scale] < min(ends), (cases, settings.seeds)


def cases_of(contrast: Contrast, runs: Runs) -> list[Condition]:
    found = runs.where(contrast.where)
    return [each for each in found if contrast.against is None or runs.of(each | contrast.against)]


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_condition_trains_something_else(name: str, scale: Scale) -> None:
    """Another network, or the same one by another recipe."""
    design, settings = DESIGNS[name], Settings(scale=scale, data="cifar10", seeds=1)
    trained = set()
    for condition in design.networks(settings):
        recipe = override(recipe_for("cifar10"), dict(design.changes(condition, settings)))
        trained.add(msgspec.json.encode([for_training(spec_of(design.arch(condition, settings)), recipe), recipe]))
    assert len(trained) == len(design.networks(settings))
