"""Foreign files by where people say they are: on this machine, at an address, or on the Hugging Face hub."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ..core.cleaning import public
from ..core.errors import NotFoundError, UsageError
from ..core.files import sha256_of
from ..core.progress import Progress, silent
from ..core.refs import is_on_hub
from . import hub
from .checkpoints import DOCUMENT, WEIGHTS
from .reading import check_readable

HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # in a repository, where no file is named
# The address of the page about a file, as browsers show it, and what leads to the file itself.
PAGES = (
    (re.compile(r"(https://huggingface\.co/[^/]+/[^/]+)/blob/"), r"\1/resolve/"),
    (re.compile(r"(https://github\.com/[^/]+/[^/]+)/blob/"), r"\1/raw/"),
)


class Original(NamedTuple):
    """A file on this machine.

    name   what it was called where it came from
    title  what a checkpoint of it may be called: the name of a repository, where its files have the same names in all
    url    where it was downloaded from, without what identifies the user; "" where it was not
    """

    path: Path
    sha256: str
    name: str
    title: str
    url: str


@contextmanager
def opened(source: str, progress: Progress = silent) -> Iterator[Original]:
    """The file that `source` names. One that is downloaded is deleted at the end of the block.

    Raises:
        UsageError: There is no such file, or the source is no address.
        NotFoundError: The host has no such file.
        ReszooError: The download failed.
        UnavailableError: Nothing may be asked of the network.
    """
    if "://" not in source:
        path = Path(source)
        _check_file(path)
        yield Original(path, sha256_of(path), path.name, path.name, "")
        return
    with ExitStack() as stack:
        yield _downloaded(stack, source, progress)


def addresses(source: str) -> list[str]:
    """The addresses where the file may be, the likeliest first: `hf://owner/repo@revision/file` is one on the hub."""
    if source.startswith(("https://", "http://")):
        for page, file in PAGES:
            source = page.sub(file, source)
        return [source]
    if not is_on_hub(source):
        raise UsageError(f"{public(source)!r} names no file", "Write hf://OWNER/REPO/FILE, https://..., or a path.")
    place = hub.address(source)
    return [place.url(name) for name in ([place.file] if place.file else HUB_FILES)]


def _downloaded(stack: ExitStack, source: str, progress: Progress) -> Original:
    *others, last = addresses(source)
    for url in others:
        with suppress(NotFoundError):
            return _fetched(stack, source, url, progress)
    try:
        return _fetched(stack, source, last, progress)
    except NotFoundError as error:
        if not others:
            raise
        raise NotFoundError(
            f"the repository has neither {' nor '.join(HUB_FILES)} ({error.problem})",
            "Name its file: hf://OWNER/REPO/FILE.",
        ) from error


def _fetched(stack: ExitStack, source: str, url: str, progress: Progress) -> Original:
    from ..core.download import Source, fetched, place_of

    name = PurePosixPath(unquote(urlsplit(url).path)).name
    check_readable(name)
    target = place_of(url)
    wanted = Source(url=url, sha256=None, token=hub.token_for(url))
    is_of_hub = is_on_hub(source)
    with hub.refusals_explained() if is_of_hub else nullcontext():
        digest = stack.enter_context(fetched(wanted, target, progress=progress))
    title = hub.address(source).name if is_of_hub and name in HUB_FILES else name
    return Original(target, digest, name, title, public(url))


def _check_file(path: Path) -> None:
    folder = path if path.is_dir() else path.parent
    is_ours = (folder / DOCUMENT).is_file() and (folder / WEIGHTS).is_file()
    if is_ours and path in (folder, folder / WEIGHTS):
        raise UsageError(f"{path} is a checkpoint of reszoo's already", f"Name its folder: {folder}.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "Name the file of the weights in it.")
    if not path.is_file():  # or a pipe, which would be waited for
        raise UsageError(
            f"there is no file {path}", "Name a .pth, .pt, .th, .bin or .safetensors file, or hf://OWNER/REPO."
        )
