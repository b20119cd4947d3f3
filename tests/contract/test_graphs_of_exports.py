"""What is in the files: each format's graph is the network's own layers, and nothing that only an exporter needs.

A chain of shape arithmetic, or a transpose too many, passes every other test: it computes the same. But it is slow, it
is quantized, integer kernels do not know it, and some runtimes compute it wrongly.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from families import BASE, OTHERS
from foreign import untrained

from reszoo.core.types import Checkpoint, ModelSpec
from reszoo.export import ExportOptions
from reszoo.export.contract.format import GraphFormat, formats
from reszoo.export.contract.options import input_spec
from reszoo.export.quantizing import completed
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.contract import scheme_named

# LiteRT's quantizer moves weights out of the flatbuffer where there are more: as in these networks.
QUANTIZER_MOVES_FROM = 256 << 10
# One block with an identity, one that changes the shape.
SMALL = msgspec.structs.replace(BASE, depths=(1, 1), widths=(16, 192), stem_width=16, input=(3, 32, 32))
NETWORKS: dict[str, ModelSpec] = {
    "v1": SMALL,
    "v2": msgspec.structs.replace(SMALL, family="v2"),
    "plain": msgspec.structs.replace(SMALL, family="plain"),
    "v1 C bottleneck": msgspec.structs.replace(SMALL, shortcut="C", block_type="bottleneck"),
    "v2 B bottleneck": msgspec.structs.replace(SMALL, family="v2", shortcut="B", block_type="bottleneck"),
    **OTHERS,
    "v2 channel weights": msgspec.structs.replace(SMALL, family="v2", skip="channel_weight"),
    "v2 skipinit": msgspec.structs.replace(SMALL, family="v2", skip="skipinit", norm="none"),
    "v2 attention": msgspec.structs.replace(SMALL, family="v2", skip="attention"),
    "v2 dense": msgspec.structs.replace(SMALL, family="v2", skip="dense"),
    "v2 then v1": msgspec.structs.replace(SMALL, families=("v2", "v1"), shortcut="B"),
    "v2 norms behind": msgspec.structs.replace(SMALL, family="v2", norm_place="after"),
    "v2 group norms": msgspec.structs.replace(SMALL, family="v2", norm="group"),
    "v2 layer norms": msgspec.structs.replace(SMALL, family="v2", norm="layer"),
}
RARER = sorted(NETWORKS.keys() - {"v1", "v2", "plain"})
# What each format writes of them for float input. A number and a kind: so many of it.
EXPECTED = {
    ("onnx fp32", "v1"): "5 Conv, 5 Relu, 2 Add, AveragePool, Pad, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v2"): "5 Conv, 3 BatchNormalization, 5 Relu, 2 Add, AveragePool, Pad, GlobalAveragePool, "
    "Reshape, Gemm",
    ("onnx fp32", "plain"): "5 Conv, 5 Relu, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v1 C bottleneck"): "9 Conv, 7 Relu, 2 Add, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v2 B bottleneck"): "9 Conv, 2 BatchNormalization, 7 Relu, 2 Add, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "vgg"): "2 Conv, 3 Relu, 2 MaxPool, Reshape, 2 Gemm",
    ("onnx fp32", "inception"): "13 Conv, 13 Relu, 3 MaxPool, 2 Concat, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "densenet"): "10 Conv, 6 BatchNormalization, 10 Relu, 4 Concat, AveragePool, GlobalAveragePool, "
    "Reshape, Gemm",
    ("onnx fp32", "mobile"): "10 Conv, 4 BatchNormalization, 7 Relu, 2 Add, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v2 channel weights"): "5 Conv, 3 BatchNormalization, 5 Relu, 2 Mul, 2 Add, AveragePool, Pad, "
    "GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v2 skipinit"): "5 Conv, 5 Relu, 2 Mul, 2 Add, AveragePool, Pad, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v2 attention"): "7 Conv, 3 BatchNormalization, 5 Relu, 3 GlobalAveragePool, 2 Sigmoid, "
    "2 Mul, 2 Add, AveragePool, Pad, Reshape, Gemm",
    ("onnx fp32", "v2 dense"): "9 Conv, 5 BatchNormalization, 9 Relu, 4 Add, AveragePool, Pad, "
    "GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v2 then v1"): "6 Conv, 2 BatchNormalization, 5 Relu, 2 Add, GlobalAveragePool, Reshape, Gemm",
    ("onnx fp32", "v2 norms behind"): "5 Conv, BatchNormalization, 5 Relu, 2 Add, AveragePool, Pad, "
    "GlobalAveragePool, Reshape, Gemm",
    # A group norm is an instance norm over groups, between two reshapes, and a weight and a bias for each channel.
    ("onnx fp32", "v2 group norms"): "5 Conv, 11 Reshape, 5 InstanceNormalization, 5 Mul, 7 Add, 5 Relu, "
    "AveragePool, Pad, GlobalAveragePool, Gemm",
    ("onnx fp32", "v2 layer norms"): "5 Conv, 11 Reshape, 5 InstanceNormalization, 5 Mul, 7 Add, 5 Relu, "
    "AveragePool, Pad, GlobalAveragePool, Gemm",
    ("onnx fp16", "v1"): "2 Cast, 5 Conv, 5 Relu, 2 Add, AveragePool, Pad, GlobalAveragePool, Reshape, Gemm",
    # A pair in front of the first layer and behind each but the last; weights and bias of each convolution and product.
    ("onnx int8", "v1"): "11 QuantizeLinear, 25 DequantizeLinear, 6 Conv, 2 Add, GlobalAveragePool, Reshape, Gemm",
    ("onnx int8", "v2"): "14 QuantizeLinear, 34 DequantizeLinear, 9 Conv, 2 Add, GlobalAveragePool, Reshape, Gemm",
    # The activation behind a dense layer stays one.
    ("onnx int8", "vgg"): "7 QuantizeLinear, 13 DequantizeLinear, 2 Conv, 2 MaxPool, Reshape, 2 Gemm, Relu",
    ("onnx int8", "inception"): "21 QuantizeLinear, 49 DequantizeLinear, 13 Conv, 3 MaxPool, 2 Concat, "
    "GlobalAveragePool, Reshape, Gemm",
    # Of the norms that follow no convolution, each becomes one.
    ("onnx int8", "densenet"): "24 QuantizeLinear, 58 DequantizeLinear, 16 Conv, 4 Concat, AveragePool, "
    "GlobalAveragePool, Reshape, Gemm",
    ("onnx int8", "mobile"): "19 QuantizeLinear, 49 DequantizeLinear, 14 Conv, 2 Add, GlobalAveragePool, Reshape, Gemm",
    # An addition for each bias. OpenVINO has no global pool: it is a mean over constant axes.
    ("openvino fp32", "v1"): "5 Convolution, 8 Add, 5 Relu, AvgPool, Pad, ReduceMean, Reshape, MatMul",
    ("openvino fp32", "v2 group norms"): "5 Convolution, 11 Reshape, 5 MVN, 5 Multiply, 8 Add, 5 Relu, AvgPool, Pad, "
    "ReduceMean, MatMul",
    ("openvino fp32", "v2"): "5 Convolution, 3 Multiply, 8 Add, 5 Relu, AvgPool, Pad, ReduceMean, Reshape, MatMul",
    # A Convert for each constant.
    ("openvino fp16", "v1"): "13 Convert, 5 Convolution, 8 Add, 5 Relu, AvgPool, Pad, ReduceMean, Reshape, MatMul",
    ("openvino fp16", "v2"): "16 Convert, 5 Convolution, 3 Multiply, 8 Add, 5 Relu, AvgPool, Pad, ReduceMean, Reshape, "
    "MatMul",
    # Convert and Multiply for weights and bias, and a Reshape for the bias of a convolution.
    ("openvino int8", "v1"): "11 FakeQuantize, 14 Convert, 14 Multiply, 6 Convolution, 9 Add, ReduceMean, 7 Reshape, "
    "MatMul",
    ("openvino int8", "v2"): "14 FakeQuantize, 20 Convert, 20 Multiply, 6 Convolution, 3 GroupConvolution, 12 Add, "
    "ReduceMean, 13 Reshape, MatMul",
    # Channels come last there; a mean over constant axes is the global pool; a convolution with a stride has its
    # padding in front.
    ("litert fp32", "v1"): "TRANSPOSE, 6 CONV_2D, 2 ADD, PAD, MEAN, FULLY_CONNECTED",
    ("litert fp32", "v2"): "TRANSPOSE, 6 CONV_2D, 3 DEPTHWISE_CONV_2D, 2 ADD, PAD, MEAN, FULLY_CONNECTED",
    ("litert fp16", "v1"): "TRANSPOSE, 7 DEQUANTIZE, 6 CONV_2D, 2 ADD, PAD, MEAN, FULLY_CONNECTED",
    ("litert fp16", "v2"): "TRANSPOSE, 10 DEQUANTIZE, 6 CONV_2D, 3 DEPTHWISE_CONV_2D, 2 ADD, PAD, MEAN, "
    "FULLY_CONNECTED",
    ("litert int8", "v1"): "QUANTIZE, TRANSPOSE, 6 CONV_2D, 2 ADD, PAD, MEAN, FULLY_CONNECTED, DEQUANTIZE",
    ("litert int8", "v2"): "QUANTIZE, TRANSPOSE, 6 CONV_2D, 3 DEPTHWISE_CONV_2D, 2 ADD, PAD, MEAN, "
    "FULLY_CONNECTED, DEQUANTIZE",
    # Integers in and out, as they come; NPUs know a pool and no mean.
    ("tflite-micro int8", "v1"): "6 CONV_2D, 2 ADD, PAD, AVERAGE_POOL_2D, FULLY_CONNECTED",
    ("tflite-micro int8", "v2"): "6 CONV_2D, 3 DEPTHWISE_CONV_2D, 2 ADD, PAD, AVERAGE_POOL_2D, FULLY_CONNECTED",
    # One call, and nothing outside of it.
    ("executorch fp32", "v2"): "XnnpackBackend",
    ("executorch int8", "v2"): "XnnpackBackend",
    ("ncnn fp32", "v1"): "Input, 5 Convolution, 2 BinaryOp, 2 ReLU, 2 Split, 2 Pooling, Padding, InnerProduct",
    ("ncnn fp16", "v2"): "Input, 5 Convolution, 3 BatchNorm, 2 BinaryOp, 3 ReLU, 2 Split, 2 Pooling, Padding, "
    "InnerProduct",
    ("coreml fp32", "v1"): "5 conv, 5 relu, 2 add, avg_pool, pad, reduce_mean, reshape, linear",
    ("coreml fp16", "v2"): "2 cast, 5 conv, 3 batch_norm, 5 relu, 2 add, avg_pool, pad, reduce_mean, reshape, linear",
}
# What raw pixels add. LiteRT wants channels last, as they come.
RAW = {
    "onnx": "Transpose, Cast, Mul, Add",
    "openvino": "Transpose, Convert, Multiply, Add",
    "openvino fp16": "Transpose, 3 Convert, Multiply, Add",
    "litert": "CAST, MUL, ADD, -1 TRANSPOSE",
}
# The inputs and batches that each network is written for. Of others than v1 and v2: raw pixels, any batch.
BOTH = {"v1": (("uint8", None), ("float", 1)), "v2": (("uint8", 1), ("float", None))}
FLOATS = {"v1": (("float", None),), "v2": (("float", None),)}
FEEDS: dict[str, dict[str, tuple[tuple[str, int | None], ...]]] = {
    "onnx": BOTH,
    "openvino": BOTH,
    "litert": {"v1": (("uint8", None),), "v2": (("float", 1),)},
    "tflite-micro": {"v1": (("float", 1),), "v2": (("float", 1),)},
    "executorch": FLOATS,
    "ncnn": FLOATS,
    "coreml": {"v1": (("float", None),), "v2": (("float", 1),)},
}
CASES = [
    (case, network, fed, batch)
    for case, network in EXPECTED
    for fed, batch in FEEDS[case.split()[0]].get(network, (("uint8", None),))
]


def of_onnx(folder: Path) -> list[str]:
    return [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]


def of_openvino(folder: Path) -> list[str]:
    from reszoo.export.openvino_core import core

    found = [operation.get_type_name() for operation in core().read_model(folder / "model.xml").get_ordered_ops()]
    return [kind for kind in found if kind not in ("Constant", "Parameter", "Result")]


def of_litert(folder: Path) -> list[str]:
    from reszoo.quantize.flatbuffer import Model

    return [operator.kind for operator in Model((folder / "model.tflite").read_bytes()).operators]


def of_executorch(folder: Path) -> list[str]:
    """The backends that are called, and the operators outside of them."""
    from executorch.exir._serialize._program import deserialize_pte_binary

    (plan,) = deserialize_pte_binary((folder / "model.pte").read_bytes()).program.execution_plan
    return [*(delegate.id for delegate in plan.delegates), *(operator.name for operator in plan.operators)]


def of_ncnn(folder: Path) -> list[str]:
    _, _, *layers = (folder / "model.ncnn.param").read_text().splitlines()
    return [line.split()[0] for line in layers]


def of_coreml(folder: Path) -> list[str]:
    from reszoo.export.mil import MilSession

    return [operation.op_type for operation in MilSession(SimpleNamespace(path=folder)).operations]  # type: ignore[arg-type]


READERS: dict[str, Callable[[Path], list[str]]] = {
    "onnx": of_onnx,
    "openvino": of_openvino,
    "litert": of_litert,
    "tflite-micro": of_litert,
    "executorch": of_executorch,
    "ncnn": of_ncnn,
    "coreml": of_coreml,
}
# They are made from the graph of the format "onnx" (or "litert"), or are no graph at all.
OTHERS = {"c", "ethos-u", "mnn", "ort", "tensorrt", "tensorrt-rtx", "torch", "triton", "web", "web-litert"}

Written = Callable[[str, str, str, int | None], Path]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Exports that all tests share; int8 is calibrated on noise."""

    @cache
    def checkpoint(network: str) -> Checkpoint:
        return untrained(tmp_path_factory.mktemp("checkpoint"), NETWORKS[network])

    @cache
    def graph(kind: str, network: str, options: ExportOptions) -> Any:
        return formats()[kind].graph(checkpoint(network), options)  # type: ignore[attr-defined]

    @cache
    def write(case: str, network: str, fed: str, batch: int | None) -> Path:
        name, precision = case.split()
        plugin, folder = formats()[name], tmp_path_factory.mktemp("export")
        if missing := plugin.unavailable():
            pytest.skip(missing.reason)
        options = completed(ExportOptions(precision=precision, input=fed, batch=batch), plugin)  # type: ignore[arg-type]
        source = checkpoint(network)
        if not isinstance(plugin, GraphFormat):
            plugin.write(source, options, folder)
            return folder
        # ONNX alone has half floats in its graph
        floats = ExportOptions(precision="fp16" if case == "onnx fp16" else "fp32", input=options.input, batch=batch)
        made = graph("onnx" if plugin.graph_kind == "onnx" else name, network, floats)
        if options.quantize:
            made = quantized(made, source, floats, options.quantize)
        plugin.convert(made, source, options, folder)
        return folder

    return write


def quantized(graph: Any, checkpoint: Checkpoint, options: ExportOptions, config: QuantizeConfig) -> Any:
    shape = [size if isinstance(size, int) else 2 for size in input_spec(checkpoint, options).shape]
    draw = np.random.default_rng(0)
    batch = draw.integers(0, 256, shape, np.uint8) if options.input == "uint8" else draw.normal(size=shape)
    batch = batch if options.input == "uint8" else batch.astype(np.float32)
    scheme = scheme_named(config.scheme)
    return scheme.apply(graph, lambda: iter([batch]), config).graph


def counted(text: str) -> Counter[str]:
    """ "2 Conv, Relu" -> Counter(Conv=2, Relu=1)."""
    return Counter({kind: int(n or 1) for n, kind in re.findall(r"(?:(-?\d+) )?(\w+)", text)})


def test_every_format_is_looked_into() -> None:
    assert {*READERS, *OTHERS} == {*formats()}


@pytest.mark.long(*RARER, "executorch fp32", "executorch int8", "coreml fp32", "coreml fp16")
@pytest.mark.parametrize(("case", "network", "fed", "batch"), CASES)
def test_a_graph_is_the_networks_own_layers(
    case: str, network: str, fed: str, batch: int | None, written: Written
) -> None:
    name = case.split()[0]
    expected = counted(EXPECTED[case, network])
    if fed == "uint8":
        expected += counted(RAW.get(case) or RAW[name])
    assert Counter(READERS[name](written(case, network, fed, batch))) == expected


@pytest.mark.parametrize("network", ["v1", "v2"])
def test_no_tensor_is_quantized_twice(network: str, written: Written) -> None:
    """Neither by two nodes that read it, nor by one behind the other with nothing between."""
    graph = onnx.load(written("onnx int8", network, *BOTH[network][0]) / "model.onnx").graph
    written_by = {name: node.op_type for node in graph.node for name in node.output}
    read = [node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert len(read) == len(set(read))
    assert "DequantizeLinear" not in {written_by.get(name) for name in read}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_all_weights_of_a_litert_file_lie_in_the_flatbuffer_and_aligned(precision: str, written: Written) -> None:
    """TensorFlow Lite for Microcontrollers reads none that lie behind it, and says nothing."""
    content = (written(f"litert {precision}", "v1", "uint8", None) / "model.tflite").read_bytes()
    assert len(content) > QUANTIZER_MOVES_FROM
    assert outside(content) == 0
    from ai_edge_litert import schema_py_generated as schema

    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    model = schema.Model.GetRootAs(content)
    held = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength()) if model.Buffers(i).DataLength()]
    assert sum(len(data) for data in held) > QUANTIZER_MOVES_FROM
    assert {(data.__array_interface__["data"][0] - start) % 16 for data in held} == {0}


def test_weights_compute_the_same_where_they_were_moved_into_the_flatbuffer(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reszoo.export.formats import litert
    from reszoo.quantize.flatbuffer import inlined

    floats = (written("litert fp32", "v1", "uint8", None) / "model.tflite").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(litert, "inlined", bytes)
        moved_out = litert._halve_weights(floats)
    assert outside(moved_out) > 0
    images = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), np.uint8)
    assert np.array_equal(computed(inlined(moved_out), images), computed(moved_out, images))


def outside(content: bytes) -> int:
    """How many buffers lie behind the flatbuffer."""
    from ai_edge_litert import schema_py_generated as schema

    return sum(buffer.size > 0 for buffer in schema.ModelT.InitFromPackedBuf(content, 0).buffers)


def computed(content: bytes, images: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
    interpreter.invoke()
    logits: np.ndarray = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return logits
