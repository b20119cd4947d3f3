"""Typed documents: records as JSON or TOML files with a schema number, validated on the way in.

A wrong document gets an error that names the file, the field, what was expected and how to mend it.
"""

import stat
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .errors import ReszooError
from .files import write_atomic
from .limits import DOCUMENT_BYTES
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
        document = msgspec.json.decode(content_of(path, fix))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReszooError(f"{path} is not valid JSON: {error}", fix) from error
    return convert(document, kind, str(path), fix)


def read_toml(path: Path, kind: type[T], fix: str) -> T:
    try:
        document = tomllib.loads(content_of(path, fix).decode())
    except (ValueError, RecursionError) as error:  # tomllib's own, or of its digits or bytes
        raise ReszooError(f"{path} is not valid TOML: {error}", fix) from error
    return convert(document, kind, str(path), fix)


def content_of(path: Path, fix: str) -> bytes:
    """The bytes of a document. Raises ReszooError for what is none: a folder, a pipe, a file that fills the memory."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ReszooError(f"{path} cannot be read: it is no file", fix)
        if status.st_size > DOCUMENT_BYTES:
            raise ReszooError(f"{path} has {status.st_size:,} bytes, and {DOCUMENT_BYTES:,} are the most", fix)
        return path.read_bytes()
    except FileNotFoundError:
        raise ReszooError(f"{path} does not exist", fix) from None
    except (OSError, ValueError) as error:  # a name with a zero byte is the latter
        raise ReszooError(f"{path} cannot be read: {getattr(error, 'strerror', error)}", fix) from error


def convert(document: object, kind: type[T], where: str, fix: str) -> T:
    """Check a decoded document (with its `schema`) against `kind` and build it."""
    if not isinstance(document, dict):
        raise ReszooError(f"{where}: expected an object at the top, got {type(document).__name__}", fix)
    fields = dict(document)
    schema, readers = fields.pop("schema", None), kind.schema.readers
    if type(schema) is not int or schema not in readers:
        known = " or ".join(map(str, readers))
        raise ReszooError(f"{where}: schema is {schema!r}, this version of reszoo reads schema {known}", fix)
    try:
        return msgspec.convert(readers[schema](fields), kind, dec_hook=_decode_path)
    except (ValueError, RecursionError) as error:  # of the reader, or msgspec's
        raise ReszooError(f"{where}: {error}", fix) from error


def _decode_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
