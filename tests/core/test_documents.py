"""A wrong document names the file, the field, what was expected, and the fix."""

import os
from pathlib import Path
from typing import ClassVar

import pytest

from reszoo.core.documents import read_json, read_toml, write_json
from reszoo.core.errors import ReszooError
from reszoo.core.limits import DOCUMENT_BYTES
from reszoo.core.schemas import Schema, unchanged
from reszoo.core.types import Artifact, Certificate, Preprocess, Record

SCHEMA_1 = Path(__file__).resolve().parents[1] / "documents" / "schema1"
GOOD = Preprocess(mean=(0.5,), std=(0.25,), input=(1, 8, 8))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_json(tmp_path / "p.json", GOOD)
    assert read_json(tmp_path / "p.json", Preprocess, "fix") == GOOD


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("\udcff", "not valid JSON"),
        ("[]", "expected an object at the top, got list"),
        ('{"mean": []}', "schema is None"),
        ('{"schema": 2}', "schema is 2, this version of reszoo reads schema 1"),
        ('{"schema": 1, "mean": [0.5], "std": [0.25]}', "missing required field `input`"),
        ('{"schema": 1, "mean": [0.5], "std": ["x"], "input": [1, 8, 8]}', r"Expected `float`, got `str` - at `\$.std"),
        ('{"schema": 1, "mean": [0.5], "std": [0.25], "input": [1, 8, 8], "colour": 1}', "unknown field `colour`"),
        ('{"schema": 1, "mean": [0.5, 0.5], "std": [0.25], "input": [1, 8, 8]}', "mean has 2 values, std has 1"),
        ('{"schema": 1, "mean": [0.5], "std": [0.0], "input": [1, 8, 8]}', "every value of std must be above 0"),
    ],
)
def test_a_wrong_document_is_explained(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ReszooError, match=message) as caught:
        read_json(path, Preprocess, "do this")
    assert str(path) in caught.value.problem
    assert caught.value.fix == "do this"


def test_a_folder_or_nothing_at_all_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ReszooError, match="does not exist"):
        read_json(tmp_path / "none.json", Preprocess, "")
    with pytest.raises(ReszooError, match="cannot be read"):
        read_json(tmp_path, Preprocess, "")


def test_a_document_that_is_deep_or_large_or_no_file_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ReszooError, match="not valid JSON: maximum recursion depth"):
        read_json(path, Preprocess, "")
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(ReszooError, match="not valid TOML: maximum recursion depth"):
        read_toml(path, Preprocess, "")
    with path.open("wb") as file:
        file.truncate(DOCUMENT_BYTES + 1)
    with pytest.raises(ReszooError, match=r"bytes, and 33,554,432 are the most"):
        read_json(path, Preprocess, "")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReszooError, match="it is no file"):
        read_json(tmp_path / "pipe", Preprocess, "")


def test_a_toml_document_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ReszooError, match="does not exist"):
        read_toml(tmp_path / "none.toml", Preprocess, "")
    with pytest.raises(ReszooError, match="cannot be read"):
        read_toml(tmp_path, Preprocess, "")


class Length(Record, frozen=True, kw_only=True):
    """Of which schema 1 had centimetres, and which is a text on disk since schema 3."""

    schema: ClassVar[Schema] = Schema(
        write=lambda fields: {"metres": str(fields["metres"])},
        readers={
            1: lambda fields: {"metres": fields["centimetres"] / 100},
            2: unchanged,
            3: lambda fields: {"metres": float(fields["metres"])},
        },
    )

    metres: float


@pytest.mark.parametrize(
    "content", ['{"schema": 1, "centimetres": 150}', '{"schema": 2, "metres": 1.5}', '{"schema": 3, "metres": "1.5"}']
)
def test_every_schema_of_a_kind_is_read_and_the_newest_is_written(content: str, tmp_path: Path) -> None:
    path = tmp_path / "length.json"
    path.write_text(content)
    found = read_json(path, Length, "")
    assert found == Length(metres=1.5)
    write_json(path, found)
    assert path.read_text() == '{\n  "schema": 3,\n  "metres": "1.5"\n}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": 4}', "schema is 4, this version of reszoo reads schema 1 or 2 or 3"),
        ('{"schema": []}', r"schema is \[\]"),
        ('{"schema": 3, "metres": "long"}', "could not convert string to float: 'long'"),
        ('{"schema": 2, "metres": "long"}', r"Expected `float`, got `str` - at `\$.metres`"),
    ],
)
def test_a_wrong_document_of_any_schema_is_explained(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "length.json"
    path.write_text(content)
    with pytest.raises(ReszooError, match=message) as caught:
        read_json(path, Length, "do this")
    assert str(path) in caught.value.problem


def test_an_integer_artifact_of_schema_1_is_read_and_has_its_certificate(tmp_path: Path) -> None:
    made = read_json(SCHEMA_1 / "int8_artifact.json", Artifact, "")
    assert made.certificate == Certificate(layers=10, unchanged_layers=2, rescaled_channels=250)
    assert str(made.certificate) == "safe: 2 of 10 layers unchanged, 250 channels rescaled"
    assert (made.source_ref, made.precision) == ("resnet8_v1.reszoo_digits", "int8")
    write_json(tmp_path / "artifact.json", made)
    assert read_json(tmp_path / "artifact.json", Artifact, "") == made
    assert b'"schema": 2' in (tmp_path / "artifact.json").read_bytes()
