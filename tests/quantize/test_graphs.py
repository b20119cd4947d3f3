"""Rewriting float graphs: what they compute stays as it was, and what cannot be quantized is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import logits
from onnx import helper, numpy_helper

from reszoo.core.errors import ReszooError, UsageError
from reszoo.quantize.bias_correction import add_biases
from reszoo.quantize.equalisation import equalise, find_pairs
from reszoo.quantize.graph import Graph
from reszoo.quantize.preparation import prepare
from reszoo.quantize.reading import read

Changed = Callable[[Callable[[onnx.ModelProto], None]], Path]


def prepared(path: Path) -> onnx.ModelProto:
    model = read(path.read_bytes())
    prepare(model)
    return model


def test_preparing_leaves_operators_with_integer_kernels_and_the_same_logits(
    float_file: Path, images: np.ndarray
) -> None:
    model = prepared(float_file)
    onnx.checker.check_model(model, full_check=True)
    expected = logits(float_file, images)
    np.testing.assert_allclose(logits(model, images), expected, atol=1e-5 * np.abs(expected).max())
    assert {node.op_type for node in model.graph.node} == {
        "Add",
        "Conv",
        "Gemm",
        "GlobalAveragePool",
        "Relu",
        "Reshape",
    }


def test_equalising_balances_weights_and_keeps_the_logits(float_file: Path, images: np.ndarray) -> None:
    model = prepared(float_file)
    expected = logits(model, images)
    equalise(model)
    np.testing.assert_allclose(logits(model, images), expected, atol=1e-4 * np.abs(expected).max())
    graph = Graph(model)
    pairs = find_pairs(graph)
    assert len(pairs) >= 3  # each block's two convolutions
    for first, second in pairs:
        leaving = np.abs(graph.array(first.input[1])).max(axis=(1, 2, 3))
        entering = np.abs(graph.array(second.input[1])).max(axis=(0, 2, 3))
        np.testing.assert_allclose(leaving, entering, rtol=1e-2)


def test_convolutions_whose_output_something_else_reads_too_are_no_pair(float_file: Path) -> None:
    graph = Graph(prepared(float_file))
    for first, _ in find_pairs(graph):
        relu = graph.sole_reader(first.output[0])
        assert relu is not None
        assert relu.op_type == "Relu"
        assert len(graph.readers[relu.output[0]]) == 1


def test_zero_biases_change_nothing(float_files: dict[str, Path], images: np.ndarray) -> None:
    model = prepared(float_files["v2"])  # its convolutions before an addition have none
    expected = logits(model, images)
    assert any(node.op_type == "Conv" and len(node.input) == 2 for node in model.graph.node)
    add_biases(model)
    assert all(len(node.input) == 3 for node in model.graph.node if node.op_type == "Conv")
    np.testing.assert_array_equal(logits(model, images), expected)


def poison(model: onnx.ModelProto) -> None:
    weight = next(weight for weight in model.graph.initializer if weight.name == "head.weight")
    values = numpy_helper.to_array(weight).copy()
    values[3, 7] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def rename_relu(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Rleu"


def use_foreign_domain(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Relu").domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def quantize_input(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "scale"))
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["input", "scale"], ["integers"], name="q"))


def test_weights_that_are_not_numbers_are_named(changed: Changed) -> None:
    with pytest.raises(ReszooError, match=r"1 of the \d+ weights of 'head.weight' are NaN"):
        read(changed(poison).read_bytes())


@pytest.mark.parametrize(("change", "named"), [(rename_relu, "Rleu"), (use_foreign_domain, "com.example::Relu")])
def test_an_operator_that_onnx_does_not_have_is_named(
    changed: Changed, change: Callable[[onnx.ModelProto], None], named: str
) -> None:
    with pytest.raises(ReszooError, match=named):
        read(changed(change).read_bytes())


def test_a_graph_that_is_quantized_already_is_refused(changed: Changed) -> None:
    with pytest.raises(UsageError, match="quantized already: node 'q'"):
        read(changed(quantize_input).read_bytes())


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(ReszooError, match="is not an ONNX file"):
        read(b"\x89PNG\r\n\x1a\n" * 9)
