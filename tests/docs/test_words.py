"""The field's words: those that were reszoo's own are left in the changelog alone, and where older files are read."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDER = "noun lineage payoff ladder rung wish anatomy stopwatch suspect unrest raced examination excerpt race.json"
WORD = re.compile(rf"(?<![\w-])({OLDER.replace(' ', '|')})(e?s)?(?![\w-])", re.IGNORECASE)
KINDS = {".py", ".md", ".toml", ".js", ".css", ".sh", ".yml"}
OURS = (
    "bench cli core datasets docs examples export models prune quantize reporting scripts studies tests training "
    "workflows zoo"
)
READERS = {"core/migrations.py", "workflows/pruning/older.py", "docs/changelog.md"}
READERS |= {f"tests/{name}" for name in ("docs/test_words.py", "workflows/test_older_documents.py")}
READERS |= {"tests/workflows/pruning/test_older.py"}


def test_older_words_are_left_where_older_files_are_read_alone() -> None:
    files = [path for folder in OURS.split() for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    files += [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "src" / "reszoo").glob("*.py")]
    names = {path.relative_to(ROOT).as_posix() for path in files} - READERS
    assert len(names) > 400
    left = [
        f"{name}:{number}: {line.strip()}"
        for name in sorted(names)
        if not name.startswith("tests/documents/")
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if WORD.search(line)
    ]
    assert left == []
