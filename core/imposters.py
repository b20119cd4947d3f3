"""What comes in place of a file, with an answer that says all is well: pages, pointers, another encoding of its bytes.

Asking again brings the same, so each is one error that names it.
"""

import re
from urllib.parse import urlsplit

from .errors import ReszooError

# Kinds of answers that are for people or programs to read, and never a file of weights or images. Not text/plain:
# servers say that of what they do not know.
PAGES = {
    "text/html": "a web page",
    "application/xhtml+xml": "a web page",
    "application/json": "a message in JSON",
    "application/xml": "a message in XML",
    "text/xml": "a message in XML",
}
PAGE = re.compile(rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html)\b")
POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/")
HEAD_BYTES = 512  # enough to tell
SIGN_IN = "Open the address in a browser: the host or a proxy may want you to sign in. Or name a mirror: RESZOO_MIRROR."


def refuse_announced(url: str, content_type: str, encoding: str) -> None:
    """By what an answer's head says of its body."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in PAGES:
        raise ReszooError(f"{url} gave {PAGES[kind]} ({kind}) instead of the file", SIGN_IN)
    encoding = encoding.strip().lower().removeprefix("x-")
    is_stored_so = encoding == "gzip" and urlsplit(url).path.endswith((".gz", ".tgz"))  # some say it of an archive
    if encoding not in ("", "identity") and not is_stored_so:
        raise ReszooError(
            f"{url} came encoded ({encoding}), though it was asked for as it is stored",
            "Have the server or the proxy that encodes it leave it alone, or name a mirror with RESZOO_MIRROR.",
        )


def refuse_content(head: bytes, where: str) -> None:
    """By the first bytes themselves, where nothing was announced."""
    if PAGE.match(head):
        raise ReszooError(f"{where} gave a web page instead of the file", SIGN_IN)
    if POINTER.match(head):
        raise ReszooError(
            f"{where} gave a pointer of Git LFS instead of the file",
            "It was copied without its large files: run `git lfs pull` there, or name another mirror: RESZOO_MIRROR.",
        )
