"""ImageNet's validation images as they are published: a file says the class of each, and no order is assumed."""

from pathlib import Path

import numpy as np
import pytest

from reszoo import datasets
from reszoo.core.errors import UnavailableError, UsageError
from reszoo.core.imagenet import names_by_wnid

SHARK, TENCH, COCK = "n01484850", "n01440764", "n01514668"
TRUTH = (SHARK, TENCH, COCK, TENCH)  # of images 1 to 4
KIT_NUMBERS = {COCK: 1, TENCH: 2, SHARK: 3}  # in an order that is neither that of the ids nor of the names
KAGGLE = "ImageId,PredictionString\n" + "".join(
    f"ILSVRC2012_val_{n:08d},{wnid} 85 1 499 272 {wnid} 1 2 3 4 \n" for n, wnid in reversed([*enumerate(TRUTH, 1)])
)
CAFFE = "".join(f"ILSVRC2012_val_{n:08d}.JPEG {list(names_by_wnid()).index(wnid)}\n" for n, wnid in enumerate(TRUTH, 1))
KIT = "".join(f"{KIT_NUMBERS[wnid]}\n" for wnid in TRUTH)
MAP = "".join(f"{wnid} {number} some_name\n" for wnid, number in KIT_NUMBERS.items())


@pytest.fixture
def flat(image, tree) -> Path:
    """Four images in one folder, the third in another spelling."""
    names = (f"ILSVRC2012_val_{n:08d}.{'jpg' if n == 3 else 'JPEG'}" for n in range(1, 5))
    return tree("images", {name: image(n, size=(100, 120), kind="JPEG") for n, name in enumerate(names)})


def mat(path: Path) -> Path:
    """As the kit has it: a struct array, whose first fields are the number and the id."""
    savemat = pytest.importorskip("scipy.io").savemat
    rows = [(number, wnid, "words", "gloss") for wnid, number in KIT_NUMBERS.items()]
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O")]
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"synsets": np.array(rows, kind)})
    return path


@pytest.mark.parametrize("source", ["Kaggle", "Caffe", "kit of 2014", "kit of 2015", "kit of 2012", "zip"])
def test_every_file_in_use_says_the_same(source: str, flat, tree, zipped, tmp_path: Path) -> None:
    if source == "Kaggle":
        paths = [flat, tree("more", {"LOC_val_solution.csv": KAGGLE.encode()}) / "LOC_val_solution.csv"]
    elif source == "Caffe":
        paths = [tree("images", {"val.txt": CAFFE.encode()})]
    elif source == "zip":
        files = {f"val/{path.name}": path.read_bytes() for path in flat.iterdir()}
        paths = [zipped("x.zip", files | {"val.txt": CAFFE.encode()})]
    else:
        name = f"ILSVRC{source[-4:]}{'' if source == 'kit of 2012' else '_clsloc'}_validation_ground_truth.txt"
        kit = tree("kit", {f"data/{name}": KIT.encode(), "evaluation/demo.m": b"x"})
        if source == "kit of 2012":
            mat(kit / "data" / "meta.mat")
        else:
            tree("kit", {"data/map_clsloc.txt": MAP.encode()})
        paths = [kit, flat]
    info = datasets.add("imagenet", paths)
    assert info.counts == {"val": 4, "trainval": 4}
    assert info.wnids == (TENCH, SHARK, COCK)
    assert info.classes == ("tench", "great white shark", "cock")
    stored = datasets.load("imagenet", "val")
    assert stored.labels.tolist() == [0, 0, 1, 2]
    pictures = [path.read_bytes() for path in sorted(flat.glob("ILSVRC*"))]
    assert [path.read_bytes() for path in stored.files] == [pictures[n] for n in (1, 3, 0, 2)]


def test_class_folders_of_validation_images_are_val_unless_it_is_said_otherwise(image, tree) -> None:
    folder = tree("mine", {f"{wnid}/ILSVRC2012_val_{n:08d}.JPEG": image(n) for n, wnid in enumerate(TRUTH, 1)})
    assert datasets.add("x", [folder]).counts == {"val": 4, "trainval": 4}
    assert datasets.add("y", [folder], split="test").counts == {"test": 4}


def test_without_the_file_or_the_kits_order_nothing_is_assumed(flat, tree) -> None:
    with pytest.raises(UsageError, match="no file says which class each one is of") as caught:
        datasets.add("x", [flat])
    assert "LOC_val_solution.csv of Kaggle" in caught.value.fix
    tree("images", {"ILSVRC2012_validation_ground_truth.txt": KIT.encode()})
    with pytest.raises(UsageError, match="which is not the order of their WordNet ids") as caught:
        datasets.add("x", [flat])
    assert "meta.mat or map_clsloc.txt" in caught.value.fix


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"val.txt": CAFFE.replace("00000004", "00000005")}, r"val\.txt: nothing is said of .*00000004"),
        ({"val.txt": CAFFE.replace(" 7", " 1000")}, r"val\.txt, line 3, says of no image"),
        ({"val.txt": "a/b.png 3\n"}, r"val\.txt, line 1, says of no image"),
        ({"LOC_val_solution.csv": KAGGLE.replace(COCK, "n015")}, r"LOC_val_solution\.csv, line 3, says of no image"),
        (
            {"ILSVRC2012_validation_ground_truth.txt": "4\n", "map_clsloc.txt": MAP},
            r"ground_truth\.txt, line 1, says of no image",
        ),
        ({"ILSVRC2012_validation_ground_truth.txt": KIT, "meta.mat": "x"}, r"meta\.mat is not that of the development"),
    ],
)
def test_a_file_that_says_something_else_is_refused(files: dict[str, str], said: str, flat, tree) -> None:
    if "meta.mat" in files:
        pytest.importorskip("scipy")
    tree("images", {name: text.encode() for name, text in files.items()})
    with pytest.raises(UsageError, match=said):
        datasets.add("x", [flat])


def test_files_that_contradict_each_other_are_refused(flat, tree) -> None:
    other = KAGGLE.replace(COCK, TENCH)
    with pytest.raises(
        UsageError, match=rf"LOC_val_solution\.csv says that image 3 is of {TENCH}, and val\.txt of {COCK}"
    ):
        datasets.add("x", [flat, tree("two", {"val.txt": CAFFE.encode(), "LOC_val_solution.csv": other.encode()})])
    one, another = (
        tree(name, {"val.txt": CAFFE.replace(" 7", index).encode()}) for name, index in (("a", " 7"), ("b", " 8"))
    )
    with pytest.raises(UsageError, match=r"there are several files val\.txt, and they differ"):
        datasets.add("x", [flat, one, another])
    same = tree("c", {"val.txt": CAFFE.encode(), "LOC_val_solution.csv": KAGGLE.encode()})
    assert datasets.add("x", [flat, one, same]).counts["val"] == 4


def test_matlabs_file_needs_scipy_and_its_text_does_not(flat, tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reszoo.datasets.ilsvrc.find_spec", lambda name: None)
    kit = {"ILSVRC2012_validation_ground_truth.txt": KIT.encode(), "meta.mat": b"x"}
    with pytest.raises(UnavailableError, match=r"scipy is not installed, and is needed to read meta\.mat"):
        datasets.add("x", [tree("images", kit)])
    assert datasets.add("x", [tree("images", {"map_clsloc.txt": MAP.encode()})]).counts["val"] == 4


def test_without_such_images_these_files_are_left_out_like_others(image, tree) -> None:
    info = datasets.add("x", [tree("x", {"a/1.png": image(1), "val.txt": b"x", "a/meta.mat": b"x"})])
    assert info.left_out == {"no image (.txt)": 1, "no image (.mat)": 1}
