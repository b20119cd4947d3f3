"""Typed documents: records as JSON or TOML files with a schema number, validated on the way in.

A wrong document gets an error that names the file, the field, what was expected and how to mend it.
"""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .errors import ReszooError
from .files import write_atomic
from .types import Record

T = TypeVar("T", bound=Record)


def write_json(path: Path, record: Record) -> None:
    """Write `record` with the schema number, indented, whole or not at all."""
    write_atomic(path, encode(record) + b"\n")


def encode(record: Record) -> bytes:
    document = {"schema": record.schema.newest, **record.schema.write(to_builtins(record))}
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def to_builtins(record: msgspec.Struct) -> dict[str, Any]:
    """The record as plain dicts and lists, paths as text."""
    plain: dict[str, Any] = msgspec.to_builtins(record, enc_hook=str)
    return plain


def read_json(path: Path, kind: type[T], fix: str) -> T:
    """Read a document of `kind`. `fix` says how the user gets a good one."""
    try:
        document = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise ReszooError(f"{path} does not exist", fix) from None
    except OSError as error:
        raise ReszooError(f"{path} cannot be read: {error.strerror}", fix) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReszooError(f"{path} is not valid JSON: {error}", fix) from error
    return convert(document, kind, str(path), fix)


def read_toml(path: Path, kind: type[T], fix: str) -> T:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReszooError(f"{path} is not valid TOML: {error}", fix) from error
    return convert(document, kind, str(path), fix)


def convert(document: object, kind: type[T], where: str, fix: str) -> T:
    """Check a decoded document (with its `schema`) against `kind` and build it."""
    if not isinstance(document, dict):
        raise ReszooError(f"{where}: expected an object at the top, got {type(document).__name__}", fix)
    fields = dict(document)
    schema, readers = fields.pop("schema", None), kind.schema.readers
    if schema not in tuple(readers):
        known = " or ".join(map(str, readers))
        raise ReszooError(f"{where}: schema is {schema!r}, this version of reszoo reads schema {known}", fix)
    try:
        return msgspec.convert(readers[schema](fields), kind, dec_hook=_decode_path)
    except ValueError as error:  # of the reader, or msgspec's
        raise ReszooError(f"{where}: {error}", fix) from error


def _decode_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
