"""The shapes and costs that are told from a spec alone are those of the network, by PyTorch's own counter."""

import msgspec
import pytest
import torch
from families import FAMILIES, WITH_FIXED_CHANNELS, catalogue_families, half

from reszoo.core.types import ModelSpec
from reszoo.models import build, names, spec_of
from reszoo.models.cost import LayerCost, cost_of
from reszoo.models.counting import counted
from reszoo.models.network import state_shapes

ODD = (1, 15, 9)
SPECS = FAMILIES | {f"{name}, half": half(spec) for name, spec in FAMILIES.items() if name not in WITH_FIXED_CHANNELS}
SPECS |= {f"{name}, odd": msgspec.structs.replace(spec, input=ODD) for name, spec in FAMILIES.items()}
SPECS |= catalogue_families()


def check(spec: ModelSpec) -> None:
    with torch.device("meta"):
        network = build(spec)
    assert state_shapes(spec) == {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    told, expected = cost_of(spec), counted(network, spec.input)
    assert (told.params, told.macs) == (expected.params, expected.macs)
    assert sorted(told.layers, key=name_of) == sorted(expected.layers, key=name_of)


def name_of(layer: LayerCost) -> str:
    return layer.name


@pytest.mark.parametrize("name", SPECS)
def test_of_every_kind_of_network(name: str) -> None:
    check(SPECS[name])


@pytest.mark.parametrize("name", [name for name in names() if "1001" not in name and "1202" not in name])
def test_of_every_network_that_has_a_name(name: str) -> None:
    check(spec_of(name))
