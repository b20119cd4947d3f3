"""The Hugging Face hub: what `hf://OWNER/NAME[@REVISION][/FILE]` means, where it is, and whose token it gets.

HF_ENDPOINT   another server that speaks the hub's protocol
HF_TOKEN      the token; else that of `hf auth login`, where the extra `hub` is installed
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

from ..core.cleaning import public
from ..core.errors import ReszooError, UsageError
from ..core.refs import HUB_SCHEME

ADDRESS = re.compile(r"hf://([\w.-]+)/([\w.-]+)(?:@([\w.-]+))?(?:/(.+))?", re.ASCII)
COMMIT = re.compile("[0-9a-f]{40}")
HOME = "https://huggingface.co"
DEFAULT_REVISION = "main"
REFUSED = re.compile("the server answered 40[13]")
SIGN_IN = (
    "If it is there, it needs a login: set HF_TOKEN, or `pip install 'reszoo[hub]'` and run `hf auth login`. A file "
    "that you download where you are signed in can be imported as well."
)


class HubAddress(NamedTuple):
    """A repository on the hub at a revision; `file` is "" where the whole of it is meant."""

    owner: str
    name: str
    revision: str
    file: str

    @property
    def repo(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def is_fixed(self) -> bool:
        """Whether what is there can never change: the revision is a commit."""
        return COMMIT.fullmatch(self.revision) is not None

    def url(self, file: str) -> str:
        """Where a file of the repository is downloaded from."""
        from urllib.parse import quote

        return f"{endpoint()}/{self.repo}/resolve/{self.revision}/{quote(file)}"


def address(ref: str) -> HubAddress:
    """What the REF names. Raises UsageError where it is not well written."""
    match = ADDRESS.fullmatch(ref)
    if match is None or any(part in (".", "..") for part in re.split("[/@]", ref.removeprefix(HUB_SCHEME))):
        raise UsageError(
            f"{public(ref)!r} names no repository of the hub",
            "Write hf://OWNER/NAME, hf://OWNER/NAME@REVISION or hf://OWNER/NAME/FILE.",
        )
    owner, name, revision, file = match.groups()
    return HubAddress(owner, name, revision or DEFAULT_REVISION, file or "")


def endpoint() -> str:
    """The hub's own address, or that of the server which stands for it."""
    chosen = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HOME
    if not chosen.startswith(("https://", "http://")):
        raise UsageError(f"HF_ENDPOINT {public(chosen)!r} is no https:// or http:// address", "Mend it, or unset it.")
    return chosen


def token_for(url: str) -> str:
    """The user's token if the address is the hub's, "" for any other and where nobody is signed in."""
    if not url.startswith(f"{endpoint()}/"):
        return ""
    if find_spec("huggingface_hub") is None:
        return os.environ.get("HF_TOKEN", "").strip()
    from huggingface_hub import get_token

    return get_token() or ""


@contextmanager
def refusals_explained() -> Iterator[None]:
    """The hub refuses who is not signed in, and answers the same for a repository that is not there."""
    try:
        yield
    except ReszooError as error:
        if not REFUSED.search(error.problem):
            raise
        raise ReszooError(error.problem, SIGN_IN) from error
