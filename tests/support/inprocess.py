"""Verbs in the test's own process, which has PyTorch imported already: for all that does not need a process."""

from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

from typer.testing import CliRunner

from reszoo.cli.main import app
from reszoo.core.errors import ReszooError


def reszoo(*arguments: str, cwd: Path) -> CompletedProcess[str]:
    """As a subprocess would end; an error that is not reszoo's own is raised."""
    with chdir(cwd):
        done = CliRunner().invoke(app, arguments)
    if isinstance(error := done.exception, ReszooError):
        return CompletedProcess(arguments, error.exit_code, done.stdout, f"{done.stderr}error: {error}\n")
    if error and not isinstance(error, SystemExit):
        raise error
    return CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)
