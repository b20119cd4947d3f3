"""Weights of others become checkpoints: every layout, recognised from its file, gives the logits of its own network."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from foreign import randomise
from layouts import V1, PreActivated, Transformers, WideResNet, logits
from msgspec.structs import replace
from safetensors.torch import save_file
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

import reszoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.core.types import ChannelPlan, Preprocess, ResNetSpec

FIGURES = "mean=0.5,std=0.25"
PRUNED = replace(reszoo.models.spec_of("resnet8_v1"), plan=ChannelPlan(channels={"stages.0.0.convs.0": (0, 5, 7)}))
# A network as its library builds it, and what is told of it: architecture, layout, option, side of the images.
LAYOUTS: dict[str, tuple[Callable[[], nn.Module], str, str, str, int]] = {
    "torchvision": (lambda: ResNet(BasicBlock, [2, 2, 2, 2], num_classes=7), "resnet18_v1", "torchvision", "B", 64),
    "torchvision's bottlenecks": (
        lambda: ResNet(Bottleneck, [1, 1, 1, 1]),
        "resnet50_v1+depths=1,1,1,1",
        "torchvision",
        "B",
        64,
    ),
    "torchvision, wide": (
        lambda: ResNet(Bottleneck, [1, 2, 1, 1], width_per_group=128),
        "wide_resnet50_2_v1+depths=1,2,1,1",
        "torchvision",
        "B",
        64,
    ),
    "timm v1": (lambda: timm.create_model("resnet18", num_classes=3), "resnet18_v1", "torchvision", "B", 64),
    "timm v1, grey": (lambda: timm.create_model("resnet18", in_chans=1), "resnet18_v1", "torchvision", "B", 64),
    "timm v2": (lambda: timm.create_model("resnetv2_18", num_classes=3), "resnet18_v2", "timm_resnetv2", "B", 64),
    "transformers": (lambda: Transformers(3), "resnet50_v1+depths=1,1,1,1", "transformers", "B", 64),
    "akamaster": (lambda: V1([3, 3, 3], 16, projection="", head="linear"), "resnet20_v1", "akamaster", "A", 32),
    "akamaster, option B": (
        lambda: V1([1, 1, 1], 16, projection="shortcut", head="linear"),
        "resnet8_v1",
        "akamaster",
        "B",
        32,
    ),
    "chenyaofo": (
        lambda: V1([3, 3, 3], 16, projection="downsample", head="fc", classes=100),
        "resnet20_v1",
        "torchvision",
        "B",
        32,
    ),
    "kuangliu": (
        lambda: V1([2, 2, 2, 2], 64, projection="shortcut", head="linear"),
        "resnet18_v1_cifar",
        "akamaster",
        "B",
        32,
    ),
    "bearpaw": (
        lambda: V1([2, 2, 2], 16, projection="downsample", head="fc", is_deep=True),
        "resnet14_v1+block_type=bottleneck",
        "torchvision",
        "B",
        32,
    ),
    "Wide ResNet": (lambda: WideResNet(10, 2), "wide_resnet10_2_v2", "wide_resnet", "B", 32),
    "reszoo v1": (lambda: reszoo.create_model("resnet8_v1", num_classes=4), "resnet8_v1", "native", "A", 32),
    "reszoo v2": (lambda: reszoo.create_model("resnet8_v2", in_chans=1), "resnet8_v2", "native", "A", 32),
    "reszoo, wide": (lambda: reszoo.create_model("wide_resnet10_2_v2"), "wide_resnet10_2_v2", "native", "B", 32),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    return tmp_path


def akamaster(classes: int = 10) -> nn.Module:
    return randomise(V1([1, 1, 1], 16, projection="", head="linear", classes=classes))


def assert_same(theirs: nn.Module, checkpoint: reszoo.Checkpoint, side: int = 32) -> None:
    expected = logits(theirs, side, checkpoint.spec.input[0])
    torch.testing.assert_close(
        logits(checkpoint.module(), side, checkpoint.spec.input[0]), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised_and_gives_its_own_logits(layout: str) -> None:
    make, arch, converter, shortcut, side = LAYOUTS[layout]
    theirs = randomise(make())
    torch.save({"state_dict": theirs.state_dict()}, "mine.pth")
    made = reszoo.import_checkpoint("mine.pth", preprocess=FIGURES)
    how = made.provenance[-1].config
    assert (how["arch"], how["layout"], made.spec.shortcut) == (arch, converter, shortcut)
    assert isinstance(reszoo.models.spec_of(how["arch"]), ResNetSpec)
    assert made.ref == f"{arch}.mine"
    assert_same(theirs, made, side)


def test_a_plain_network_is_one_where_it_is_said() -> None:
    """Its tensors are those of a v1 network with option A."""
    theirs = randomise(reszoo.create_model("resnet8_plain"))
    torch.save(theirs.state_dict(), "mine.pth")
    made = reszoo.import_checkpoint("mine.pth", arch="resnet8_plain")
    assert made.spec.family == "plain"
    assert_same(theirs, made)
    assert reszoo.import_checkpoint("mine.pth").spec.family == "v1"
    with pytest.raises(ReszooError, match="computes something else: logits differ by"):
        reszoo.import_checkpoint(theirs, arch="resnet8_v1")


OURS = ["plain", "v1+activation=silu", "v2+skip=gate", "v2+skip=scale", "v2+norm=layer", "v2+order=norm-conv"]


@pytest.mark.parametrize("variant", OURS)
def test_variants_of_ours_are_what_their_module_or_their_name_says(variant: str) -> None:
    arch = f"resnet8_{variant}"
    theirs = randomise(reszoo.create_model(arch))
    torch.save(theirs.state_dict(), "mine.pth")
    of_module = reszoo.import_checkpoint(theirs, out="module")
    of_file = reszoo.import_checkpoint("mine.pth", arch=arch, out="file")
    assert of_module.spec == of_file.spec == theirs.spec
    assert of_module.provenance[-1].config["arch"] == arch
    assert_same(theirs, of_module)
    assert_same(theirs, of_file)


def test_an_error_says_which_of_several_networks_in_a_file_it_is_about() -> None:
    """Averages are taken first, and some lack the statistics of batch norms."""
    state = akamaster().state_dict()
    averages = {name: tensor for name, tensor in state.items() if "running" not in name}
    torch.save({"model": state, "ema": averages}, "mine.pth")
    with pytest.raises(ReszooError, match=r"mine\.pth \(ema\) .*running_mean is missing"):
        reszoo.import_checkpoint("mine.pth", arch="resnet8_v1")


def test_a_pruned_module_of_ours_keeps_its_plan() -> None:
    theirs = randomise(reszoo.models.build(PRUNED))
    made = reszoo.import_checkpoint(theirs)
    assert made.spec == PRUNED
    assert_same(theirs, made)
    torch.save(theirs.state_dict(), "mine.pth")
    with pytest.raises(ReszooError, match="fits no network that reszoo knows") as caught:
        reszoo.import_checkpoint("mine.pth")
    assert "checkpoint.json" in caught.value.fix


def test_preactivated_networks_are_told_apart_by_running_them() -> None:
    """Those that descend from kuangliu's have the same tensors, whatever their projections take."""
    theirs = randomise(PreActivated([1, 1, 1], 16, has_norm=True))
    torch.save(theirs.state_dict(), "mine.pth")
    with pytest.raises(UsageError, match="does not tell whether its projections take the activated signal"):
        reszoo.import_checkpoint("mine.pth")
    for made in (
        reszoo.import_checkpoint(theirs, out="module"),
        reszoo.import_checkpoint("mine.pth", arch="resnet8_v2", out="file"),
    ):
        assert (made.spec.family, made.provenance[-1].config["layout"]) == ("v2", "preact")
        assert_same(theirs, made)
    with pytest.raises(ReszooError, match="PreActivated has the tensors of reszoo's network and computes something"):
        reszoo.import_checkpoint(randomise(PreActivated([1, 1, 1], 16, has_norm=True, is_raw=True)))


def test_a_module_is_imported_and_stays_as_it_is() -> None:
    theirs = akamaster()
    before = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    theirs.train()
    made = reszoo.import_checkpoint(nn.DataParallel(theirs), name="mine.twin", out="twin")
    assert theirs.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in theirs.state_dict().items())
    assert (made.ref, made.weights_path.parent) == ("mine.twin", Path("twin").absolute())
    assert_same(theirs, made)
    assert made.provenance[-1].config["module"] == "DataParallel"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PreActivated([1, 1, 1], 16, is_bearpaw=True), "its projections take the raw signal, as in bearpaw's"),
        (lambda: PreActivated([1, 1, 1], 16), "no norm after its last block, as kuangliu's"),
    ],
    ids=["bearpaw", "kuangliu"],
)
def test_what_would_compute_something_else_is_refused_with_the_reason(make: Callable[[], nn.Module], said: str) -> None:
    theirs = randomise(make())
    torch.save(theirs.state_dict(), "mine.pth")
    with pytest.raises(ReszooError, match=said):
        reszoo.import_checkpoint("mine.pth")
    with pytest.raises(ReszooError, match=f"{said}|computes something else"):
        reszoo.import_checkpoint(theirs)


def test_a_module_with_other_strides_is_refused() -> None:
    theirs = akamaster()
    theirs.layer2[0].conv1.stride = (1, 1)  # type: ignore[index, union-attr]
    theirs.layer2[0].conv2.stride = (2, 2)  # type: ignore[index, union-attr]
    with pytest.raises(ReszooError, match="V1 has the tensors of reszoo's network and computes something else"):
        reszoo.import_checkpoint(theirs)


def test_a_compiled_module_is_run_as_it_was_before() -> None:
    def fail(*_: object) -> None:
        raise AssertionError("it was compiled")

    theirs = akamaster()
    made = reszoo.import_checkpoint(torch.compile(theirs, backend=fail))
    assert_same(theirs, made)


def test_a_module_that_cannot_be_copied_is_named() -> None:
    theirs = akamaster()
    theirs.cached = theirs.conv1.weight * 2  # type: ignore[union-attr, operator, assignment]
    with pytest.raises(ReszooError, match=r"a copy of V1 cannot be run on .* RuntimeError: Only Tensors created"):
        reszoo.import_checkpoint(theirs)


def test_a_module_that_gives_no_logits_is_refused() -> None:
    theirs = akamaster()
    theirs.forward = lambda x: {"logits": x}  # type: ignore[method-assign, assignment, misc]
    with pytest.raises(ReszooError, match="V1 gives dict, expected logits of"):
        reszoo.import_checkpoint(theirs)
    with pytest.raises(UsageError, match="an object of type int cannot be imported"):
        reszoo.import_checkpoint(3)  # type: ignore[arg-type]
    with torch.device("meta"), pytest.raises(ReszooError, match="is on the meta device"):
        reszoo.import_checkpoint(V1([1], 16, projection="", head="fc"))


def test_surplus_heads_are_named_and_left_out_on_request() -> None:
    theirs = akamaster()
    aux = {"aux.0.fc.weight": torch.ones(10, 8), "aux.0.fc.bias": torch.ones(10), "rotation.weight": torch.ones(4, 64)}
    state = theirs.state_dict() | aux
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, "mine.pth")
    said = r"aux\.0\.fc\.weight, aux\.0\.fc\.bias, rotation\.weight are no part of a resnet8_v1"
    with pytest.raises(UsageError, match=said) as caught:
        reszoo.import_checkpoint("mine.pth")
    hints = re.findall(r"`ignore='(.*?)'`", caught.value.fix)
    assert hints == ["aux.*", "rotation.*"]
    made = reszoo.import_checkpoint("mine.pth", ignore=hints, name="hinted")
    assert_same(theirs, made)
    made = reszoo.import_checkpoint("mine.pth", ignore=["aux.*", "module.rotation.weight"])
    assert_same(theirs, made)
    how = made.provenance[-1].config
    assert how["ignore"] == "aux.*,module.rotation.weight"
    assert how["left_out"] == "module.aux.0.fc.weight,module.aux.0.fc.bias,module.rotation.weight"
    with pytest.raises(UsageError, match=r"no tensor that `ignore='auks\.\*'` leaves out"):
        reszoo.import_checkpoint("mine.pth", ignore="auks.*")


def test_another_network_is_told_with_the_nearest_and_their_first_mismatch() -> None:
    theirs = torchvision.models.resnext50_32x4d()
    torch.save(theirs.state_dict(), "mine.pth")
    with pytest.raises(ReszooError, match="fits no network that reszoo knows") as caught:
        reszoo.import_checkpoint("mine.pth")
    first = "wide_resnet50_2_v1 (layer1.0.conv2.weight has shape 128x4x3x3, expected 128x128x3x3)"
    assert first in caught.value.problem
    assert 2 <= caught.value.problem.count("expected") <= 3
    assert "`arch=wide_resnet50_2_v1`" in caught.value.fix
    with pytest.raises(ReszooError, match=r"does not fit resnet50_v1: layer1\.0\.conv1\.weight has shape 128x64x1x1"):
        reszoo.import_checkpoint("mine.pth", arch="resnet50_v1")


@pytest.mark.parametrize("name", ["seresnet18", "resnet18d", "resnetv2_18d"])
def test_variants_of_known_networks_are_refused_and_no_part_of_a_block_is_offered_to_be_ignored(name: str) -> None:
    torch.save(timm.create_model(name).state_dict(), "mine.pth")
    with pytest.raises(ReszooError, match="fits no network that reszoo knows") as caught:
        reszoo.import_checkpoint("mine.pth")
    assert "ignore" not in caught.value.fix


def group_normed() -> nn.Module:
    module: nn.Module = timm.create_model("resnet50_gn", layers=[1, 1, 1, 1], num_classes=3)
    return module


def bit() -> nn.Module:
    return timm.models.resnetv2.ResNetV2([1, 1, 1, 1], num_classes=3)


@pytest.mark.parametrize("make", [group_normed, bit], ids=lambda make: make.__name__)
def test_group_norms_of_others_are_refused(make: Callable[[], nn.Module]) -> None:
    """Theirs go with standardised weights, or in other groups."""
    torch.save(make().state_dict(), "mine.pth")
    with pytest.raises(ReszooError, match="running_mean is missing"):
        reszoo.import_checkpoint("mine.pth")


def test_what_is_no_residual_network_is_near_to_none() -> None:
    torch.save(nn.Sequential(nn.Linear(3, 4)).state_dict(), "mine.pth")
    with pytest.raises(ReszooError, match=r"called 0\.weight, 0\.bias; none is near"):
        reszoo.import_checkpoint("mine.pth")


def test_a_backbone_without_its_head_lacks_it_by_name() -> None:
    state = {name: tensor for name, tensor in akamaster().state_dict().items() if "linear" not in name}
    torch.save(state, "mine.pth")
    with pytest.raises(ReszooError, match=r"resnet8_v1 \(fc\.weight is missing"):
        reszoo.import_checkpoint("mine.pth")


def test_labels_and_preprocessing_are_what_was_said() -> None:
    theirs = akamaster(classes=3)
    torch.save(theirs.state_dict(), "mine.pth")
    Path("labels.txt").write_text("\ufeffred fox\ncat\r\n\nowl\n", encoding="utf-8")
    figures = "mean=0.1,0.2,0.3,std=0.4,0.5,0.6,resize=40,crop=36,interpolation=bicubic"
    made = reszoo.import_checkpoint("mine.pth", labels="labels.txt", preprocess=figures, licence="MIT")
    expected = Preprocess(
        mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), input=(3, 36, 36), resize=40, crop=36, interpolation="bicubic"
    )
    assert (made.labels, made.licence) == (("red fox", "cat", "owl"), "MIT")
    assert made.preprocess == expected
    assert made.spec.input == (3, 36, 36)
    assert "assumed" not in made.provenance[-1].config
    cifar = reszoo.import_checkpoint("mine.pth", preprocess="imagenet", name="cifar")
    assert (cifar.preprocess.mean, cifar.preprocess.resize, cifar.spec.input) == (
        (0.485, 0.456, 0.406),
        None,
        (3, 32, 32),
    )
    grey = Preprocess(mean=(0.5,), std=(0.5,), input=(1, 32, 32))
    with pytest.raises(UsageError, match="takes images of 3 channels, and `preprocess` is for 1 channel"):
        reszoo.import_checkpoint("mine.pth", preprocess=grey)
    again = reszoo.import_checkpoint("mine.pth", labels=["a", "b", "c"], preprocess=expected, name="a.b")
    assert (again.labels, again.preprocess) == (("a", "b", "c"), expected)


def test_timms_networks_are_fed_as_its_own() -> None:
    torch.save(timm.create_model("resnetv2_18", layers=[1, 1, 1, 1]).state_dict(), "mine.pth")
    made = reszoo.import_checkpoint("mine.pth")
    assert made.preprocess == reszoo.zoo.cards()["resnet18_v2.timm_ra4_in1k"].preprocess


def test_what_is_assumed_is_in_the_provenance() -> None:
    torch.save(akamaster().state_dict(), "mine.pth")
    made = reszoo.import_checkpoint("mine.pth")
    assert made.provenance[-1].config["assumed"] == "the preprocessing of akamaster's weights"
    assert made.preprocess == reszoo.zoo.cards()["resnet20_v1.akamaster_cifar10"].preprocess
    assert (made.labels, made.dataset) == (tuple("0123456789"), "")
    torch.save(V1([1, 1], 8, projection="", head="fc", channels=1).state_dict(), "grey.pth")
    with pytest.raises(UsageError, match="takes images of 1 channel, and no preprocessing is usual"):
        reszoo.import_checkpoint("grey.pth")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"labels": "nowhere.txt"}, "nowhere.txt is neither a file nor a data set on this machine"),
    ({"labels": ["a", "b"]}, "`labels` has 2 classes, but the network has 10"),
    ({"labels": "imagenet1k"}, "imagenet1k has 1000 classes, but the network has 10"),
    ({"data": "flowers"}, "unknown data set 'flowers'"),
    ({"labels": range(10)}, "`labels` has 0, which is no name"),
    ({"labels": {0: "cat", 1: "dog"}}, "`labels` has 0, which is no name"),
    ({"data": "My Flowers"}, "cannot name a data set"),
    ({"name": "../mine"}, "cannot name a checkpoint"),
    ({"preprocess": "imagnet"}, "`preprocess=imagnet` cannot be read at 'imagnet'"),
    (
        {"preprocess": "mean=0.5,std=0.5,0.5"},
        "`preprocess` does not fit the network: mean has 3 values, std has 2",
    ),
    ({"preprocess": "mean=0.5,std=0"}, "every value of std must be above 0"),
    ({"arch": "resnet19_v1"}, "no residual network has depth 19"),
]


@pytest.mark.parametrize(("options", "said"), MISTAKES, ids=str)
def test_what_cannot_be_meant_is_refused_and_leaves_nothing(options: dict[str, Any], said: str) -> None:
    torch.save(akamaster().state_dict(), "mine.pth")
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        reszoo.import_checkpoint("mine.pth", **options)
    assert not Path("runs").exists()


def test_what_is_there_is_not_replaced() -> None:
    torch.save(akamaster().state_dict(), "mine.pth")
    reszoo.import_checkpoint("mine.pth", out="made")
    with pytest.raises(UsageError, match="made is there already"):
        reszoo.import_checkpoint("mine.pth", out="made")
    with pytest.raises(UsageError, match="is a checkpoint of reszoo's already"):
        reszoo.import_checkpoint("made")
    with pytest.raises(UsageError, match="is a checkpoint of reszoo's already"):
        reszoo.import_checkpoint("made/weights.safetensors")
    with pytest.raises(UsageError, match=r"there is no file nothing\.pth"):
        reszoo.import_checkpoint("nothing.pth")
    with pytest.raises(UsageError, match="made is there already"):
        reszoo.import_checkpoint("nothing.pth", out="made")
    with pytest.raises(UsageError, match="no residual network has depth 19"):
        reszoo.import_checkpoint("nothing.pth", arch="resnet19_v1")
    with pytest.raises(UsageError, match=r"nowhere\.txt is neither a file nor a data set"):
        reszoo.import_checkpoint("nothing.pth", labels="nowhere.txt")
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="empty is a folder"):
        reszoo.import_checkpoint("empty")


def test_the_checkpoints_of_other_tools_are_files_like_others() -> None:
    torch.save(akamaster().state_dict(), "best.pth")
    Path("checkpoint.json").write_text("{}")
    assert reszoo.import_checkpoint("best.pth").ref == "resnet8_v1.best"


def test_the_provenance_names_the_file_and_its_hash() -> None:
    from hashlib import sha256

    save_file({f"_orig_mod.module.{k}": v for k, v in akamaster().state_dict().items()}, "my net (v2).safetensors")
    made = reszoo.import_checkpoint("my net (v2).safetensors")
    (step,) = made.provenance
    assert step.input_sha256 == sha256(Path("my net (v2).safetensors").read_bytes()).hexdigest()
    assert step.config == {
        "file": "my net (v2).safetensors",
        "layout": "akamaster",
        "arch": "resnet8_v1",
        "tensors": "44",
        "prefixes": "_orig_mod.module.",
        "assumed": "the preprocessing of akamaster's weights",
    }
    assert made.ref == "resnet8_v1.my_net_v2"
    assert type(made) is reszoo.Checkpoint


def import_digits(**options: Any) -> tuple[reszoo.Checkpoint, reszoo.Checkpoint]:
    """The weights of a bundled network, imported as its owner's loop would have saved them; and that network."""
    bundled = reszoo.load("resnet8_v1.reszoo_digits")
    torch.save({"model": bundled.module().state_dict()}, "mine.pth")
    prepare = bundled.preprocess
    figures = f"mean={prepare.mean[0]},std={prepare.std[0]},crop=8"
    return reszoo.import_checkpoint("mine.pth", preprocess=figures, **options), bundled


@pytest.mark.long
def test_every_later_stage_works_on_it() -> None:
    made, bundled = import_digits(data="digits")
    assert (made.labels, made.preprocess.input) == (bundled.labels, bundled.preprocess.input)
    assert made.evaluate().accuracy == bundled.metrics[0].value
    artifact = made.export("onnx", out="onnx")
    assert artifact.provenance[0].name == "import"
    assert made.quantize("onnx", measure=False, out="int8").evaluate().accuracy > 0.95
    assert made.prune(macs=0.7, importance="l2", measure=False, out="small").spec.plan
    image = np.zeros((8, 8, 1), np.uint8)
    assert [type(one).__name__ for one in artifact.predict(image)] == ["Prediction"]


def test_later_stages_say_that_they_lack_a_data_set_and_take_one() -> None:
    nameless, bundled = import_digits()
    assert repr(nameless) == "Checkpoint(resnet8_v1.mine: for unnamed images, 0.306 MB)"
    assert "tells 10 classes apart" in (nameless.export("onnx", out="plain").path / "README.md").read_text()
    lacking = [nameless.evaluate, lambda: nameless.quantize("onnx"), lambda: nameless.prune(macs=0.5)]
    for call in lacking:
        with pytest.raises(UsageError, match="does not say which data set it was trained on") as caught:
            call()
        assert "name them: `data=NAME`" in caught.value.fix
    assert nameless.evaluate("digits").accuracy == bundled.metrics[0].value
    assert nameless.prune(macs=0.7, data="digits", images=32, measure=False, out="later").dataset == "digits"
    with pytest.raises(UsageError, match="cannot draw 9999 calibration images from the 1295 training images of digits"):
        nameless.quantize("onnx", data="digits", images=9999)
