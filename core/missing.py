"""What is not on this machine: as a value for tables, and as an error."""

from importlib.util import find_spec

from .errors import UnavailableError
from .types import Unavailable


def not_installed(extra: str, *modules: str, what: str = "") -> Unavailable | None:
    """What is missing if one of these modules, which that extra brings, cannot be found. Imports none of them.

    `what` is what cannot be used then; "" is what is called like the extra.
    """
    for name in modules:
        if find_spec(name) is None:
            reason, fix = f"the package {name} is not installed", f"pip install 'reszoo[{extra}]'"
            return Unavailable(what=what or extra, reason=reason, fix=fix, package=name)
    return None


def require(module: str, what: str, extra: str = "") -> None:
    """Raises UnavailableError where this module of that extra ("": of its own name) is not installed.

    `what` is what it is needed for: "to train".
    """
    if missing := not_installed(extra or module, module):
        raise UnavailableError(f"{missing.reason}, and is needed {what}", missing.fix)


def unavailable_error(missing: Unavailable) -> UnavailableError:
    return UnavailableError(f"{missing.what} is not available here: {missing.reason}", missing.fix)
