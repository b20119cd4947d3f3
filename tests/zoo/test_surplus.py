"""Tensors beside a network: only what cannot take part in its logits is advised to be left out."""

import re

import numpy as np
import pytest

from reszoo.core.errors import UsageError
from reszoo.datasets.presets import parse_preprocess
from reszoo.zoo.surplus import are_apart, surplus_error

CLASSES, FEATURES = 10, 64
BODY = {"conv1.weight": (16, 3, 3, 3), "fc.weight": (CLASSES, FEATURES), "fc.bias": (CLASSES,)}
Shapes = dict[str, tuple[int, ...]]
HEADS: dict[str, Shapes] = {
    "auxiliary": {"aux.conv.weight": (128, 32, 1, 1), "aux.fc.weight": (CLASSES, 128), "aux.fc.bias": (CLASSES,)},
    "distilled": {"head_dist.weight": (CLASSES, FEATURES), "head_dist.bias": (CLASSES,)},
    "of another task": {"rotation.weight": (4, FEATURES), "rotation.bias": (4,)},
    "projector": {"projector.0.weight": (FEATURES, FEATURES), "projector.2.weight": (128, FEATURES)},
}
PARTS: dict[str, Shapes] = {
    "spatial transformer": {
        "localization.0.weight": (8, 3, 7, 7),
        "fc_loc.0.weight": (32, 90),
        "fc_loc.2.weight": (6, 32),
    },
    "attention": {"ca.fc.0.weight": (4, 16, 1, 1), "sa.conv1.weight": (1, 2, 7, 7)},
    "neck": {"neck.weight": (FEATURES, FEATURES), "neck.bias": (FEATURES,)},
    "norm of the features": {"bnneck.weight": (FEATURES,), "bnneck.running_mean": (FEATURES,)},
    "temperature": {"scale": (1,)},
    "one of both": {"rotation.weight": (4, FEATURES), "stn.weight": (6, 32)},
}


def error(shapes: Shapes) -> UsageError:
    state = {name: np.full(shape, 0.25, np.float32) for name, shape in (BODY | shapes).items()}
    assert are_apart(list(shapes), state)
    return surplus_error(list(shapes), state, "resnet8_v1", (CLASSES, FEATURES), "mine.pth")


@pytest.mark.parametrize("kind", HEADS)
def test_other_classifiers_are_left_out_by_a_pattern_for_each(kind: str) -> None:
    said = error(HEADS[kind])
    modules = dict.fromkeys(name.partition(".")[0] for name in HEADS[kind])
    assert re.findall(r"`ignore='(.*?)'`", said.fix) == [f"{module}.*" for module in modules]


@pytest.mark.parametrize("kind", PARTS)
def test_what_may_feed_the_network_is_not_advised_to_be_left_out(kind: str) -> None:
    said = error(PARTS[kind])
    assert "are no part of a resnet8_v1" in said.problem or "is no part of a resnet8_v1" in said.problem
    assert "Where the logits need them, it is another network" in said.fix
    assert "ignore='" not in said.fix


def test_a_normalisation_becomes_the_preprocessing() -> None:
    said = error({"normalizer.new_mean": (3, 1, 1), "normalizer.new_std": (3, 1, 1)})
    assert "`ignore='normalizer.*'`" in said.fix
    found = re.search(r"`preprocess=(.*?)`", said.fix)
    assert found is not None
    assert parse_preprocess(found[1]).mean == (0.25, 0.25, 0.25)
    assert "preprocess" not in error({"normalizer.new_mean": (64,), "normalizer.new_std": (64,)}).fix


def test_of_many_the_first_are_named() -> None:
    said = error({f"aux.{i}.weight": (CLASSES, 8) for i in range(5)})
    assert "aux.0.weight, aux.1.weight, aux.2.weight and 2 more tensors are no part of" in said.problem


def test_parts_of_blocks_are_not_apart() -> None:
    names = ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.se.fc1.weight"]
    state = {name: np.zeros(1, np.float32) for name in names}
    assert not are_apart(names[2:], state)
    assert are_apart([], state)
