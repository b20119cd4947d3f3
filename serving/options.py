"""What the user chooses about a server."""

from typing import Annotated

import msgspec

from ..core.choices import Choices
from ..core.types import Positive


class ServeOptions(Choices, frozen=True, kw_only=True):
    """What the user chose about a server. Of several workers, each has a queue, connections and bodies of its own.

    Attributes:
        host: The address that it listens at.
        port: 0 is any that is free.
        workers: Processes, each with the model.
        threads: Of the engine in each worker; None shares the cores that this process may use among the workers.
        max_batch: The most images that are computed together, and that one request may bring.
        max_delay_ms: How long an image may wait for others to be computed with.
        queue: The most images that may wait; above it the answer is 429.
        max_body_bytes: Of one request.
        max_pixels: Of one picture.
        timeout_s: How long a client may take to send one request, or to fetch its answer.
        idle_s: How long a connection is kept without a request.
        connections: The most at a time.
        grace_s: How long the requests in flight may take after the server was told to stop.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    threads: Positive | None = None
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 32
    max_delay_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 0.0
    queue: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 256
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 30)] = 16 << 20
    max_pixels: Annotated[int, msgspec.Meta(ge=1, le=1 << 28)] = 50_000_000
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    idle_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 75.0
    connections: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] = 1024
    grace_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 30.0
