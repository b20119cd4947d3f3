"""PyTorch counts cores; a quota leaves it less time than they have."""

from collections.abc import Iterator

import pytest
import torch

from reszoo.core import cgroups, hosts
from reszoo.core.threads import torch_threads


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch's own choice, on four cores."""
    monkeypatch.setattr(hosts, "allowed_cores", lambda: tuple(range(4)))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(("quota", "number", "used"), [(None, None, 2), (1.0, None, 1), (3.0, None, 2), (1.0, 3, 3)])
def test_a_quota_counts_unless_a_number_was_named_and_all_is_as_it_was_afterwards(
    quota: float | None, number: int | None, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "cpu_limit", lambda: quota)
    with torch_threads(number):
        assert torch.get_num_threads() == used
    assert torch.get_num_threads() == 2
