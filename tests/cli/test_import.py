"""`reszoo import`, and `reszoo export --to` a library: what is printed, and how it ends."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from inprocess import reszoo
from layouts import V1
from torchvision.models.resnet import BasicBlock, ResNet


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = V1([1, 1, 1], 16, projection="", head="linear").state_dict()
    torch.save({"model": {f"module.{name}": tensor for name, tensor in state.items()}}, "mine.pth")


def write_with_another_head() -> None:
    state = torch.load("mine.pth", weights_only=True)["model"]
    torch.save(state | {"aux.weight": torch.ones(10, 32)}, "other.pth")


def test_it_says_where_it_is_what_it_was_taken_for_and_what_was_assumed() -> None:
    done = reszoo("import", "mine.pth", "--out", "made")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "resnet8_v1.mine is in made",
        "recognised as resnet8_v1 in the layout akamaster: all 44 tensors fit",
        "v1 (post-activation), 1+1+1 basic, 16/32/64 channels, cifar, option A, "
        "skip identity, norm batch, activation relu; 10 classes, 3 x 32 x 32",
        "found under model",
        "without the prefix module.",
        "assumed: the preprocessing of akamaster's weights, mean 0.485 0.456 0.406, std 0.229 0.224 0.225; "
        "--preprocess says otherwise",
        "no data set is named: --data names one, for calibration and accuracy",
    ]
    shown = reszoo("show", "made").stdout
    assert "not named" in shown


def test_every_option_reaches_the_checkpoint() -> None:
    write_with_another_head()
    options = ["--labels", "cifar10", "--data", "cifar10", "--preprocess", "mean=0.5,std=0.5", "--licence", "MIT"]
    names = ["--name", "net.mine", "--ignore", "aux.*", "--arch", "resnet8_v1", "--json"]
    done = reszoo("import", "other.pth", *options, *names)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["ref"], made["licence"], made["dataset"]) == ("net.mine", "MIT", "cifar10")
    assert made["labels"][0] == "airplane"
    assert made["preprocess"]["mean"] == [0.5, 0.5, 0.5]
    assert made["provenance"][0]["config"]["ignore"] == "aux.*"
    assert (Path("runs") / "net.mine" / "checkpoint.json").is_file()


def test_what_is_wrong_ends_with_one_problem_and_one_fix() -> None:
    Path("page.pth").write_text("<html>")
    done = reszoo("import", "page.pth")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "error: page.pth is a web page"
    write_with_another_head()
    done = reszoo("import", "other.pth")
    assert done.returncode == 2
    hint = re.search(r"--ignore '.*'", done.stderr)
    assert hint is not None
    assert reszoo("import", "other.pth", *shlex.split(hint[0])).returncode == 0


def test_weights_for_a_library_are_one_file() -> None:
    torch.save(ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3).state_dict(), "big.pth")
    assert reszoo("import", "big.pth", "--preprocess", "mean=0.5,std=0.5,crop=64", "--out", "big").returncode == 0
    done = reszoo("export", "big", "--to", "torchvision", "--out", "theirs.pth")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "resnet18_v1+depths=1,1,1,1.big: theirs.pth, for load_state_dict in torchvision\n"
    ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3).load_state_dict(torch.load("theirs.pth", weights_only=True))
    done = reszoo("export", "big", "--to", "timm", "--json")
    assert [(row["kind"], row["library"]) for row in json.loads(done.stdout)] == [("weights", "timm")]
    for wrong, said in (
        (["--to", "onnx,timm"], "is more than weights for one library"),
        (["--to", "torchvision,timm"], "is more than weights for one library"),
        (["--to", "timm", "--opset", "20"], "have no options"),
    ):
        done = reszoo("export", "big", *wrong)
        assert done.returncode == 2
        assert said in done.stderr


@pytest.mark.parametrize(
    "verb",
    [["quantize"], ["quantize", "--explain"], ["prune", "--macs", "0.5"], ["prune", "--sensitivity"]],
    ids=" ".join,
)
def test_later_stages_take_the_data_set_that_was_not_named(verb: list[str]) -> None:
    assert reszoo("import", "mine.pth", "--out", "made").returncode == 0
    done = reszoo(verb[0], "made", *verb[1:])
    assert done.returncode == 2
    assert "and name them: --data NAME." in done.stderr
    done = reszoo(verb[0], "made", *verb[1:], "--data", "nowhere")
    assert done.returncode == 2
    assert "unknown data set 'nowhere'" in done.stderr
