"""Makers' libraries, without their talk to themselves and without calls home."""

import ctypes
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from .cleaning import for_terminal

TELEMETRY = "openvino_telemetry"
_NOT_IMPORTED = object()
_outside: list[TextIO] = []  # where standard error led before each of the blocks that are quiet now


@contextmanager
def quietly() -> Iterator[None]:
    """No warnings, and nothing on standard output or standard error, by native code neither.

    What is said there is told on standard error if the block raises, and with RESZOO_DEBUG=1 as it comes.
    """
    level = logging.root.manager.disable
    with tempfile.TemporaryFile() as said, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            with _both_into(2 if os.environ.get("RESZOO_DEBUG") else said.fileno()):
                yield
        except Exception:
            said.seek(0)
            sys.stderr.write(for_terminal(said.read().decode(errors="replace")))
            raise
        finally:
            logging.disable(level)


def outer_stderr() -> TextIO:
    """Where standard error leads outside of what is quiet: for what reszoo itself says meanwhile."""
    return _outside[0] if _outside else sys.stderr


@contextmanager
def _both_into(descriptor: int) -> Iterator[None]:
    """Standard output and standard error, of this process as of Python."""
    _flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    replaced = sys.stderr is not sys.__stderr__  # by somebody who reads it without a descriptor
    _outside.append(sys.stderr if replaced else open(kept[2], "w", closefd=False))  # noqa: SIM115
    for number in kept:
        os.dup2(descriptor, number)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        _outside.pop().flush()
        for number, original in kept.items():
            os.dup2(original, number)
            os.close(original)


def _flush() -> None:
    """Where the outputs lead now, what was printed so far: C has a buffer of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


@contextmanager
def without_telemetry() -> Iterator[None]:
    """For the first import of OpenVINO and of what imports it: its telemetry would fork this process, to call home."""
    before = sys.modules.get(TELEMETRY, _NOT_IMPORTED)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment] # not importable: all cope with it
    try:
        yield
    finally:
        sys.modules.pop(TELEMETRY, None)
        if before is not _NOT_IMPORTED:
            sys.modules[TELEMETRY] = before  # type: ignore[assignment]
