"""Pillow's limit of pixels, above which a file is taken for one that unpacks to fill the memory.

It is the process's: it is raised for as long as any thread opens such a picture, and put back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from PIL import Image


class _Limit:
    def __init__(self) -> None:
        self._lock, self._raised = Lock(), list[int]()
        self._own: int | None = None

    @property
    def own(self) -> int | None:
        """Pillow's, whether or not it is raised; None where the program has taken it away."""
        with self._lock:
            return self._own if self._raised else Image.MAX_IMAGE_PIXELS

    @contextmanager
    def at_least(self, pixels: int | None) -> Iterator[None]:
        """Let pictures of so many be opened; None leaves the limit as it is."""
        if pixels is None:
            yield
            return
        with self._lock:
            if not self._raised:
                self._own = Image.MAX_IMAGE_PIXELS
            self._raised.append(pixels)
            self._apply()
        try:
            yield
        finally:
            with self._lock:
                self._raised.remove(pixels)
                self._apply()

    def _apply(self) -> None:
        Image.MAX_IMAGE_PIXELS = None if self._own is None else max([self._own, *self._raised])


limit = _Limit()
