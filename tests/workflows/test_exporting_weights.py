"""Weights for torchvision and timm: a file that their own networks load strictly, with the same logits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from foreign import untrained
from layouts import logits
from msgspec.structs import replace
from safetensors.torch import load_file
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

import reszoo
from reszoo.api import public
from reszoo.cli import export as verb
from reszoo.core.errors import UsageError
from reszoo.core.types import ResNetSpec
from reszoo.models import spec_of
from reszoo.zoo.libraries import LIBRARIES, network_of

SHALLOW = (1, 1, 1, 1)
# To a library, as an architecture of ours, and as the library's own network.
NETWORKS: dict[str, tuple[str, str, Callable[[], nn.Module]]] = {
    "torchvision": ("torchvision", "resnet18_v1", lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=5)),
    "torchvision's bottlenecks": (
        "torchvision",
        "resnet50_v1",
        lambda: ResNet(Bottleneck, [1, 1, 1, 1], num_classes=5),
    ),
    "timm v1": ("timm", "resnet18_v1", lambda: timm.create_model("resnet18", layers=[1, 1, 1, 1], num_classes=5)),
    "timm v2": ("timm", "resnet18_v2", lambda: timm.create_model("resnetv2_18", layers=[1, 1, 1, 1], num_classes=5)),
    "timm v2's bottlenecks": (
        "timm",
        "resnet50_v2",
        lambda: timm.create_model("resnetv2_50", layers=[1, 1, 1, 1], num_classes=5),
    ),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


def network(arch: str) -> reszoo.Checkpoint:
    spec = replace(spec_of(arch), num_classes=5, input=(3, 64, 64), depths=SHALLOW)
    return public(untrained(Path(arch), spec))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_library_gives_the_same_logits(name: str) -> None:
    library, arch, make = NETWORKS[name]
    checkpoint, theirs = network(arch), make()
    theirs.load_state_dict(load_file(checkpoint.export_weights(library)), strict=True)
    expected = logits(checkpoint.module(), 64)
    torch.testing.assert_close(logits(theirs, 64), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("library", "arch"), [("timm", "resnet18_v1"), ("timm", "resnet18_v2"), ("torchvision", "resnet18_v1")]
)
def test_the_proof_is_in_the_librarys_own_class(library: str, arch: str) -> None:
    spec = spec_of(arch)
    assert isinstance(spec, ResNetSpec)
    theirs = network_of(library, replace(spec, depths=SHALLOW, input=(1, 64, 64)))
    assert type(theirs).__module__.partition(".")[0] == library
    assert theirs(torch.zeros(2, 1, 64, 64)).shape == (2, 1000)


def test_a_pickle_holds_the_same() -> None:
    checkpoint = network("resnet18_v1")
    one, other = (checkpoint.export_weights("torchvision", out=f"made{suffix}") for suffix in (".pth", ".safetensors"))
    state, same = torch.load(one, weights_only=True), load_file(other)
    assert state.keys() == same.keys()
    assert all(torch.equal(tensor, same[name]) for name, tensor in state.items())


def test_wide_and_grey_networks_go_too() -> None:
    """What is written has been loaded into the library's network and run there."""
    for library, arch, channels in (("torchvision", "wide_resnet50_2_v1", 3), ("timm", "resnet18_v2", 1)):
        module = reszoo.create_model(arch, num_classes=5, in_chans=channels, depths=SHALLOW)
        made = reszoo.import_checkpoint(module, name=library, preprocess="mean=0.5,std=0.5,crop=64")
        assert made.export_weights(library).name == f"{library}-{library}.safetensors"


def test_what_goes_out_comes_back() -> None:
    checkpoint = network("resnet18_v2")
    back = reszoo.import_checkpoint(checkpoint.export_weights("timm"), preprocess="mean=0.5,std=0.5,crop=64")
    assert back.sha256 == checkpoint.sha256
    assert back.spec == checkpoint.spec


def test_what_cannot_go_is_refused_and_leaves_nothing() -> None:
    digits = reszoo.load("resnet8_v1.reszoo_digits")
    with pytest.raises(UsageError, match="its stem is 'cifar', not 'imagenet'"):
        digits.export_weights("torchvision")
    with pytest.raises(UsageError, match="unknown library 'keras'"):
        digits.export_weights("keras")
    with pytest.raises(UsageError, match=r"made\.onnx is no name for weights"):
        digits.export_weights("timm", out="made.onnx")
    Path("mine.pth").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.pth is there already"):
        digits.export_weights("timm", out="mine.pth")
    assert [path.name for path in Path().iterdir() if path.name != "cache"] == ["mine.pth"]


def test_the_command_line_knows_the_same_libraries() -> None:
    assert verb.LIBRARIES == LIBRARIES
