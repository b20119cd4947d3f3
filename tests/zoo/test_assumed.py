"""What is assumed of images is what the cards of the same layout say."""

import pytest
from msgspec.structs import replace

from reszoo import zoo
from reszoo.core.types import Preprocess
from reszoo.datasets.presets import parse_preprocess
from reszoo.models import spec_of
from reszoo.zoo.assumed import assumption
from reszoo.zoo.catalogue import Card

CARDS = [card for card in zoo.cards().values() if card.converter != "native"]


def assumed(layout: str, arch: str) -> Preprocess:
    channels, side, _ = spec_of(arch).input
    return parse_preprocess(assumption(layout, spec_of(arch)).preprocess).for_input(channels, side)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.ref)
def test_a_cards_file_gets_the_cards_preprocessing(card: Card) -> None:
    found = assumption(card.converter, card.model_spec())
    channels, side, _ = card.preprocess.input
    expected = card.preprocess
    if card.ref.endswith("torchvision_in1k_v2"):  # of two recipes for the same layout, the older one is assumed
        expected = replace(expected, resize=256)
    assert parse_preprocess(found.preprocess).for_input(channels, side) == expected


def test_without_a_card_it_is_told_by_the_images_size() -> None:
    cifar, imagenet = assumed("", "resnet20_v1"), assumed("", "resnet18_v1")
    assert (cifar.mean[0], cifar.input) == (0.4914, (3, 32, 32))
    assert (imagenet.mean[0], imagenet.resize, imagenet.input) == (0.485, 256, (3, 224, 224))
    assert assumed("akamaster", "resnet18_v1_cifar") == cifar  # kuangliu's
    assert assumed("native", "vgg16_bn").input == (3, 224, 224)


def test_it_says_whose_it_is() -> None:
    assert assumption("akamaster", spec_of("resnet20_v1")).whose == "akamaster's"
    assert assumption("timm_resnetv2", spec_of("resnet50_v2")).whose == "timm's resnetv2_50 and resnetv2_101"
