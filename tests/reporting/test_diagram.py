"""The picture of a block is that of the module: its layers, its order, its skip."""

from xml.etree import ElementTree

import pytest
from families import FAMILIES, OTHERS

from reszoo.core.types import ModelSpec
from reszoo.models import spec_of
from reszoo.models.graphs import Node, block_graph
from reszoo.reporting.diagram import Panel, diagram

SVG = "{http://www.w3.org/2000/svg}"


def labels(nodes: list[Node]) -> list[str]:
    return [node.label for node in nodes]


def picture(*graphs: list[Node]) -> ElementTree.Element:
    return ElementTree.fromstring(diagram([Panel(str(n), "<&>", nodes) for n, nodes in enumerate(graphs)]))  # noqa: S314


def skips(root: ElementTree.Element) -> list[str]:
    return [path.attrib["d"] for path in root.iter(f"{SVG}path") if path.get("marker-end") == "url(#skip)"]


def test_the_two_orders_of_a_block_are_told_apart() -> None:
    v1, v2 = (block_graph(spec_of(name)) for name in ("resnet20_v1", "resnet20_v2"))
    body = ["conv 3×3", "batch norm"]
    assert labels(v1) == ["input", *body, "ReLU", *body, "+", "ReLU", "output"]
    assert labels(v2) == ["input", *["batch norm", "ReLU", "conv 3×3"] * 2, "+", "output"]
    assert len(skips(picture(v1, v2))) == 2


@pytest.mark.parametrize("spec", [*FAMILIES.values(), *OTHERS.values()], ids=[*FAMILIES, *OTHERS])
def test_every_block_is_drawn_whole(spec: ModelSpec) -> None:
    nodes = block_graph(spec)
    assert (nodes[0].kind, nodes[-1].kind) == ("input", "output")
    read = {name for node in nodes for name in node.inputs}
    assert read == {node.name for node in nodes[:-1]}
    root = picture(nodes)
    edges = [path for path in root.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(edges) == sum(len(node.inputs) for node in nodes)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert all(label in texts for label in labels(nodes[1:-1]))


@pytest.mark.parametrize("spec", [*FAMILIES.values(), *OTHERS.values()], ids=[*FAMILIES, *OTHERS])
def test_no_box_covers_another_and_all_are_in_the_picture(spec: ModelSpec) -> None:
    root = picture(block_graph(spec))
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    (panel,) = root.findall(f"{SVG}g")
    shift = float(panel.attrib["transform"].split("(")[1].split()[0])
    boxes = [[float(box.attrib[key]) for key in ("x", "y", "width", "height")] for box in panel.iter(f"{SVG}rect")]
    for n, (x, y, w, h) in enumerate(boxes):
        assert x + shift >= 0
        assert x + shift + w <= width
        assert y + h <= height
        assert not any(x < x2 + w2 and x2 < x + w and y < y2 + h2 and y2 < y + h for x2, y2, w2, h2 in boxes[:n])


def test_a_projection_has_a_column_of_its_own_and_is_no_skip() -> None:
    nodes = block_graph(FAMILIES["v1, option C"])
    assert "conv 1×1" in labels(nodes)
    assert skips(picture(nodes)) == []


def test_what_a_gate_gives_is_no_skip() -> None:
    """It runs beside the boxes as well, to the branch that it scales."""
    assert len(skips(picture(block_graph(FAMILIES["v2, gates"])))) == 1


def test_shapes_stand_where_they_change() -> None:
    texts = [text.text for text in picture(block_graph(OTHERS["mobile"])).iter(f"{SVG}text")]
    assert [text for text in texts if text and text.count("×") == 2] == ["16×32×32", "64×32×32", "16×32×32", "16×32×32"]


def test_a_layer_norm_and_a_group_norm_have_their_own_names() -> None:
    assert "layer norm" in labels(block_graph(FAMILIES["v2, layer norms"]))
    assert "group norm" in labels(block_graph(FAMILIES["v2, group norms"]))
