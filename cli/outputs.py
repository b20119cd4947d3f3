"""Standard output and standard error as they may be: closed, full, or of an encoding that lacks a character."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import ReszooError

STANDARD = (0, 1, 2)


def prepare() -> None:
    """What was closed leads to nothing: else the next file that is opened would be taken for it.

    What an output cannot encode is replaced on a terminal, and written as an escape sequence of Python's elsewhere.
    """
    for number in STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if stream.isatty() else "backslashreplace")


@contextmanager
def written() -> Iterator[None]:
    """All that the block prints reaches standard output, or it is an error; a reader that has gone needs no message."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what was not written never will be
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        raise ReszooError(f"cannot write to standard output: {error.strerror}", "Free some space there.") from error
