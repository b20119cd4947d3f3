"""`reszoo serve`: a model behind HTTP, until it is told to stop."""

from typing import TYPE_CHECKING, Annotated

import typer

from . import output

if TYPE_CHECKING:
    from ..workflows.serving import Served

MIB = 1 << 20


def serve(
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="The folder of an artifact or a checkpoint, or a checkpoint's name.")
    ],
    host: Annotated[
        str,
        typer.Option(help="The address to listen at; 0.0.0.0 lets other machines in.", rich_help_panel="Server"),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 is any that is free.", rich_help_panel="Server")
    ] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each with the model.", rich_help_panel="Server")] = 1,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The engine.",
            show_default="onnxruntime for a checkpoint, or the first that runs the artifact",
            rich_help_panel="Engine",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of the engine, in each worker.",
            show_default="the cores' time that the process has, shared among workers",
            rich_help_panel="Engine",
        ),
    ] = None,
    max_batch: Annotated[
        int,
        typer.Option(min=1, help="The most images that are computed together.", rich_help_panel="Batching"),
    ] = 32,
    max_delay: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="MS",
            help="How long an image waits for others to be computed with; with 0, only while others are computed.",
            rich_help_panel="Batching",
        ),
    ] = 0.0,
    queue: Annotated[
        int,
        typer.Option(min=1, help="The most images that wait; above it, the answer is 429.", rich_help_panel="Limits"),
    ] = 256,
    max_body: Annotated[
        float, typer.Option(min=0.001, metavar="MIB", help="The longest body of a request.", rich_help_panel="Limits")
    ] = 16,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="The most pixels of a picture.", rich_help_panel="Limits")
    ] = 50_000_000,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="SECONDS", help="How long a client may take to send a request.", rich_help_panel="Limits"
        ),
    ] = 30,
    grace: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="How long requests in flight may take when the server stops.",
            rich_help_panel="Limits",
        ),
    ] = 30,
    json: Annotated[
        bool, typer.Option("--json", help="Print the address and the model as JSON.", rich_help_panel="Output")
    ] = False,
) -> None:
    """Serve a model over HTTP, until Ctrl-C or SIGTERM; requests in flight are answered before it ends.

    It speaks the Open Inference Protocol (/v2/...), in JSON and with binary tensors, as Triton and OpenVINO Model
    Server do, so their clients work. POST /predict takes a picture and gives its classes, / is a page to drop pictures
    on, /metrics is for Prometheus. There is no encryption and no password: put a proxy before it that has them.

    Example: reszoo serve digits-onnx --port 8000 --workers 2
    """
    from ..core.missing import require

    require("httptools", "to serve", "serve")
    from ..serving.options import ServeOptions
    from ..workflows.references import resolve
    from ..workflows.serving import serve as run

    options = ServeOptions(
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        max_batch=max_batch,
        max_delay_ms=max_delay,
        queue=queue,
        max_body_bytes=int(max_body * MIB),
        max_pixels=max_pixels,
        timeout_s=timeout,
        grace_s=grace,
    )
    with output.bar() as progress:
        target = resolve(ref, progress)
    run(target, runtime=runtime, options=options, ready=lambda served: _tell(served, json))


def _tell(served: "Served", json: bool) -> None:
    if json:
        output.print_json(served._asdict())
    else:
        threads = f"{served.threads} thread{'s' if served.threads > 1 else ''}"
        about = f"{served.model}, {served.format} {served.precision}, in {served.runtime} with {threads}"
        output.console().print(f"{about}\n{served.address}", markup=False)
    output.console().file.flush()
