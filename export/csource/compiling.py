"""A C compiler, and what it makes of a folder of sources."""

import shutil
import subprocess
from pathlib import Path

from ...core.errors import ReszooError
from ...core.types import Unavailable

COMPILERS = ("cc", "gcc", "clang")
LIBRARY = "libmodel.so"
TIMES = Path(__file__).with_name("files") / "times.c"
FLAGS = ("-O3", "-std=c11", "-fPIC", "-shared", "-s")
LINES = 5  # of what a compiler says in the end
LIMIT_S = 600


def compiler() -> str | None:
    """The name of the first C compiler that is here."""
    return next((name for name in COMPILERS if shutil.which(name)), None)


def unavailable(what: str) -> Unavailable | None:
    if compiler() is not None:
        return None
    fix = "Install gcc or clang, as by `apt install gcc libc6-dev`."
    return Unavailable(what=what, reason=f"there is no C compiler ({', '.join(COMPILERS)})", fix=fix)


def version() -> str:
    """Of the compiler, in its own words."""
    found = compiler()
    if found is None:
        return ""
    done = subprocess.run([found, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return (done.stdout.splitlines() or [""])[0]


def build(sources: Path, library: Path, *options: str) -> None:
    """Compile all of a folder's sources but the example into one shared library; options may name more.

    Raises ReszooError with the compiler's last lines where it fails.
    """
    found = compiler()
    if found is None:
        missing = unavailable("c")
        raise ReszooError("there is no C compiler to build the model with", missing.fix if missing else "")
    names = sorted(path.name for path in sources.glob("*.c") if path.name != "example.c")
    command = [found, *FLAGS, *options, "-o", str(library.absolute()), *names]
    try:
        done = subprocess.run(
            command, cwd=sources, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ReszooError(f"{found} was not done after {LIMIT_S} s", "Export a smaller network.") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-LINES:])
        raise ReszooError(
            f"{found} cannot build the model, it ended with {done.returncode}:\n{said}",
            f"Mend the compiler, or put another of {', '.join(COMPILERS)} first in PATH.",
        )
