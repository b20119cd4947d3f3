"""The cards say what is true, as far as that can be computed again, and reading them is cheap."""

import math
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import timm
import torchvision
from shelf import REF, write_card

from reszoo import zoo
from reszoo.core.download import Source
from reszoo.core.errors import ReszooError, UsageError
from reszoo.zoo import catalogue
from reszoo.zoo.catalogue import Card
from reszoo.zoo.checkpoints import empty_network
from reszoo.zoo.labels import labels

CARDS = list(zoo.cards().values())
TORCHVISION = {
    weights.url: weights
    for name in torchvision.models.list_models(include=["resnet*", "wide_resnet*"])
    for weights in torchvision.models.get_model_weights(name)
}
UNPUBLISHED = {"resnet1202_v1.akamaster_cifar10"}  # its home page leaves the accuracy out
LIGHT = """
import sys
from reszoo import zoo
zoo.list_models()
print(sorted({"torch", "numpy", "onnx", "onnxruntime", "httpx"} & set(sys.modules)))
"""


def of_tag(tag: str) -> list[Card]:
    return [card for card in CARDS if f".{tag}_" in card.ref]


def test_all_public_weights_are_there() -> None:
    counts = {tag: len(of_tag(tag)) for tag in ("akamaster", "chenyaofo", "torchvision", "timm")}
    assert counts == {"akamaster": 6, "chenyaofo": 4, "torchvision": 10, "timm": 4}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.ref)
def test_a_card_agrees_with_itself(card: Card) -> None:
    spec = card.model_spec()
    network = empty_network(spec)
    assert network.head.out_features == len(labels(card.labels)) == spec.num_classes
    assert card.preprocess.input == spec.input
    assert card.licence in {"BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MIT"}
    assert re.fullmatch(r"\d{4}\.\d{5}", card.paper)
    Source(url=card.url, sha256=card.sha256, size_bytes=card.size_bytes)
    if named := re.search(r"-([0-9a-f]{8})\.\w+$", card.url):
        assert card.sha256 is not None
        assert card.sha256.startswith(named[1])
    else:
        assert card.url.startswith("https://huggingface.co/")  # the hub states the hash itself
    assert (card.accuracy is None) == (card.ref in UNPUBLISHED)
    if card.accuracy:
        whole = (10_000, "test") if card.dataset == "cifar10" else (50_000, "val")
        assert (card.accuracy.n, card.accuracy.split) == whole


@pytest.mark.parametrize("card", of_tag("torchvision"), ids=lambda card: card.ref)
def test_torchvision_says_the_same(card: Card) -> None:
    weights = TORCHVISION[card.url]
    transforms, preprocess = weights.transforms(), card.preprocess
    assert [preprocess.resize] == transforms.resize_size
    assert [preprocess.crop] == transforms.crop_size
    assert list(preprocess.mean) == transforms.mean
    assert list(preprocess.std) == transforms.std
    assert preprocess.interpolation == transforms.interpolation.value
    assert card.accuracy is not None
    assert card.accuracy.value == pytest.approx(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100, abs=1e-9)
    assert labels(card.labels) == tuple(weights.meta["categories"])
    network = empty_network(card.model_spec())
    assert sum(p.numel() for p in network.parameters()) == weights.meta["num_params"]


@pytest.mark.parametrize("card", of_tag("timm"), ids=lambda card: card.ref)
def test_timm_says_the_same(card: Card) -> None:
    hub = re.search(r"/timm/([^/]+)/", card.url)
    assert hub is not None
    config, preprocess = timm.get_pretrained_cfg(hub[1]), card.preprocess
    assert config is not None
    assert preprocess.input == config.input_size
    assert preprocess.resize == math.floor(preprocess.input[1] / config.crop_pct)
    assert (preprocess.mean, preprocess.std) == (config.mean, config.std)
    assert preprocess.interpolation == config.interpolation
    assert config.license.lower() == card.licence.lower()


def test_patterns() -> None:
    assert zoo.resolve("resnet20_v1.akamaster_cifar10") == ["resnet20_v1.akamaster_cifar10"]
    assert zoo.resolve("resnet??_v1.chenyaofo*") == [
        f"resnet{depth}_v1.chenyaofo_cifar10" for depth in (20, 32, 44, 56)
    ]
    everything = zoo.resolve("*")
    assert set(everything) >= zoo.cards().keys()
    assert everything.index("resnet18_v2.timm_ra4_in1k") < everything.index("resnet101_v2.timm_a1h_in1k")
    with pytest.raises(UsageError, match=r"Did you mean .*resnet20_v1\.akamaster_cifar10"):
        zoo.resolve("resnet20_v1.akamaster_cifar100")
    with pytest.raises(UsageError):
        zoo.resolve("RESNET20_V1.AKAMASTER_CIFAR10")


@pytest.mark.alone
def test_listing_is_light_and_fast() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

    def seconds() -> float:
        catalogue.read_cards.cache_clear()
        started = time.perf_counter()
        zoo.cards()
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.06


def test_summaries_of_all(cache: Path) -> None:
    found = {card.ref: card for card in zoo.list_models()}
    r20 = found["resnet20_v1.akamaster_cifar10"]
    assert (r20.accuracy, r20.origin, r20.where) == (0.9173, "published", "")
    for ref, summary in found.items():
        assert (summary.where == "bundled") == (ref not in zoo.cards())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (REF, "resnet8_v1.other", "ref is 'resnet8_v1.other', expected the file's name"),
        ("0.5\nsplit", "50\nsplit", r"`\$\.accuracy\.value`"),
        ('paper = "1512.03385"', "", "missing required field `paper`"),
        ("paper", "papper", "unknown field `papper`|missing required field `paper`"),
        ("schema = 1", "schema = 2", "reads schema 1"),
        ("[preprocess]", "[preprocess", "not valid TOML"),
        ('arch = "resnet8_v1"', 'arch = "resnet8_v2"', "does not start with its architecture"),
        ("std = [0.25, 0.25, 0.25]", "std = [0.25]", "std has 1"),
    ],
)
def test_a_wrong_card_is_named_with_its_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_card(tmp_path, "https://example.org/w.pth", b"")
    assert catalogue.read_cards(tmp_path)[REF].arch == "resnet8_v1"
    path.write_text(path.read_text().replace(old, new, 1))
    catalogue.read_cards.cache_clear()
    with pytest.raises(ReszooError, match=message) as caught:
        catalogue.read_cards(tmp_path)
    assert path.name in str(caught.value)


def test_a_bundled_checkpoint_must_not_take_a_cards_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "resnet20_v1.akamaster_cifar10"
    folder.mkdir()
    (folder / "checkpoint.json").write_text("{}")
    monkeypatch.setattr(catalogue, "BUNDLED", tmp_path)
    with pytest.raises(ValueError, match="two entries named 'resnet20_v1"):
        zoo.resolve("*")
