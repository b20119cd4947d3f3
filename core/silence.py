"""Makers' libraries, without their advice to themselves and without calls home."""

import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

TELEMETRY = "openvino_telemetry"
_NOT_IMPORTED = object()


@contextmanager
def quietly() -> Iterator[None]:
    """No warnings, and nothing on standard output, where machines read; errors are raised and logged as ever.

    What is printed there, by native code too, goes to standard error.
    """
    _flush()
    kept, level = os.dup(1), logging.root.manager.disable
    os.dup2(2, 1)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        _flush()
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    """Where standard output leads now, what was printed so far: C has a buffer of its own."""
    sys.stdout.flush()
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
