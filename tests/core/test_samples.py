"""Measurements and comparisons on disk: packed, exact, and as they were before they were packed."""

import json
from pathlib import Path

import pytest
from measurements import a_comparison, a_measurement

from reszoo.core.documents import encode, read_json, to_builtins, write_json
from reszoo.core.errors import ReszooError
from reszoo.core.measured import Comparison, Measurement

SCHEMA_1 = Path(__file__).resolve().parents[1] / "documents" / "schema1"


@pytest.mark.parametrize("record", [a_measurement(n=1000), a_comparison()], ids=["measurement", "comparison"])
def test_every_sample_comes_back_exactly_and_nothing_else_is_packed(
    record: Measurement | Comparison, tmp_path: Path
) -> None:
    write_json(tmp_path / "x.json", record)
    assert read_json(tmp_path / "x.json", type(record), "") == record
    document = json.loads((tmp_path / "x.json").read_text())
    assert document.pop("schema") == 3
    plain = json.loads(json.dumps(to_builtins(record)))
    changed = {name for name in plain if plain[name] != document[name]}
    assert changed == {"samples_s" if isinstance(record, Measurement) else "rounds"}


@pytest.mark.parametrize(("name", "kind"), [("measurement", Measurement), ("comparison", Comparison)])
def test_a_file_of_schema_1_is_read_and_written_in_less_room(
    name: str, kind: type[Measurement | Comparison], tmp_path: Path
) -> None:
    old = SCHEMA_1 / f"{name}.json"
    plain = json.loads(old.read_text())
    assert plain.pop("schema") == 1
    record = read_json(old, kind, "")
    now = json.loads(json.dumps(to_builtins(record)))
    for field in ("samples_s", "rounds"):
        assert now.get(field) == plain.get(field)
    write_json(tmp_path / "new.json", record)
    assert read_json(tmp_path / "new.json", kind, "") == record
    assert len((tmp_path / "new.json").read_bytes()) < len(json.dumps(plain, indent=2))


def test_a_round_lists_who_ran_in_one_line_each() -> None:
    first = json.loads(encode(a_comparison()))["rounds"][0]
    assert first["order"] == "2 0 1 1 0 2"
    assert first["lengths"] == ["1 1", "2 2", "3 3"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"order": "0 1 2 3"}, r"`\$\.rounds\[1\]` has more blocks"),
        ({"order": "0 1"}, r"`\$\.rounds\[1\]` has more lengths or samples"),
        ({"lengths": ["1 1", "1 1", "1 2"]}, r"`\$\.rounds\[1\]` has more blocks"),
        ({"order": "0 x"}, "invalid literal"),
        ({"samples_s": [1, 2, 3]}, r"`\$\.rounds\[1\]\.samples_s\[0\]` is no packed series"),
        ({"order": None}, r"Expected `str`, got `null`"),
    ],
)
def test_a_damaged_round_is_named(change: dict[str, object], problem: str, tmp_path: Path) -> None:
    document = json.loads(encode(a_comparison()))
    document["rounds"][1] |= change
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ReszooError, match=problem) as caught:
        read_json(path, Comparison, "Measure again.")
    assert str(path) in caught.value.problem


@pytest.mark.parametrize(("name", "kind"), [("measurement", Measurement), ("comparison", Comparison)])
def test_another_document_says_what_it_is_not(name: str, kind: type[Measurement | Comparison], tmp_path: Path) -> None:
    (tmp_path / "artifact.json").write_text('{"schema": 2, "formats": {}}')
    with pytest.raises(ReszooError, match=f"artifact.json: it is no {name}: it has no `"):
        read_json(tmp_path / "artifact.json", kind, "")
