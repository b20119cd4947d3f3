"""ImageNet's validation images as they are published: in one folder, with their classes in a file.

Three kinds of that file are in use: Kaggle's `LOC_val_solution.csv` with WordNet ids, Caffe's `val.txt` with the places
of the sorted ids, and the development kit's `ILSVRC2012_validation_ground_truth.txt` with numbers of its own, which its
`meta.mat`, or the later `map_clsloc.txt`, leads back to WordNet ids (Russakovsky et al. 2015; readme.txt of the kit).
"""

import csv
import re
from collections.abc import Mapping
from importlib.util import find_spec
from io import BytesIO

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.imagenet import WNID, names_by_wnid

IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\.jpe?g", re.IGNORECASE)
KAGGLE, CAFFE, KIT = "LOC_val_solution.csv", "val.txt", "ILSVRC2012_validation_ground_truth.txt"
MAT, MAP = "meta.mat", "map_clsloc.txt"
FILES = frozenset({KAGGLE, CAFFE, KIT, MAT, MAP})
WANTED = f"{KAGGLE} of Kaggle, {CAFFE} of Caffe, or {KIT} with {MAT} or {MAP} of the development kit"


def classes(files: Mapping[str, bytes]) -> dict[int, str]:
    """The WordNet id of each image by its number from 1, from files of these names.

    Raises UsageError where none of them says it, or one is not as it should be; UnavailableError for a `meta.mat` where
    SciPy is not installed.
    """
    if KAGGLE in files:
        return _kaggle(_text(files, KAGGLE))
    if CAFFE in files:
        return _caffe(_text(files, CAFFE))
    if KIT not in files:
        raise UsageError(
            "ImageNet's validation images lie in no class folders, and no file says which class each one is of",
            f"Add the file as another PATH: {WANTED}.",
        )
    if MAP not in files and MAT not in files:
        raise UsageError(
            f"{KIT} numbers the classes as the development kit does, which is not the order of their WordNet ids",
            f"Add the kit's {MAT} or {MAP} as another PATH, or instead of both {KAGGLE} or {CAFFE}.",
        )
    wnids = _map(_text(files, MAP)) if MAP in files else _mat(files[MAT])
    lines = _text(files, KIT).split()
    return {number: _known(wnids.get(line), KIT, number) for number, line in enumerate(lines, 1)}


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
