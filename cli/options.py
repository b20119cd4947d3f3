"""Values of options that several verbs share."""

from ..core.errors import UsageError


def parse_counts(text: str, option: str) -> list[int]:
    """ "1,32" -> [1, 32]; anything but positive whole numbers is a usage error."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise UsageError(f"{option} {text!r} is not a list of positive whole numbers", f"Write it as {option} 1,32.")
    return list(dict.fromkeys(counts))
