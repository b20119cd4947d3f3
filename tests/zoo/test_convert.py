"""Foreign weights: equal outputs after the conversion, and nothing but weights is accepted."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from foreign import randomise
from safetensors.torch import save_file
from torch import nn

from reszoo import models
from reszoo.core.errors import ReszooError
from reszoo.models.shapes import state_shapes
from reszoo.zoo.checkpoints import check_fits, empty_network
from reszoo.zoo.convert import convert, renamed
from reszoo.zoo.reading import State, read_state

TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2")
TIMM = ("resnetv2_18", "resnetv2_34", "resnetv2_50", "resnetv2_101")


def ours(state: State, arch: str) -> nn.Module:
    spec = models.spec_of(arch)
    check_fits(state, state_shapes(spec), arch)
    model = empty_network(spec)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, assign=True)
    return model.eval()


def arrays(model: nn.Module) -> State:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def assert_equal(theirs: nn.Module, mine: nn.Module, size: int = 64) -> None:
    """On the same images, within 1e-5 of the size of the outputs, which must be of a size to be compared."""
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = theirs(images), mine(images)
    scale = expected.abs().max().item()
    assert 0.01 < scale < 1e6
    assert expected.std() > 0.01 * scale
    assert (found - expected).abs().max().item() <= 1e-5 * scale


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_networks_compute_the_same(name: str) -> None:
    theirs = randomise(torchvision.models.get_model(name, weights=None))
    assert_equal(theirs, ours(renamed(arrays(theirs), "torchvision", name), f"{name}_v1"))


@pytest.mark.parametrize("name", TIMM)
def test_timm_networks_compute_the_same(name: str) -> None:
    theirs = randomise(timm.create_model(name))
    arch = name.replace("resnetv2_", "resnet") + "_v2"
    assert_equal(theirs, ours(renamed(arrays(theirs), "timm_resnetv2", name), arch))


def test_the_way_of_a_file(tmp_path: Path) -> None:
    """As akamaster's files are: wrapped, from DataParallel, with another classifier's name, without batch counters."""
    theirs = randomise(torchvision.models.resnet18(num_classes=1000))
    state = {
        f"module.{key.replace('fc.', 'linear.')}": value
        for key, value in theirs.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    torch.save({"state_dict": state, "best_prec1": 91.7}, tmp_path / "w.th")
    assert_equal(theirs, ours(convert(tmp_path / "w.th", "akamaster"), "resnet18_v1"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_becomes_single(tmp_path: Path, dtype: torch.dtype) -> None:
    theirs = randomise(timm.create_model("resnetv2_18")).to(dtype)
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    state = convert(tmp_path / "w.safetensors", "timm_resnetv2")
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32), np.dtype(np.int64)}
    assert_equal(theirs.float(), ours(state, "resnet18_v2"))


class Bomb:
    """Pickled, it is an order to create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("how", ["zip", "protocol 0", "protocol 2", "protocol 4"])
def test_code_is_refused_and_never_runs(tmp_path: Path, how: str) -> None:
    path, planted = tmp_path / "w.pth", tmp_path / "planted"
    if how == "zip":
        torch.save({"state_dict": {"conv1.weight": Bomb(planted)}}, path)
    else:
        path.write_bytes(pickle.dumps({"conv1.weight": Bomb(planted)}, protocol=int(how[-1])))
    with pytest.raises(ReszooError, match="refused"):
        read_state(path)
    assert not planted.exists()
    pickle.loads(pickle.dumps(Bomb(planted))).close()  # noqa: S301 - the bomb is live: this is what was refused
    assert planted.exists()


def test_a_whole_module_is_refused_by_its_name(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(ReszooError, match=r"contains code \(torch\.nn\.modules\.linear\.Linear\)"):
        read_state(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"w{suffix}"
    state = {"conv1.weight": torch.zeros(100, 100)}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ReszooError, match="damaged") as caught:
        read_state(path)
    assert caught.value.fix


@pytest.mark.parametrize("content", [[1, 2], {"conv1.weight": 3}, {"state_dict": {"a": "b"}}])
def test_what_is_no_state_dict(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ReszooError, match="expected a"):
        read_state(tmp_path / "w.pth")


def test_parameters_that_the_converter_does_not_know() -> None:
    vgg = arrays(torchvision.models.vgg11(init_weights=False))
    with pytest.raises(ReszooError, match=r"features\.0\.weight of shape \(64, 3, 3, 3\)"):
        renamed(vgg, "torchvision", "vgg11")


def test_another_architecture_is_named_by_its_first_mismatch() -> None:
    resnet18 = renamed(arrays(torchvision.models.resnet18()), "torchvision", "resnet18")
    with pytest.raises(ReszooError, match=r"stages\.0\.0\.convs\.0\.weight has shape 64x64x3x3, expected 64x64x1x1"):
        ours(resnet18, "resnet50_v1")
    with pytest.raises(ReszooError, match=r"stages\.0\.2\.convs\.0\.weight is missing, expected shape 64x64x3x3"):
        ours(resnet18, "resnet34_v1")
    with pytest.raises(ReszooError, match=r"head\.scale of shape 7 is not expected"):
        ours(resnet18 | {"head.scale": np.zeros(7)}, "resnet18_v1")
