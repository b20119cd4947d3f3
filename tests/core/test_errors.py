"""Errors between processes: a pool of workers that cannot send one breaks."""

import pickle

from reszoo.core.errors import ReszooError, UsageError
from reszoo.prune.planning import UnreachableError


def test_an_error_comes_through_whatever_its_class_takes() -> None:
    for error in (ReszooError("a", "b"), UsageError("a"), UnreachableError(0.3, 0.6, 1.0, "Remove less.")):
        back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert type(back) is type(error)
        assert (str(back), back.problem, back.fix) == (str(error), error.problem, error.fix)
        assert vars(back) == vars(error)
