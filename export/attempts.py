"""An export as a value: the artifact, or why it cannot be made here, or what went wrong."""

import os
import shlex
from collections.abc import Callable

from msgspec.structs import replace

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.measured import Failure
from ..core.types import Artifact, Checkpoint, Unavailable
from .candidates import export_config
from .commands import exporting
from .contract.format import formats
from .contract.options import ExportOptions
from .exporting import checked

Outcome = Artifact | Unavailable | Failure


def attempt(checkpoint: Checkpoint, format_name: str, options: ExportOptions, make: Callable[[], Artifact]) -> Outcome:
    """What `make` gives, which exports in this way. Errors are values; but for unexpected ones, with RESZOO_DEBUG."""
    what = f"{checkpoint.ref} as {format_name} {options.precision}"
    try:
        if missing := missing_for(format_name, options):
            return replace(missing, what=what)
        return make()
    except UnavailableError as error:
        return Unavailable(what=what, reason=error.problem, fix=error.fix)
    except ReszooError as error:
        return Failure(what=what, reason=error.problem, fix=error.fix)
    except Exception as error:  # the makers' converters have errors of many kinds
        if os.environ.get("RESZOO_DEBUG"):
            raise
        said = str(error).strip().split("\n")[0]
        words = ["export", checkpoint.ref, "--to", format_name, *exporting(export_config(options))]
        fix = f"`reszoo --debug {shlex.join(words)}` shows where."
        return Failure(what=what, reason=f"unexpected {type(error).__name__}: {said}", fix=fix)


def missing_for(format_name: str, options: ExportOptions) -> Unavailable | None:
    """Why such an export is not even tried: the format's packages are not here, or it has no such options."""
    plugin = formats()[format_name]
    if missing := plugin.unavailable():
        return missing
    try:
        checked(options, plugin)
    except UsageError as error:
        return Unavailable(what=format_name, reason=error.problem, fix=error.fix)
    return None
