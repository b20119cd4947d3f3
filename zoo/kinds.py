"""Files that hold no weights that can be read, and what each of them is: told by its content, whatever its name.

None of these is loaded. Each is an error that says what the file is and where the weights are instead.
"""

import re
import tarfile
import zipfile
from itertools import islice
from pathlib import Path

from ..core.errors import ReszooError
from ..core.imposters import HEAD_BYTES, PAGE, POINTER

SAVE_AGAIN = "torch.save(model.state_dict(), 'weights.pth')"
COPY_AGAIN = "Copy or download it again."
UNPACK = "Unpack it, and name the file in it."
OTHER_LIBRARY = "Only PyTorch's files and safetensors are read."
# The first bytes of what people have beside their weights, and where the weights are then.
BEGINNINGS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (PAGE, "is a web page", "Download the file itself: a page was saved in its place, perhaps one to sign in on."),
    (
        POINTER,
        "is a pointer of Git LFS, not the file that it stands for",
        "It was copied without its large files: run `git lfs pull` there.",
    ),
    (
        re.compile(rb"\x08[\x01-\x1f](\x12.{0,64}pytorch|\x12.{0,64}tf2onnx|.{0,200}[\x3a\x42])", re.DOTALL),
        "looks like an ONNX file: a graph, not a checkpoint",
        f"Import the weights that it was exported from: {SAVE_AGAIN} where it was trained.",
    ),
    (
        re.compile(rb"\x89HDF\r\n"),
        "is an HDF5 file, as Keras writes them",
        OTHER_LIBRARY,
    ),
    (re.compile(rb"\x1f\x8b"), "is a gzip archive", UNPACK),
    (re.compile(rb"BZh[1-9]1AY&SY"), "is a bzip2 archive", UNPACK),
    (re.compile(rb"\xfd7zXZ\x00"), "is an xz archive", UNPACK),
)
MOST_UNPACKED = 4  # times the size of the file: PyTorch does not compress what it puts into its zips
NOT_PACKED = "Do not trust it, or write it again where it was made: torch.save does not compress."
MEMBERS = 8  # of a tar that are looked at: PyTorch's had four
OLDEST_TAR = f"Load it with the PyTorch that wrote it (0.1.1 or older), and write it again: {SAVE_AGAIN}."
SCRIPT = (
    "It holds code beside its weights, which is not run. Where you trust it: "
    "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')."
)
PROGRAM = f"It holds a graph beside its weights. Write the weights alone where it was made: {SAVE_AGAIN}."


def is_safetensors(head: bytes) -> bool:
    """Whether the first bytes are a header's length and the brace that it begins with."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40


def is_pickle(head: bytes) -> bool:
    """Whether the first bytes are those of a zip, or of a pickle of protocol 2 or later."""
    return head.startswith((b"PK\x03\x04", b"\x80"))


def head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def refuse_other_kinds(path: Path) -> None:
    """Raises ReszooError for a file that is known to be something else than weights."""
    head = head_of(path)
    if not head:
        raise ReszooError(f"{path} is damaged: it is empty", COPY_AGAIN)
    if is_safetensors(head):
        return
    for beginning, what, fix in BEGINNINGS:
        if beginning.match(head):
            raise ReszooError(f"{path} {what}", fix)
    if head.startswith(b"PK\x03\x04"):
        _refuse_other_zips(path)
    else:
        _refuse_tar(path)


def _refuse_other_zips(path: Path) -> None:
    """PyTorch's files are zips, with `data.pkl` in a folder; those of TorchScript and torch.export hold more."""
    try:
        with zipfile.ZipFile(path) as archive:
            full, unpacked = archive.namelist(), sum(each.file_size for each in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ReszooError(f"{path} is damaged: it ends before its own table of contents", COPY_AGAIN) from error
    names = {name.partition("/")[2] for name in full}
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        raise ReszooError(f"{path} is a TorchScript program", SCRIPT)
    if any(name.startswith(("models/", "serialized_")) or name == "archive_format" for name in names):
        raise ReszooError(f"{path} is a program of torch.export", PROGRAM)
    if full and all(name.endswith(".npy") for name in full):
        raise ReszooError(f"{path} is an archive of NumPy's arrays (.npz)", OTHER_LIBRARY)
    if any(name.endswith(".weights.h5") for name in full):
        raise ReszooError(f"{path} is a model of Keras", OTHER_LIBRARY)
    if "data.pkl" not in names:
        raise ReszooError(f"{path} is a zip archive that PyTorch did not write", UNPACK)
    if unpacked > MOST_UNPACKED * path.stat().st_size:
        raise ReszooError(f"{path} has {path.stat().st_size} bytes, and unpacks to {unpacked}", NOT_PACKED)


def _refuse_tar(path: Path) -> None:
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115
    except tarfile.TarError:
        return
    with archive:
        try:
            names = {Path(member.name).name for member in islice(archive, MEMBERS)}
        except tarfile.TarError as error:
            raise ReszooError(f"{path} is a damaged tar archive: {error}", COPY_AGAIN) from error
    if {"pickle", "storages", "tensors"} <= names:
        raise ReszooError(
            f"{path} is a tar of PyTorch's oldest format, which is not read without running it", OLDEST_TAR
        )
    if names:  # a file of zeros is a tar without any
        raise ReszooError(f"{path} is a tar archive", UNPACK)
