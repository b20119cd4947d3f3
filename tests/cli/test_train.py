"""`reszoo train`, as its users type it."""

import json
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from inprocess import reszoo
from PIL import Image
from processes import started

from reszoo import datasets

REF = "resnet8_v1.reszoo_digits"
FROM = ("--from", REF, "--data", "digits", "--recipe", "finetune")
COMMAND = [sys.executable, "-c", "from reszoo.cli.main import main; main()"]


def train(*arguments: str | Path, arch: str = "resnet8_v1") -> subprocess.CompletedProcess[str]:
    return reszoo("train", arch, "--data", "digits", "--recipe", "digits", *arguments)


def test_train_then_use_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = train("--epochs", "4", "--set", "label_smoothing=0", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "resnet8_v1.reszoo_digits is in runs/resnet8_v1.reszoo_digits" in done.stdout
    assert "accuracy 0.9" in done.stdout
    assert "95 % interval" in done.stdout
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [["epoch", str(i)] for i in (1, 2, 3, 4)]
    folder = tmp_path / "runs" / "resnet8_v1.reszoo_digits"
    config = json.loads((folder / "checkpoint.json").read_text())["provenance"][0]["config"]
    assert (config["epochs"], config["label_smoothing"], config["seed"]) == ("4", "0.0", "3")
    again = train("--epochs", "4")
    assert again.returncode == 2
    assert "is there already" in again.stderr

    sparse = reszoo("train", "--from", folder, "--data", "digits", "--recipe", "prune-sparse", "--epochs", "1")
    assert sparse.returncode == 0, sparse.stderr
    assert f"{folder.name}-prune-sparse is in runs/" in sparse.stdout
    shown = reszoo("show", tmp_path / "runs" / f"{folder.name}-prune-sparse")
    assert "train > train (group sparsity 0.0005)" in shown.stdout

    student = train("--epochs", "1", "--teacher", folder, "--tag", "taught", "--json", arch="resnet8_v2")
    assert student.returncode == 0, student.stderr
    document = json.loads(student.stdout)
    assert document["ref"] == "resnet8_v2.taught"
    assert document["provenance"][0]["config"]["teacher"].startswith("resnet8_v1.reszoo_digits ")


@pytest.mark.parametrize(("source", "recipe"), [(("resnet8_v1",), "digits"), (("--from", REF), "finetune")])
def test_without_a_recipe_it_is_the_one_for_such_images_or_for_going_on(source, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = reszoo("train", *source, "--data", "digits", "--set", "steps=1", "--epochs", "1", "--out", "made", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["provenance"][-1]["config"]["name"] == recipe


@pytest.mark.long
@pytest.mark.parametrize(
    ("data", "side", "recipe", "arguments"),
    [
        ("imagenet", 240, "imagenet", ("resnet50_v2", "--epochs", "90")),
        ("cifar10", 32, "cifar", ("resnet1001_v2", "--lr", "0.1", "--set", "clip_norm=5")),
    ],
)
def test_the_deepest_networks_and_large_images_are_trained_by_one_line(
    data, side, recipe, arguments, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for split, label, number in product(("train", "val", "test"), ("cat", "dog"), range(2)):
        (tmp_path / data / split / label).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (side, side - 20 * (side > 32), 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / data / split / label / f"{number}.png")
    datasets.add(data, [tmp_path / data])
    few = ("--batch", "2", "--set", "steps=3", "--set", "warmup=0", "--out", "made", "--json")
    done = reszoo("train", *arguments, "--data", data, *few)
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)["provenance"][0]["config"]
    assert config["name"] == recipe
    assert config["steps"] == "3"


def test_a_field_of_the_network_is_set_and_becomes_a_part_of_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "resnet8_v2+skip=skipinit+norm=none.reszoo_digits"
    done = train("--epochs", "1", "--set", "norm=none", arch="resnet8_v2+skip=skipinit")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / name
    document = json.loads((folder / "checkpoint.json").read_text())
    assert (document["ref"], document["spec"]["skip"], document["spec"]["norm"]) == (name, "skipinit", "none")
    shown = reszoo("show", f"runs/{name}")
    assert "skip skipinit, norm none" in shown.stdout
    exported = reszoo("export", f"runs/{name}", "--to", "onnx")
    assert exported.returncode == 0, exported.stderr
    assert name in exported.stdout


def test_an_architecture_is_shown_by_its_extended_name():
    shown = reszoo("show", "resnet20_v1+families=v1,v2,v2+norm_place=both")
    assert "v1, v2, v2" in shown.stdout
    assert "norm_place both" in shown.stdout


def test_a_checkpoint_goes_on_with_other_classes_which_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = datasets.load("digits", "train")
    for i in range(40):
        path = tmp_path / "parity" / ("even", "odd")[digits.labels[i] % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.images[i, ..., 0]).save(path)
    datasets.add("parity", [tmp_path / "parity"])
    quick = ("--data", "parity", "--recipe", "finetune", "--epochs", "1", "--batch", "16", "--threads", "1")
    done = reszoo("train", "--from", REF, *quick, "--freeze", "stem.*", "--freeze", "stages.[01].*", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert f"{REF}-parity is in runs/{REF}-parity" in done.stdout
    assert (
        f"{REF} knows 10 classes (0, 1, 2, ...), parity has 2 classes (even, odd): the network gets a new head, from "
        "seed 3" in done.stderr
    )
    document = json.loads((tmp_path / "runs" / f"{REF}-parity" / "checkpoint.json").read_text())
    assert document["labels"] == ["even", "odd"]
    assert "train > train (new head for parity)" in reszoo("show", f"runs/{REF}-parity").stdout
    assert document["provenance"][-1]["config"]["freeze"] == '["stem.*","stages.[01].*"]'


@pytest.mark.long
def test_ctrl_c_then_resume(tmp_path):
    short = ["--epochs", "10", "--out", str(tmp_path / "run")]
    command = [*COMMAND, "train", "resnet8_v1", "--data", "digits", "--recipe", "digits", *short]
    with started(command, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("epoch   1")
        run.send_signal(signal.SIGINT)
        rest = run.stderr.read()
    assert run.returncode == 130
    assert "everything is saved" in rest
    assert "Run it again with --resume" in rest
    assert "Traceback" not in rest
    resumed = train(*short, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.startswith("going on from step ")
    assert (tmp_path / "run" / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("resnet9_v1", "--data", "digits", "--recipe", "digits"), 2, "no residual network has depth 9"),
        (("resnet8_v1", "--data", "digit", "--recipe", "digits"), 2, "unknown data set 'digit'\nDid you mean digits"),
        (("resnet8_v1", "--data", "cifar10", "--recipe", "cifar"), 3, "Download it with `reszoo data get cifar10`"),
        (("resnet8_v1", "--data", "digits", "--recipe", "digit"), 2, "unknown recipe 'digit'\nDid you mean digits"),
        (("--data", "digits", "--recipe", "digits"), 2, "training begins with an architecture or with a checkpoint"),
        (("resnet8_v1", "--from", "x", "--data", "digits", "--recipe", "digits"), 2, "Leave resnet8_v1 away to go"),
        (
            ("resnet8_v1", "--data", "digits", "--recipe", "digits", "--set", "backbone_lr=0.1"),
            2,
            "checkpoint to go on",
        ),
        (("resnet8_v1", "--data", "digits", "--recipe", "digits", "--freeze", "stem.*"), 2, "--freeze: from scratch"),
        ((*FROM, "--freeze", "stem.*", "--freeze", "layer2.*"), 2, "--freeze layer2.* matches no parameter"),
        ((*FROM, "--freeze", "*"), 2, "--freeze leaves nothing to train\nLeave the head out, as in --freeze stem.*"),
        (("--from", "resnet8_v1.reszoo_cifar10", *FROM[2:]), 2, "digits: grey images do not fit the network"),
        (("resnet8_v1", "--data", "digits", "--recipe", "digits", "--set", "lr"), 2, "--set 'lr' is not FIELD=VALUE"),
        (("resnet8_v1", "--data", "digits", "--recipe", "digits", "--set", "rl=1"), 2, "Did you mean lr"),
        (("resnet8_v1", "--data", "digits", "--recipe", "digits", "--set", "skip=gates"), 2, "Choose from identity"),
        (("resnet8_v1+num_classes=3", "--data", "digits", "--recipe", "digits"), 2, "digits decides num_classes"),
        (
            ("--from", "resnet8_v1.reszoo_digits", "--data", "digits", "--recipe", "digits", "--set", "skip=gate"),
            2,
            "skip",
        ),
        (("resnet8_v1", "--data", "digits", "--recipe", "digits", "--lr", "-1"), 2, "lr=-1.0: Expected `float` > 0"),
        (("resnet8_v1", "--data", "digits", "--recipe", "digits", "--teacher", "nobody"), 2, "unknown checkpoint"),
    ],
)
def test_mistakes_are_explained(arguments, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = reszoo("train", *arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "runs").exists()


def test_a_device_that_is_not_here_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = train("--device", "cuda", "--out", tmp_path / "run")
    assert done.returncode == 3
    assert "no CUDA GPU" in done.stderr
    assert "Use --device cpu" in done.stderr
