"""Foreign files by where people say they are: on this machine, at an address, or on the Hugging Face hub."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..core.errors import NotFoundError, UsageError
from ..core.files import cache_dir, sha256_of
from ..core.progress import Progress, silent
from .reading import check_readable

HUB = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:/(.+))?")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # in a repository, where no file is named


class Original(NamedTuple):
    """A file on this machine, its sha256, what it was called, and where it was downloaded from, if it was."""

    path: Path
    sha256: str
    name: str
    url: str


@contextmanager
def brought(source: str, progress: Progress = silent) -> Iterator[Original]:
    """The file that `source` names, for the length of the block; what was downloaded for it goes afterwards.

    Raises:
        UsageError: There is no such file, or the source is no address.
        NotFoundError: The host has no such file.
        ReszooError: The download failed.
        UnavailableError: Nothing may be asked of the network.
    """
    with ExitStack() as stack:
        if "://" in source:
            yield _downloaded(stack, addresses(source), progress)
        else:
            path = Path(source)
            _check_file(path)
            yield Original(path, sha256_of(path), path.name, "")


def addresses(source: str) -> list[str]:
    """The addresses where the file may be, the likeliest first: `hf://owner/repo/file` is one on the hub."""
    if source.startswith(("https://", "http://")):
        return [source]
    match = HUB.fullmatch(source)
    if match is None:
        raise UsageError(
            f"{source!r} names no file", "Write hf://OWNER/REPO or hf://OWNER/REPO/FILE, https://..., or a path."
        )
    repo, file = match.groups()
    return [f"https://huggingface.co/{repo}/resolve/main/{name}" for name in ([file] if file else HUB_FILES)]


def _downloaded(stack: ExitStack, urls: list[str], progress: Progress) -> Original:
    from ..core.download import Source, fetched

    for url in urls:
        name = PurePosixPath(url.partition("?")[0]).name
        check_readable(name)
        target = cache_dir() / "downloads" / re.sub(r"[^\w.-]+", "-", url.partition("://")[2])
        try:
            digest = stack.enter_context(fetched(Source(url=url, sha256=None), target, progress=progress))
        except NotFoundError as error:
            if url != urls[-1]:
                continue
            if len(urls) == 1:
                raise
            raise NotFoundError(
                f"the repository has neither {' nor '.join(HUB_FILES)} ({error.problem})",
                "Name its file: hf://OWNER/REPO/FILE.",
            ) from error
        return Original(target, digest, name, url)
    raise AssertionError("there is always an address")


def _check_file(path: Path) -> None:
    is_ours = (path if path.is_dir() else path.parent) / "checkpoint.json"
    if path.exists() and is_ours.is_file():
        raise UsageError(f"{path} is a checkpoint of reszoo's already", f"Name its folder: {is_ours.parent}.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "Name the file of the weights in it.")
    if not path.exists():
        raise UsageError(
            f"there is no file {path}", "Name a .pth, .pt, .th, .bin or .safetensors file, or hf://OWNER/REPO."
        )
