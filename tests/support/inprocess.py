"""Verbs in the test's own process, which has PyTorch imported already: for all that does not need a process."""

from contextlib import chdir
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.testing import CliRunner

from reszoo.cli.main import app
from reszoo.cli.spelling import spelled
from reszoo.core.errors import ReszooError


def reszoo(*arguments: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
    """As a subprocess would end; an error that is not reszoo's own is raised."""
    words = [str(argument) for argument in arguments]
    with chdir(cwd or Path.cwd()), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESZOO_DEBUG", "")  # the verb sets it for its workers: put back afterwards
        done = CliRunner().invoke(app, words)
    if isinstance(error := done.exception, ReszooError):
        return CompletedProcess(words, error.exit_code, done.stdout, f"{done.stderr}error: {spelled(str(error))}\n")
    if error and not isinstance(error, SystemExit):
        raise error
    return CompletedProcess(words, done.exit_code, done.stdout, done.stderr)
