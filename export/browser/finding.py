"""The browser that is here: the one that RESZOO_BROWSER names, else the first of Chromium's family."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from ...core.errors import UnavailableError
from ...core.types import Unavailable

VARIABLE = "RESZOO_BROWSER"
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FIX = f"Install Chromium (apt-get install chromium), or name a browser of its family with {VARIABLE}."
PATIENCE_S = 60.0


def find() -> str | None:
    """The program, or None."""
    chosen = os.environ.get(VARIABLE)
    return next((path for name in ([chosen] if chosen else NAMES) if (path := shutil.which(name))), None)


def unavailable(what: str) -> Unavailable | None:
    """Why there is no browser for `what`, or None."""
    if find():
        return None
    chosen = os.environ.get(VARIABLE)
    reason = f"{VARIABLE} names {chosen}, which is no program" if chosen else "there is no Chromium on this machine"
    return Unavailable(what=what, reason=reason, fix=FIX)


def version(program: str) -> str:
    """As it tells it: "Chromium 156.0.8078.108". Raises UnavailableError for a program that is no browser."""
    return _version(str(Path(program).resolve()))


@cache
def _version(program: str) -> str:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=PATIENCE_S)
        said = done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    if not said:
        raise UnavailableError(f"{program} does not tell its version, so it is no browser", FIX)
    words = said.split()
    last = next((at for at, word in enumerate(words) if word[0].isdigit()), len(words) - 1)
    return " ".join(words[: last + 1])
