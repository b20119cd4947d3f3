import pytest
import torch

from reszoo import zoo
from reszoo.core.types import Checkpoint


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", params=["v1", "v2"])
def digits(request: pytest.FixtureRequest) -> Checkpoint:
    return zoo.load(f"resnet8_{request.param}.reszoo_digits")


@pytest.fixture(scope="session")
def digits_v1() -> Checkpoint:
    return zoo.load("resnet8_v1.reszoo_digits")
