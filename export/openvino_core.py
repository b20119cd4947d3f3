"""OpenVINO in this process: its module, and its one Core."""

from functools import cache
from typing import Any

from ..core.silence import without_telemetry


def engine() -> Any:
    """The module openvino, imported without its telemetry."""
    with without_telemetry():
        import openvino

    return openvino


@cache
def core() -> Any:
    """The one Core of this process, which stays to its end.

    Each Core sets the stack that signals are handled on, and sets the one before it again when it goes (seen in
    OpenVINO 2026.4). Of two that go in the order in which they came, the second one brings back the first one's, which
    is no longer there, and the next signal kills the process: Ctrl-C, or the end of a child.
    """
    return engine().Core()
