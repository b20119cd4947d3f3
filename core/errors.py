"""The errors a user can meet: what went wrong, how to mend it, and the exit code it ends with."""


class ReszooError(Exception):
    """Something failed, or a gate was not met.

    `str(error)` is one or two lines: the problem, then the fix. The command line prints just that.
    """

    exit_code = 1

    def __init__(self, problem: str, fix: str = "") -> None:
        super().__init__(f"{problem}\n{fix}" if fix else problem)
        self.problem = problem
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        """Between processes: a subclass may take other arguments than these."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[ReszooError], args: tuple[object, ...], fields: dict[str, object]) -> ReszooError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class UsageError(ReszooError):
    """The request cannot be meant: an unknown name, a value out of range, a file of the wrong kind."""

    exit_code = 2


class UnavailableError(ReszooError):
    """The request is fine, but something it needs is not on this machine."""

    exit_code = 3


class NotFoundError(UnavailableError):
    """There is no such file at an address that answers."""
