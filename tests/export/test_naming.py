"""Graphs speak of the network: nodes, tensors and weights have its modules' names, whatever the exporter numbers."""

import io
import re
from math import prod
from pathlib import Path

import msgspec
import onnx
import pytest
from families import BASE
from foreign import untrained
from torch import nn

from reszoo import zoo
from reszoo.core.naming import Origin, named
from reszoo.core.types import Checkpoint, ModelSpec
from reszoo.export import ExportOptions
from reszoo.export.contract.format import GraphFormat, formats
from reszoo.export.formats.onnx import OnnxFormat
from reszoo.export.naming_litert import ROLES

DIGITS_V1 = """
    preprocess.transpose preprocess.cast preprocess.mul preprocess.add stem.conv stem.act
    stages.0.0.convs.0 stages.0.0.act stages.0.0.convs.1 stages.0.0.addition stages.0.0.act_1
    stages.1.0.shortcut.average_pool stages.1.0.shortcut.pad
    stages.1.0.convs.0 stages.1.0.act stages.1.0.convs.1 stages.1.0.addition stages.1.0.act_1
    stages.2.0.shortcut.average_pool stages.2.0.shortcut.pad
    stages.2.0.convs.0 stages.2.0.act stages.2.0.convs.1 stages.2.0.addition stages.2.0.act_1
    pool flatten head
""".split()
SMALL = msgspec.structs.replace(BASE, depths=(1, 1), input=(3, 8, 8))
NETWORKS: dict[str, ModelSpec] = {
    "v2 bottlenecks": msgspec.structs.replace(SMALL, family="v2", block_type="bottleneck", shortcut="B"),
    "gates": msgspec.structs.replace(SMALL, skip="gate", shortcut="B", se_ratio=4, activation="silu"),
    "group norms": msgspec.structs.replace(SMALL, family="v2", norm="group"),
    "plain without norms": msgspec.structs.replace(SMALL, family="plain", norm="none"),
    "imagenet stem": msgspec.structs.replace(SMALL, stem="imagenet", input=(3, 32, 32)),
}


def graph(checkpoint: Checkpoint, **options: object) -> onnx.GraphProto:
    content = OnnxFormat().graph(checkpoint, ExportOptions(**options))  # type: ignore[arg-type]
    return onnx.load_from_string(content).graph


def names(found: onnx.GraphProto) -> list[str]:
    return [node.name for node in found.node]


def test_a_node_has_its_modules_name_and_its_kind_where_the_module_makes_several() -> None:
    origins = [("a.act", "relu"), ("a.s", "pool"), ("a.s", "pad"), ("a.act", "relu"), ("", "cast"), ("a.s", "pad")]
    expected = ["a.act", "a.s.pool", "a.s.pad", "a.act_1", "cast", "a.s.pad_1"]
    assert named([Origin(*origin) for origin in origins]) == expected


def test_the_names_are_the_networks_whatever_is_asked_for() -> None:
    checkpoint = zoo.load("resnet8_v1.reszoo_digits")
    whole = graph(checkpoint, input="uint8")
    assert names(whole) == DIGITS_V1
    assert [node.output[0] for node in whole.node] == [*DIGITS_V1[:-1], "logits"]
    assert names(graph(checkpoint, batch=1, opset=24)) == DIGITS_V1[4:]
    assert names(graph(checkpoint, precision="fp16")) == ["preprocess", *DIGITS_V1[4:], "cast"]


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_node_and_weight_of_every_kind_of_network_is_found_in_it(kind: str, tmp_path: Path) -> None:
    checkpoint = untrained(tmp_path / "made", NETWORKS[kind])
    network = zoo.build(checkpoint)
    modules, state = dict(network.named_modules()), network.state_dict()
    found = graph(checkpoint)
    weights = {weight.name: tuple(weight.dims) for weight in found.initializer}
    assert len(set(names(found))) == len(found.node)
    assert len(weights) == len(found.initializer)
    for node in found.node:
        name = re.sub(r"_\d+$", "", node.name)
        assert name in modules or name.rpartition(".")[0] in modules
        assert list(node.output) in ([node.name], ["logits"])
        if node.op_type in ("Conv", "Gemm"):
            assert node.input[1].removesuffix(".weight") in (node.name, node.name.removesuffix(".conv"))
            assert weights[node.input[1]] == tuple(state[node.input[1]].shape)
            assert node.input[2:] in ([], [node.input[1].removesuffix("weight") + "bias"])
    for name in weights.keys() - state.keys():
        owner, _, role = name.rpartition(".")
        assert role == "bias" or owner in names(found)


def test_every_operation_of_openvino_is_named_after_a_layer_too() -> None:
    openvino = formats()["openvino"]
    assert isinstance(openvino, GraphFormat)
    if missing := openvino.unavailable():
        pytest.skip(missing.reason)
    from reszoo.export.formats.openvino import name_by_reader
    from reszoo.export.openvino_core import engine

    checkpoint = zoo.load("resnet8_v2.reszoo_digits")
    model = engine().convert_model(io.BytesIO(openvino.graph(checkpoint, ExportOptions(input="uint8"))))
    name_by_reader(model)
    found = [operation.get_friendly_name() for operation in model.get_ordered_ops()]
    assert len(set(found)) == len(found)
    layers = ("input", "preprocess", "stem", "stages.", "final.", "pool", "flatten", "head", "logits")
    assert [name for name in found if not name.startswith(layers)] == []
    assert "stages.0.0.convs.0.constant" in found  # its bias, which ONNX had in the convolution


@pytest.mark.parametrize("kind", ["v2 bottlenecks", "gates", "group norms"])
def test_litert_names_the_layers_of_every_kind_of_network_too(kind: str, tmp_path: Path) -> None:
    litert = formats()["litert"]
    assert isinstance(litert, GraphFormat)
    if missing := litert.unavailable():
        pytest.skip(missing.reason)
    from reszoo.quantize.flatbuffer import Model

    checkpoint = untrained(tmp_path / "made", NETWORKS[kind])
    network = zoo.build(checkpoint)
    model = Model(litert.graph(checkpoint, ExportOptions(input="uint8")))
    tensors = [tensor.name.decode() for tensor in model.tensors]
    assert len(set(tensors)) == len(tensors)
    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    weights = {name: module.weight.numel() for name, module in layers.items()}
    found = {op.name: prod(op.inputs[1].shape) for op in model.operators if op.kind in ROLES}
    assert {name: found[name] for name in layers} == weights
    modules = dict(network.named_modules())
    for name in model.names:
        path = re.sub(r"_\d+$", "", name)
        assert path in modules or path.rpartition(".")[0] in modules or path.startswith("preprocess.")
