"""Runtimes that compute in a page. They are fed through it, so their times are taken in the page alone (bench)."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ...core.types import Candidate, Unavailable
from ..contract.runtime import Device, Runtime, Session
from . import finding

if TYPE_CHECKING:
    import numpy as np


MOST_THREADS = 8  # each is a worker that the browser starts first, and no time is taken here


class BrowserRuntime(Runtime):
    """Its session is a browser of its own, with the page of the artifact's folder."""

    is_in_browser: ClassVar[bool] = True

    def unavailable(self, device: Device, variant: str = "") -> Unavailable | None:
        return finding.unavailable(self.name)

    def preload(self) -> None:
        if program := finding.find():
            finding.version(program)

    def load(self, model: Candidate, *, device: Device, threads: int, variant: str) -> "PageSession":
        return PageSession(model, min(threads, MOST_THREADS), variant)


class PageSession(Session):
    """A model in a page. Besides arrays it takes picture files, which the page decodes and resizes as for its users."""

    def __init__(self, model: Candidate, threads: int | None = None, variant: str = "") -> None:
        from .driving import Page

        self.classes, self.page = len(model.labels), Page(model.path)
        chosen: dict[str, Any] = {"threads": threads} if threads else {}
        try:
            self.opened = self.page.ask("open", variant=variant, **chosen).value
        except BaseException:
            self.page.close()
            raise

    def place(self, batch: "np.ndarray") -> "np.ndarray":
        return batch

    def run(self, placed: "np.ndarray") -> bytes:
        return self.page.ask("run", placed.tobytes(), shape=placed.shape, dtype=placed.dtype.name).data

    def read(self, result: bytes) -> "np.ndarray":
        import numpy as np

        return np.frombuffer(result, np.float32).reshape(-1, self.classes)

    def classify(self, files: Sequence[bytes]) -> "np.ndarray":
        """The logits (N, classes) of picture files."""
        return self.read(self.page.ask("classify", b"".join(files), sizes=list(map(len, files))).data)

    def pixels(self, files: Sequence[bytes], size: tuple[int, int, int]) -> "np.ndarray":
        """The pixels, uint8 (N, H, W, C), that a network whose input is (C, H, W) sees of picture files."""
        import numpy as np

        channels, height, width = size

        data = self.page.ask("pixels", b"".join(files), sizes=list(map(len, files))).data
        return np.frombuffer(data, np.uint8).reshape(-1, height, width, channels)

    def close(self) -> None:
        self.page.close()


def png(image: "np.ndarray") -> bytes:
    """Pixels, uint8 (H, W, C), as a file that loses nothing."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(file, "PNG", compress_level=1)
    return file.getvalue()
