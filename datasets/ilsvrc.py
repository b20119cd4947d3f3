"""ImageNet's validation images as they are published: in one folder, with their classes in a file.

Three kinds of that file are in use: Kaggle's `LOC_val_solution.csv` with WordNet ids, Caffe's `val.txt` with the places
of the sorted ids, and a development kit's `ILSVRC2012_validation_ground_truth.txt`, since 2014
`ILSVRC2014_clsloc_validation_ground_truth.txt`, with numbers of its own, which the kit's `meta.mat` or `map_clsloc.txt`
leads back to WordNet ids (Russakovsky et al. 2015; readme.txt of the kits).
"""

import csv
import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from io import BytesIO

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.imagenet import WNID, names_by_wnid

IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\.jpe?g", re.IGNORECASE)
KIT = re.compile(r"ILSVRC\d{4}(_clsloc)?_validation_ground_truth\.txt")
KAGGLE, CAFFE, MAT, MAP = "LOC_val_solution.csv", "val.txt", "meta.mat", "map_clsloc.txt"
WANTED = (
    f"{KAGGLE} of Kaggle, {CAFFE} of Caffe, or a development kit's ..._validation_ground_truth.txt with {MAT} or {MAP}"
)


def is_truth(name: str) -> bool:
    """Whether a file of this name may say of which classes the images are."""
    return name in (KAGGLE, CAFFE, MAT, MAP) or KIT.fullmatch(name) is not None


def classes(files: Mapping[str, bytes]) -> dict[int, str]:
    """The WordNet id of each image by its number from 1, from files of these names.

    Raises UsageError where none of them says it, one is not as it should be, or two say different things;
    UnavailableError for a `meta.mat` where SciPy is not installed.
    """
    kits = [name for name in files if KIT.fullmatch(name)]
    says: dict[str, Callable[[str], dict[int, str]]] = {
        name: read for name, read in ((KAGGLE, _kaggle), (CAFFE, _caffe)) if name in files
    }
    if MAP in files or MAT in files:
        says |= {name: partial(_kit, files, name) for name in kits}
    if not says and kits:
        raise UsageError(
            f"{kits[0]} numbers the classes as the development kit does, which is not the order of their WordNet ids",
            f"Add the kit's {MAT} or {MAP} as another PATH, or instead of both {KAGGLE} or {CAFFE}.",
        )
    if not says:
        raise UsageError(
            "ImageNet's validation images lie in no class folders, and no file says which class each one is of",
            f"Add the file as another PATH: {WANTED}.",
        )
    (first, found), *others = [(name, read(_text(files, name))) for name, read in says.items()]
    for name, its in others:
        if other := next((n for n in sorted(found.keys() & its.keys()) if found[n] != its[n]), None):
            said = f"{first} says that image {other} is of {found[other]}, and {name} of {its[other]}"
            raise UsageError(said, "Leave one of these files away.")
        found |= its
    return found


def number_of(name: str) -> int | None:
    """ "ILSVRC2012_val_00000042.JPEG" -> 42; None for any other name."""
    match = IMAGE.fullmatch(name)
    return int(match[1]) if match else None


def _kaggle(text: str) -> dict[int, str]:
    """Lines "ILSVRC2012_val_00048981,n03995372 85 1 499 272 n03995372 ...": ids and boxes, all of one class."""
    found = {}
    for line, row in enumerate(csv.reader(text.splitlines()), 1):
        if row and row[0] != "ImageId":
            number = number_of(f"{row[0]}.JPEG")
            wnid = row[1].split(" ")[0] if len(row) > 1 else None
            if number is None:
                raise _malformed(KAGGLE, line)
            found[number] = _known(wnid, KAGGLE, line)
    return found


def _caffe(text: str) -> dict[int, str]:
    """Lines "ILSVRC2012_val_00000001.JPEG 65", the place of the WordNet id among all of them, from 0."""
    order = dict(enumerate(names_by_wnid()))
    found = {}
    for line, row in enumerate(text.splitlines(), 1):
        if words := row.split():
            number = number_of(words[0].rpartition("/")[2])
            if number is None or len(words) != 2 or not words[1].isdecimal():
                raise _malformed(CAFFE, line)
            found[number] = _known(order.get(int(words[1])), CAFFE, line)
    return found


def _kit(files: Mapping[str, bytes], name: str, text: str) -> dict[int, str]:
    """A line for each image: the number of its class among the kit's."""
    wnids = _map(_text(files, MAP)) if MAP in files else _mat(files[MAT])
    return {number: _known(wnids.get(line), name, number) for number, line in enumerate(text.split(), 1)}


def _map(text: str) -> dict[str, str]:
    """Lines "n02119789 1 kit_fox": the WordNet id of each of the kit's numbers."""
    rows = [line.split() for line in text.splitlines()]
    return {row[1]: row[0] for row in rows if len(row) > 1}


def _mat(content: bytes) -> dict[str, str]:
    """The same from MATLAB's format: the first two fields of `synsets` are the number and the WordNet id."""
    if find_spec("scipy") is None:
        raise UnavailableError(
            f"the package scipy is not installed, and is needed to read {MAT}", f"pip install scipy, or add {MAP}."
        )
    from scipy.io import loadmat

    try:
        synsets = loadmat(BytesIO(content), squeeze_me=True)["synsets"]
        return {str(int(synset[0])): str(synset[1]) for synset in synsets}
    except Exception as error:  # foreign bytes raise nearly anything
        raise UsageError(f"{MAT} is not that of the development kit: {error}", f"Add {MAP} in its place.") from error


def _text(files: Mapping[str, bytes], name: str) -> str:
    try:
        return files[name].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is no text in UTF-8", f"Add another: {WANTED}.") from error


def _known(wnid: str | None, name: str, line: int) -> str:
    if wnid is None or not WNID.fullmatch(wnid):
        raise _malformed(name, line)
    return wnid


def _malformed(name: str, line: int) -> ReszooError:
    return UsageError(f"{name}, line {line}, says of no image which of the 1,000 classes it is of", f"Add {WANTED}.")
