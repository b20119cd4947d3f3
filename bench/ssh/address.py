"""How a device is written: ssh://user@host[:port][/python]."""

import re
from typing import NamedTuple

from ...core.errors import UsageError

SCHEME = "ssh://"
WRITTEN = re.compile(r"ssh://(?P<host>(?:[^@/:\s-][^@/:\s]*@)?[^@/:\s-][^@/:\s]*)(?::(?P<port>\d+))?(?P<python>/\S+)?")


class Address(NamedTuple):
    """`host` may be any name that ssh knows, one of ~/.ssh/config too; `python` is what runs there."""

    host: str
    port: int | None = None
    python: str = "python3"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Raises UsageError for what is no such address."""
        found = WRITTEN.fullmatch(text)
        if found is None or (found["port"] and not 0 < int(found["port"]) < 1 << 16):
            fix = "Write ssh://user@host, ssh://host:2222 or ssh://host/usr/bin/python3.11."
            raise UsageError(f"{text!r} is no device", fix)
        return cls(found["host"], int(found["port"]) if found["port"] else None, found["python"] or "python3")
