"""What all tests share: a cache of their own, and the real data that some of them need."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from once import once

pytest_plugins = ["conversions", "npm", "pace", "selecting"]

# The same examples in every run, whatever the machine's speed; nothing is kept between runs.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")

# Who starts the tests in the background may have these ignored, and every process that a test starts would inherit it.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)

# Two threads of PyTorch on a busy machine wait for each other more than they compute. Subprocesses inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

NEEDS = {
    "cifar10": ("RESZOO_TEST_CIFAR10", "a folder with CIFAR-10 as train-0.zip, train-1.zip and test.zip"),
    "mirror": ("RESZOO_TEST_MIRROR", "a folder with third-party weights laid out as a download mirror"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (variable, what) in NEEDS.items():
            if item.get_closest_marker(marker) and not os.environ.get(variable):
                item.add_marker(pytest.mark.skip(reason=f"{variable} is not set: {what}"))
        if item.get_closest_marker("gpu"):
            import torch

            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU"))


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("RESZOO_") and not name.startswith("RESZOO_TEST_"):
            patch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """None of the settings of whoever runs the tests, nor their cache: for what lasts longer than a test."""
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        patch.setenv("RESZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for every test, and no setting that another test has left."""
    forget_settings(monkeypatch)
    folder = tmp_path / "cache"
    monkeypatch.setenv("RESZOO_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def cifar10_zips() -> list[Path]:
    folder = Path(os.environ["RESZOO_TEST_CIFAR10"])
    return [folder / name for name in ("train-0.zip", "train-1.zip", "test.zip")]


@pytest.fixture(scope="session")
def mirror_root() -> Path:
    return Path(os.environ["RESZOO_TEST_MIRROR"])


@pytest.fixture(scope="session")
def cifar10_cache_dir(cifar10_zips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds CIFAR-10, imported once for all tests."""
    from reszoo import datasets

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RESZOO_CACHE", str(folder))
            datasets.add("cifar10", cifar10_zips)

    return once(tmp_path_factory, "cifar10-cache", make)


@pytest.fixture
def cifar10_cache(cifar10_cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESZOO_CACHE", str(cifar10_cache_dir))
    return cifar10_cache_dir
