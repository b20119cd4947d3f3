"""How a kind of document stands on disk: its schema number, and what each older schema needs to become a record.

A record whose documents differ from its fields, or once did, has a `Schema` of its own in `schema`. To change what is
on disk: give `readers` the next number, keep a reader for every older one, and test that with a file from before.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Fields = dict[str, Any]
Conversion = Callable[[Fields], Fields]


def unchanged(fields: Fields) -> Fields:
    return fields


class Schema(NamedTuple):
    """`write` makes the newest schema's fields of a record's; `readers` make a record's of each schema's.

    Both take and give plain dicts and lists. A reader leaves what it does not know as it is, because the record is
    checked after it. A ValueError of it says what is wrong with the document.
    """

    write: Conversion = unchanged
    readers: Mapping[int, Conversion] = {1: unchanged}

    @property
    def newest(self) -> int:
        return max(self.readers)
