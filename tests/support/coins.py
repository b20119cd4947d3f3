"""A study of one's own as one new file: coins, whose bias is known."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import reszoo
from reszoo import studies
from reszoo.studies import StudyResult
from reszoo.studies.engine import registry

COINS = '''
"""Coins whose bias is known."""

import random

from .engine.records import Claim, Contrast, Control, Figure, Measured, above, below, within
from .engine.study import Study, grid

SIDES = {"fair": 0.5, "bent": 0.9}


def measure(condition, seed, settings):
    draw = random.Random(f"{condition['coin']}/{seed}")
    tosses = [draw.random() < SIDES[condition["coin"]] for _ in range(200)]
    return Measured(values={"heads": sum(tosses) / 200}, series={"run": (1.0, 2.0)}, images=200)


def claim(key, coin, region, against=None):
    contrast = Contrast(metric="heads", where={"coin": coin}, against=against, region=region)
    return Claim(key=key, hypothesis=key, textbook="they say so", paper="", contrast=contrast)


STUDY = Study(
    name="coins",
    title="Coins",
    question="Which coin is bent?",
    data=("digits", "cifar10"),
    seeds={"smoke": 5, "cpu": 10, "gpu": 10},
    metrics={"heads": "share of heads", "run": "a line"},
    claims=(
        claim("bent-is-bent", "bent", above(0.6)),
        claim("fair-is-bent", "fair", above(0.6)),
        claim("bent-has-more", "bent", above(0.1), {"coin": "fair"}),
        claim("all-are-fair", ("fair", "bent"), below(0.6)),
    ),
    controls=(
        Control(key="fair", kind="negative", says="a fair coin",
                contrast=Contrast(metric="heads", where={"coin": "fair"}, region=within(CONTROL))),
    ),
    conditions=lambda settings: grid({"coin": SIDES}),
    measure=measure,
    figures=(Figure(name="line", title="A line", y="run", x="position", where={}, lines=("coin",), x_title="toss"),),
    caveats=("Nothing is said of dice.",),
)
'''


@contextmanager
def coins(folder: Path, control: float = 0.7) -> Iterator[Path]:
    """The file, in a folder that is looked through for studies as the package's own is."""
    file = folder / "coins.py"
    folder.mkdir(exist_ok=True)
    file.write_text(COINS.replace("CONTROL", str(control)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies, "__path__", [*studies.__path__, str(folder)])
        registry.studies.cache_clear()
        try:
            yield file
        finally:
            sys.modules.pop("reszoo.studies.coins", None)
            registry.studies.cache_clear()


class Here(Executor):
    """Does every task at once, in this thread, until `most` are done: then its workers are gone."""

    def __init__(self, most: int = 1000) -> None:
        self.done, self.most = 0, most

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.done < self.most:
            self.done += 1
            future.set_result(work(*args, **options))
        else:
            future.set_exception(BrokenProcessPool("a process was killed"))
        return future


def study(out: Path, executor: Executor | None = None, **options: Any) -> StudyResult:
    return reszoo.study("coins", out=out, executor=executor or Here(), **({"scale": "smoke"} | options))
