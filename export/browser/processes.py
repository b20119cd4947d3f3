"""The processes of a program that starts others: a browser is a dozen (Linux; elsewhere none are seen)."""

from pathlib import Path

PROC = Path("/proc")


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        if (parent := _parent(folder)) is not None:
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:  # which grows meanwhile
        found += children.get(each, [])
    return found


def _parent(folder: Path) -> int | None:
    """None for a process that has just ended."""
    try:
        after_the_name = (folder / "stat").read_text().rpartition(")")[2]
    except OSError:
        return None
    return int(after_the_name.split()[1])
