"""The int8 scheme: every layer an integer kernel, the placement that was asked for, the same bytes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import logits, optimised_operators
from onnx import numpy_helper

from reszoo.core.errors import UsageError
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.contract import Feeds, scheme_named
from reszoo.quantize.graph import Graph
from reszoo.quantize.layers import integer_layers
from reszoo.quantize.summary import layers

FIRST = "stem.conv"


def quantized(source: Path, out: Path, feeds: Feeds, **choices: object) -> Path:
    made = scheme_named("int8").apply(source.read_bytes(), feeds, QuantizeConfig(**choices))
    (out / "int8.onnx").write_bytes(made.graph)
    onnx.checker.check_model(out / "int8.onnx", full_check=True)
    return out / "int8.onnx"


def test_every_operator_becomes_an_integer_kernel(float_file: Path, feeds: Feeds, tmp_path: Path) -> None:
    """One QuantizeLinear, of the images, is all that is left in float, besides moving data about."""
    made = quantized(float_file, tmp_path, feeds)
    found = optimised_operators(made, tmp_path)
    additions = sum(node.op_type == "Add" for node in onnx.load(float_file).graph.node)
    assert found["QLinearAdd"] == additions == 3
    assert found["QLinearConv"] == layers(made).quantized - 1
    assert found["QGemm"] == found["QuantizeLinear"] == found["QLinearGlobalAveragePool"] == 1
    assert found.keys() <= {
        "QLinearConv",
        "QLinearAdd",
        "QLinearGlobalAveragePool",
        "QGemm",
        "QuantizeLinear",
        "Transpose",
        "Reshape",
    }


@pytest.mark.parametrize("activations", ["u8", "s8"])
@pytest.mark.parametrize("calibration", ["minmax", "percentile", "entropy", "mse"])
def test_every_calibration_keeps_the_answers(
    calibration: str, activations: str, float_file: Path, feeds: Feeds, images: np.ndarray, tmp_path: Path
) -> None:
    made = quantized(float_file, tmp_path, feeds, calibration=calibration, activations=activations)
    expected, found = logits(float_file, images), logits(made, images)
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.97
    assert 0 < np.abs(found - expected).max() < 0.25 * np.abs(expected).max()


def test_weights_are_symmetric_per_channel_and_the_logits_stay_float(
    float_file: Path, feeds: Feeds, tmp_path: Path
) -> None:
    model = onnx.load(quantized(float_file, tmp_path, feeds))
    for layer in integer_layers(model):
        assert layer.weight_values.dtype == np.int8
        assert not layer.weights.zero_point.any()
        assert layer.weights.scale.size == layer.weight_values.shape[layer.channel_axis]
    assert Graph(model).writer["logits"].op_type == "Gemm"


def test_s8_has_no_zero_points_and_quantizes_the_inputs_of_additions(
    float_file: Path, feeds: Feeds, tmp_path: Path
) -> None:
    """As TensorRT fuses: nothing between a convolution and its ReLU, both inputs of a residual addition."""
    graph = Graph(onnx.load(quantized(float_file, tmp_path, feeds, activations="s8")))
    pairs = [node for node in graph.nodes if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert all(not graph.array(node.input[2]).any() for node in pairs)
    assert all(graph.array(node.input[2]).dtype == np.int8 for node in pairs)  # no 32-bit biases
    for node in graph.nodes:
        if node.op_type == "Add":
            assert {graph.writer[name].op_type for name in node.input} == {"DequantizeLinear"}
        if node.op_type == "Relu":
            assert graph.writer[node.input[0]].op_type in ("Conv", "Add")


def test_a_layer_that_is_to_stay_float_does(float_files: dict[str, Path], feeds: Feeds, tmp_path: Path) -> None:
    made = quantized(float_files["v1"], tmp_path, feeds, keep_float=(FIRST,))
    assert layers(made).floats == (FIRST,)
    with pytest.raises(UsageError, match=r"unknown graph node 'stem.conf'\nDid you mean stem\.conv"):
        quantized(float_files["v1"], tmp_path, feeds, keep_float=("stem.conf",))


def test_a_number_of_an_older_version_is_refused_with_names_of_its_kind(
    float_files: dict[str, Path], feeds: Feeds, tmp_path: Path
) -> None:
    for old, near in (("node_Conv_124", "stages.2.0.convs.1"), ("node_add_162", "stages.2.0.addition")):
        with pytest.raises(UsageError, match=f"unknown graph node '{old}'\nNodes have the names .*{near}"):
            quantized(float_files["v1"], tmp_path, feeds, keep_float=(old,))


def test_bias_correction_brings_the_mean_output_back_at_the_borders_too(feeds: Feeds, tmp_path: Path) -> None:
    """One padded convolution with weights far from any 8-bit grid; small images are mostly border."""
    model = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 18]>
        net (float[N, 1, 8, 8] input) => (float[N, 16, 4, 4] logits) <float[16, 1, 3, 3] w> {
            [conv] logits = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (input, w)
        }""")
    weights = np.random.default_rng(0).normal(size=(16, 1, 3, 3)).astype(np.float32) ** 3 * 9
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "float.onnx")
    images = np.concatenate(list(feeds())) + 1
    expected, off = logits(tmp_path / "float.onnx", images), {}
    for correct in (False, True):
        made = quantized(tmp_path / "float.onnx", tmp_path, lambda: iter([images]), bias_correction=correct)
        off[correct] = np.abs((logits(made, images) - expected).mean(axis=(0, 2, 3))).max()
    assert off[True] < 0.25 * off[False]


def test_the_certificate_counts_every_layer(float_file: Path, feeds: Feeds, tmp_path: Path) -> None:
    config = QuantizeConfig()
    graph, found = scheme_named("int8").apply(float_file.read_bytes(), feeds, config)
    assert found is not None
    (tmp_path / "a.onnx").write_bytes(graph)
    assert found.layers == layers(tmp_path / "a.onnx").quantized
    ignoring = QuantizeConfig(saturation="ignore")
    assert scheme_named("int8").apply(float_file.read_bytes(), feeds, ignoring).certificate is None


def test_the_file_keeps_its_facts_and_its_names(float_file: Path, feeds: Feeds, tmp_path: Path) -> None:
    before, after = onnx.load(float_file), onnx.load(quantized(float_file, tmp_path, feeds))
    assert list(after.metadata_props) == list(before.metadata_props)
    assert [value.name for value in (*after.graph.input, *after.graph.output)] == ["input", "logits"]
    assert {numpy_helper.to_array(weight).dtype.kind for weight in after.graph.initializer} <= {"f", "i", "u"}


@pytest.mark.parametrize("wrong", [{"calibration": "kl"}, {"activations": "u4"}, {"saturation": "maybe"}])
def test_an_unknown_choice_is_refused_with_the_known_ones(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"unknown (calibration|activations|saturation)"):
        QuantizeConfig(**wrong)


def test_an_impossible_number_of_images_is_refused() -> None:
    with pytest.raises(UsageError, match="`images=0` is not possible"):
        QuantizeConfig(images=0)
