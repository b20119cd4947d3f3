"""The section of a version in CHANGELOG.md, for the notes of its release: `python scripts/release_notes.py 0.2.0`."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(version: str, changelog: str) -> str:
    """The text below the version's heading. Raises ValueError where there is none, or nothing below it."""
    found = re.search(
        rf"^## {re.escape(version)}(?: - [0-9-]+)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if found is None or not found[1].strip():
        raise ValueError(f"CHANGELOG.md says nothing of {version}")
    return found[1].strip() + "\n"


def main(version: str) -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if packaged != version:
        sys.exit(f"the tag is of {version}, pyproject.toml of {packaged}")
    try:
        sys.stdout.write(notes(version, (ROOT / "CHANGELOG.md").read_text()))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
