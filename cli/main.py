"""The command line: one file a verb (verbs.py), and turns errors into one or two lines and an exit code."""

import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from ..core.errors import ReszooError
from ..core.files import REFUSED
from . import output, outputs
from .guard import FIXES, guarded
from .spelling import spelled, use
from .verbs import Verbs

ENDING = (signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    name="reszoo",
    cls=Verbs,
    help="From a trained ResNet to the fastest artifact that keeps its accuracy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed or a gate not met, 2 wrong usage, 3 something needed is unavailable, "
    "128 + N ended by signal N.",
)
use(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"reszoo {version('reszoo')}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", envvar="RESZOO_DEBUG", help="Show tracebacks.")] = False,
) -> None:
    os.environ["RESZOO_DEBUG"] = "1" if debug else ""  # worker processes see it too


def main() -> None:
    outputs.prepare()
    end_on_signals()
    try:
        verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        if verb in FIXES:
            guarded(_verb, FIXES[verb])
        else:
            _verb()
    except ReszooError as error:
        _report(error, error.problem, error.fix)
        sys.exit(error.exit_code)
    except Exception as error:
        _report(error, *_told(error))
        sys.exit(1)


def _verb() -> None:
    with outputs.written():
        app()


def end_on_signals() -> None:
    """SIGTERM and SIGHUP end a verb as an error does, so that what is temporary goes; what ignores one still does."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    for each in ENDING:  # a second one would interrupt the cleaning up
        signal.signal(each, lambda *_: None)  # to ignore it would be inherited by what is started from here on
    sys.exit(128 + number)


def _told(error: Exception) -> tuple[str, str]:
    """The problem and the fix of an error that no part of reszoo explains."""
    if isinstance(error, OSError) and error.errno and error.filename:
        problem = f"cannot use {os.fsdecode(error.filename)}: {os.strerror(error.errno)}"
        if error.errno in REFUSED:
            return problem, "Give yourself permission there; RESZOO_CACHE chooses another folder for what reszoo keeps."
        return problem, "Name another place."
    if isinstance(error, FileNotFoundError) and not _is_here():
        return "the folder that you are in was deleted", "Change to another one."
    if isinstance(error, MemoryError):
        return f"out of memory: {error}".rstrip(": "), "Free some memory, or give less at once: a smaller batch."
    text = str(error).strip().split("\n")[0]
    return f"unexpected {type(error).__name__}: {text}", "This is a defect: reszoo --debug VERB ... shows where."


def _is_here() -> bool:
    try:
        return Path.cwd().exists()
    except OSError:
        return False


def _report(error: Exception, problem: str, fix: str) -> None:
    if os.environ.get("RESZOO_DEBUG"):
        traceback.print_exception(error)
    from rich.markup import escape

    output.err_console().print(f"[bold red]error:[/] {escape(spelled(problem))}")
    if fix:
        output.err_console().print(fix, markup=False)


if __name__ == "__main__":  # for torchrun -m reszoo.cli.main
    main()
