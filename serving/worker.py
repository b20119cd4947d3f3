"""One process of a server: an event loop on a socket, until a signal ends it."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable

from .app import App, Loaded
from .http import BACKLOG, SWEEP_S, Connection
from .options import ServeOptions


def run(loaded: Loaded, options: ServeOptions, listening: socket.socket, ready: Callable[[], None]) -> int:
    """Serve until SIGTERM or SIGINT; gives how many requests could not be answered. A second signal waits for none."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(loaded, options, listening, ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is; asyncio's own does the same in more time."""
    try:
        import uvloop
    except ImportError:
        return None
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return new_event_loop


async def _serve(loaded: Loaded, options: ServeOptions, listening: socket.socket, ready: Callable[[], None]) -> int:
    loop = asyncio.get_running_loop()
    app, told = App(loaded, options), asyncio.Event()
    stopping: list[int] = []

    def stop() -> None:
        stopping.append(1)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    server = await loop.create_server(lambda: Connection(app.site), sock=listening, backlog=BACKLOG)
    ready()
    while not told.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), SWEEP_S)
        app.site.sweep()
        app.metrics.waiting.set(app.batcher.images)
    server.close()
    app.batcher.hurry()
    draining = asyncio.ensure_future(app.site.drain(options.grace_s))
    while not draining.done():
        await asyncio.wait([draining], timeout=SWEEP_S)
        if len(stopping) > 1 and not draining.done():
            draining.cancel()
            return await app.site.drain(0)
    app.close()
    return draining.result()
