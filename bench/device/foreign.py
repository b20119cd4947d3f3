"""On a device, in the place of `core/foreign.py`: there are no plug-ins of other packages."""

from typing import Any


class ForeignPlugins(dict[str, Any]):
    def __init__(self, *_: Any) -> None:
        super().__init__()

    def check_apart_from(self, own: Any) -> None:
        """There is none that could be called like one of these."""


def unusable(*_: Any, **__: Any) -> None:
    """There is none."""


def packages() -> tuple[str, ...]:
    return ()
