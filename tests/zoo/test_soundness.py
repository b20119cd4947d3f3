"""Weights that no training gives are refused at the door, each tensor by its name, and what is unusual is not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reszoo.core.errors import ReszooError
from reszoo.zoo.convert import convert
from reszoo.zoo.soundness import check_sound


def sound() -> dict[str, np.ndarray]:
    return {
        "conv1.weight": np.ones((2, 3, 3, 3), np.float32),
        "bn1.running_mean": np.zeros(2, np.float32),
        "bn1.running_var": np.array([1e-4, 1e4], np.float32),
        "bn1.num_batches_tracked": np.array(0),
    }


BROKEN: dict[str, tuple[str, object, str]] = {
    "NaN": ("conv1.weight", np.nan, r"conv1\.weight has 1 of 54 values that are NaN or infinite"),
    "infinite": ("bn1.running_mean", -np.inf, r"bn1\.running_mean has 1 of 2 values that are NaN or infinite"),
    "negative": ("bn1.running_var", -1e-3, r"bn1\.running_var has 1 of 2 variances .* \(the least is -0\.001\)"),
    "zero": ("bn1.running_var", 0, r"bn1\.running_var has 1 of 2 variances that are not above 0"),
    "NaN variance": ("bn1.running_var", np.nan, r"bn1\.running_var has 1 of 2 values that are NaN"),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kind", BROKEN)
def test_each_is_named_by_its_tensor(kind: str, dtype: type) -> None:
    name, value, said = BROKEN[kind]
    state = sound() | {name: sound()[name].astype(dtype)}
    state[name].flat[0] = value
    with pytest.raises(ReszooError, match=rf"mine\.pth: {said}") as caught:
        check_sound(state, "mine.pth")
    assert caught.value.fix


def test_what_is_sound_passes_however_small_its_variances_are() -> None:
    check_sound(sound() | {"bn1.running_var": np.array([1e-40, 1e30], np.float32)}, "mine.pth")


def test_integers_are_no_weights() -> None:
    with pytest.raises(ReszooError, match=r"conv1\.weight is of int8"):
        check_sound(sound() | {"conv1.weight": np.ones(3, np.int8)}, "mine.pth")


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    state = {f"{i}.weight": np.full(2, np.nan, np.float32) for i in range(5)}
    with pytest.raises(ReszooError, match=r"0\.weight .*; 2\.weight .*; and 2 more tensors"):
        check_sound(state, "mine.pth")


def test_downloads_pass_through_the_same_door(tmp_path: Path) -> None:
    state = {"conv1.weight": torch.full((2, 3, 3, 3), torch.inf).half()}
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(ReszooError, match=r"w\.safetensors: conv1\.weight has 54 of 54 values"):
        convert(tmp_path / "w.safetensors", "torchvision")
