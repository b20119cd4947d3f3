"""Makers' libraries, without their advice to themselves and without calls home."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

TELEMETRY = "openvino_telemetry"


@contextmanager
def quietly() -> Iterator[None]:
    """No warnings; errors are raised and logged as ever."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def without_telemetry() -> Iterator[None]:
    """For the first import of OpenVINO and of what imports it: its telemetry would fork this process, to call home."""
    before = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment] # not importable: all cope with it
    try:
        yield
    finally:
        del sys.modules[TELEMETRY]
        if before:
            sys.modules[TELEMETRY] = before
