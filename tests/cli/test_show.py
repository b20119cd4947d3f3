"""`reszoo show` and `reszoo list --arch`, as typed."""

import json
from pathlib import Path
from xml.etree import ElementTree

from inprocess import reszoo


def test_the_blocks_of_several_networks_are_drawn_into_a_file(tmp_path: Path) -> None:
    done = reszoo("show", "resnet20_v1", "resnet20_v2", "--diagram", "blocks.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("resnet20_v1") < done.stdout.index("resnet20_v2") < done.stdout.index("blocks.svg")
    texts = [text.text for text in ElementTree.parse(tmp_path / "blocks.svg").iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert {"resnet20_v1", "resnet20_v2", "identity"} <= set(texts)


def test_a_picture_that_is_no_svg_file_is_refused(tmp_path: Path) -> None:
    done = reszoo("show", "resnet20_v1", "--diagram", "blocks.png", cwd=tmp_path)
    assert done.returncode == 2
    assert "ends in .svg" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_of_one_network_is_an_object_and_of_several_a_list() -> None:
    one, several = (
        json.loads(reszoo("show", *names, "--json").stdout) for names in (["vgg16_bn"], ["resnet20_v1"] * 2)
    )
    assert one["spec"]["type"] == "vgg"
    assert [found["name"] for found in several] == ["resnet20_v1"] * 2


def test_architectures_are_listed_by_pattern() -> None:
    done = reszoo("list", "--arch", "resnet_*_v2")
    assert [word for word in done.stdout.split() if word.startswith("resnet_")] == [
        *("resnet_mobile_v2", "resnet_edge_v2", "resnet_npu_v2", "resnet_cloud_v2")
    ]
    refused = reszoo("list", "--arch", "vgg16")
    assert refused.returncode == 2
    assert "vgg16_bn" in refused.stderr
