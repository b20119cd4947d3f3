import pytest
import torch


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    """The same weights every time; and one thread, as threads that wait for each other on a busy machine crawl."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
