"""Preprocessing as it is written, and what it becomes."""

import pytest

from reszoo.core.errors import UsageError
from reszoo.datasets.presets import parse_preprocess
from reszoo.zoo import cards


def test_words_are_what_the_catalogues_networks_were_trained_with() -> None:
    imagenet = parse_preprocess("imagenet").for_input(3, 224)
    assert imagenet == cards()["resnet18_v1.torchvision_in1k_v1"].preprocess
    cifar = parse_preprocess("cifar10").for_input(3, 32)
    assert cifar == cards()["resnet20_v1.chenyaofo_cifar10"].preprocess


def test_figures_in_any_order_with_spaces() -> None:
    made = parse_preprocess("crop=24, std=0.2,0.3,0.4, mean=0.5, resize=28, interpolation=bicubic").for_input(3, 32)
    assert (made.mean, made.std) == ((0.5,) * 3, (0.2, 0.3, 0.4))
    assert (made.resize, made.crop, made.input, made.interpolation) == (28, 24, (3, 24, 24), "bicubic")
    assert parse_preprocess("mean=0.5,std=0.5").for_input(1, 28).input == (1, 28, 28)


def test_a_word_keeps_the_networks_own_size() -> None:
    """Many who train on CIFAR normalise with ImageNet's figures, and resize nothing."""
    made = parse_preprocess("imagenet").for_input(3, 32)
    assert (made.mean, made.resize, made.crop, made.input) == ((0.485, 0.456, 0.406), None, None, (3, 32, 32))
    assert parse_preprocess("mean=0.5,std=0.5,resize=256,crop=224").for_input(3, 32).input == (3, 224, 224)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read at ''"),
        ("mean=0.5", "std is missing"),
        ("mean=0.5,std=0.2,scale=3", "at '3'"),
        ("0.5,mean=0.5,std=0.2", "at '0.5'"),
        ("mean=0.5,std=0.2,mean=0.4", "at '0.4'"),
        ("mean=half,std=0.2", "could not convert"),
        ("mean=0.5,std=0.2,crop=0", "'0' is no number of pixels"),
        ("mean=0.5,std=0.2,resize=256,256", "too many values"),
        ("mean=123.675,116.28,103.53,std=58.395,57.12,57.375", "divide those of pixels from 0 to 255 by 255"),
        ("mean=nan,std=0.2", "mean and std are numbers from 0 to 1"),
        ("mean=0.5,std=inf", "mean and std are numbers from 0 to 1"),
        ("mean=0.5,std=0.2,resize=200,crop=224", "resize=200 needs a crop that is no larger"),
        ("mean=0.5,std=0.2,resize=256", "resize=256 needs a crop that is no larger"),
        ("mean=0.5,std=0.2,interpolation=nearest", "interpolation is bilinear or bicubic"),
    ],
)
def test_what_cannot_be_read_is_said_with_how_it_is_written(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace(".", r"\.")) as caught:
        parse_preprocess(text)
    assert "resize=256,crop=224" in caught.value.fix
