"""`reszoo cache`: what is in the cache, whether it is undamaged, and what can go."""

from typing import Annotated

import typer

from ..core.errors import ReszooError
from . import output

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(no_args_is_help=True, help="Look after the cache of downloaded checkpoints.")


@app.command("list")
def list_(json: Json = False) -> None:
    """List the checkpoints in the cache.

    Example: reszoo cache list
    """
    from ..zoo import cache

    entries = cache.checkpoints()
    if json:
        output.print_json(entries)
        return
    table = output.table("ref", "size", "folder", right=("size",))
    for entry in entries:
        table.add_row(entry.path.name, output.size(entry.size_bytes), str(entry.path))
    output.console().print(table)


@app.command()
def path() -> None:
    """Print the cache's folder; RESZOO_CACHE chooses another one.

    Example: reszoo cache path
    """
    from ..core.files import cache_dir

    output.echo(str(cache_dir()))


@app.command()
def verify(json: Json = False) -> None:
    """Hash the weights of every checkpoint in the cache again. Exits with 1 if one is damaged.

    Example: reszoo cache verify
    """
    from ..zoo import cache

    problems = cache.verify()
    if json:
        output.print_json(problems)
    else:
        table = output.table("ref", "state")
        for ref, problem in problems.items():
            table.add_row(ref, problem or "good")
        output.console().print(table)
    if bad := [ref for ref, problem in problems.items() if problem]:
        raise ReszooError(
            f"{len(bad)} of {len(problems)} checkpoints are damaged: {', '.join(bad)}",
            f"Download them again: reszoo download {' '.join(bad)}",
        )


@app.command()
def gc(
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Remove checkpoints, downloads, exports, latency tables, answers of networks and "
            "unfinished searches as well.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing: list what would go.")] = False,
    json: Json = False,
) -> None:
    """Remove partial downloads and what killed processes left behind. What is in use stays, and so do data sets.

    Example: reszoo cache gc
    """
    from ..zoo import cache

    removed = cache.collect_garbage(everything=everything, dry_run=dry_run)
    if json:
        output.print_json(removed)
        return
    for entry in removed:
        output.echo(f"{'would remove' if dry_run else 'removed'} {entry.path} ({output.size(entry.size_bytes)})")
    freed = output.size(sum(entry.size_bytes for entry in removed))
    output.echo(f"{freed} {'to free' if dry_run else 'freed'}" if removed else "nothing to remove")
