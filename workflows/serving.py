"""`serve`: a model behind HTTP."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..core.errors import UsageError
from ..core.missing import require
from ..core.types import Artifact, Checkpoint

if TYPE_CHECKING:
    from ..serving.options import ServeOptions

Model = Checkpoint | Artifact


class Order(NamedTuple):
    """What a worker is told: the model's folder, the engine, and the options."""

    folder: str
    runtime: str
    options: dict[str, Any]


class Served(NamedTuple):
    """A server that is ready."""

    address: str
    model: str
    format: str
    precision: str
    runtime: str
    threads: int


def serve(
    model: Model,
    *,
    runtime: str | None = None,
    options: "ServeOptions | None" = None,
    ready: Callable[[Served], None] = lambda served: None,
) -> None:
    """Serve the model over HTTP until SIGTERM or SIGINT: the Open Inference Protocol, and a page for pictures.

    Requests in flight are answered before it returns.

    Args:
        model: An artifact, or a checkpoint, which is exported into the cache first.
        runtime: The engine; None is ONNX Runtime for a checkpoint, and the first that runs an artifact here.
        options: Where it listens, how it batches, and its limits; None is all defaults.
        ready: Is told when requests are taken, and where.

    Raises:
        UsageError: The runtime does not run the model, or the address is taken.
        UnavailableError: The extra `serve` is not installed, or the runtime is not on this machine.
        ReszooError: The model cannot be loaded, or requests had to be left unanswered.
    """
    for package in ("httptools", "prometheus_client"):
        require(package, "to serve", "serve")
    from ..export import predicting
    from ..serving.options import ServeOptions
    from ..serving.supervisor import Supervisor

    options = options or ServeOptions()
    found, engine, variant = predicting.resolve(
        model, runtime or ("onnxruntime" if isinstance(model, Checkpoint) else None)
    )
    if engine.is_in_browser:
        raise UsageError(f"{engine.name} runs in a browser only", "Export the checkpoint to another format: `to=onnx`.")
    name = f"{engine.name}:{variant}" if variant else engine.name
    order = Order(str(found.path), name, msgspec.to_builtins(options))

    def command(listening: int, telling: int) -> list[str]:
        module = f"{__package__}.serving_worker"
        return [sys.executable, "-P", "-m", module, json.dumps(order), str(listening), str(telling)]

    def told(address: str, message: dict[str, Any]) -> None:
        ready(Served(address, found.source_ref, found.format, found.precision, name, message["threads"]))

    Supervisor(command, options).run(told)


def run_worker(order: Order, listening: int, ready: Callable[[int], None]) -> int:
    """Load the model and serve it; gives how many requests were left unanswered. `ready` is told the threads."""
    import socket

    from ..core.hosts import available_cores
    from ..serving.app import Loaded
    from ..serving.options import ServeOptions
    from ..serving.worker import run
    from .predicting import loaded_model
    from .references import resolve

    options = msgspec.convert(order.options, ServeOptions)
    threads = options.threads or max(available_cores() // options.workers, 1)
    model = resolve(Path(order.folder))
    with loaded_model(model, order.runtime, threads=threads) as (candidate, runtime, session):
        loaded = Loaded(candidate, session, runtime, threads)
        return run(loaded, options, socket.socket(fileno=listening), lambda: ready(threads))
