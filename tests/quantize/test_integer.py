"""The exact reference agrees with ONNX Runtime's integer kernels, and finds what saturates."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator
from qdq import Array, Network, random_scales, random_weights

from reszoo import datasets, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.export import export
from reszoo.export.feeding import feed
from reszoo.quantize.emulation import run_without_vnni
from reszoo.quantize.integer import INPUT, accumulate, mismatches, run_onnxruntime, submodel
from reszoo.quantize.layers import integer_layers
from reszoo.quantize.saturation import rescale_channels

BIAS = np.arange(-4000, 4000, 1000, dtype=np.int32)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "padded": {"pads": [1, 1, 1, 1]},
    "uneven": {"pads": [0, 1, 2, 1], "strides": [2, 1], "dilations": [1, 2]},
    "grouped": {"group": 2},
    "depthwise": {"group": 8, "pads": [1, 1, 1, 1]},
    "relu": {"relu": True},
}


def save(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def images(*shape: int) -> Array:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def convolutions(dtype: type = np.uint8, **options: Any) -> onnx.ModelProto:
    """Two of them, rescaled, so that no CPU saturates."""
    zero = 100 if dtype is np.uint8 else 0
    network = Network((8, 9, 9), zero=zero, dtype=dtype)
    weights = random_weights((8, 8 // options.get("group", 1), 3, 3))
    network.layer("Conv", weights, random_scales(8), BIAS, **options)
    network.layer("Conv", random_weights((4, 8, 1, 1)), np.array(0.002, np.float32))
    return rescale_channels(network.finish())[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_runtime_computes_each_convolution_as_the_reference_does(
    options: dict[str, Any], dtype: type, tmp_path: Path
) -> None:
    found = mismatches(save(convolutions(dtype, **options), tmp_path), images(40, 8, 9, 9))
    assert [layer.layer for layer in found] == ["layer0", "layer1"]
    assert [layer.wrong for layer in found] == [0, 0]
    assert all(layer.rounding < 1e-3 * layer.elements for layer in found)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_a_layer_alone_runs_on_the_integer_kernel(dtype: type, tmp_path: Path) -> None:
    model = convolutions(dtype, pads=[1] * 4)
    for layer in integer_layers(model):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns that an optimised file is for this machine
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        onnxruntime.InferenceSession(submodel(model, layer, (1, 8, 9, 9)).SerializeToString(), options)
        operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
        assert (operators["QLinearConv"], operators["Conv"]) == (1, 0)


@pytest.mark.parametrize("options", [VARIANTS["padded"], VARIANTS["uneven"], VARIANTS["grouped"]])
def test_sums_are_those_of_onnx_own_definition(options: dict[str, Any]) -> None:
    layer = integer_layers(convolutions(**options))[0]
    x = np.random.default_rng(2).integers(0, 256, (2, 8, 9, 9), dtype=np.uint8)
    node = onnx.helper.make_node("ConvInteger", ["x", "w", "zero"], ["y"], **options)
    (expected,) = ReferenceEvaluator(node).run(
        None, {"x": x, "w": layer.weight_values, "zero": np.array(100, np.uint8)}
    )
    np.testing.assert_array_equal(accumulate(layer, x), expected)


@pytest.mark.parametrize("requantize", [True, False])
@pytest.mark.parametrize("options", [{"op_type": "Gemm", "transB": 1}, {"op_type": "Gemm"}, {"op_type": "MatMul"}])
def test_matrix_products_are_checked_too(options: dict[str, Any], requantize: bool, tmp_path: Path) -> None:
    network = Network((32,))
    bias = None if options["op_type"] == "MatMul" else BIAS
    by_row = "transB" in options
    weights = random_weights((8, 32) if by_row else (32, 8), largest=60)
    scales = random_scales(8)
    network.layer(weights=weights, scales=scales, bias=bias, axis=0 if by_row else 1, requantize=requantize, **options)
    (found,) = mismatches(save(network.finish(), tmp_path), images(70, 32))
    assert (found.elements, found.wrong) == (560, 0)


def saturating_network() -> onnx.ModelProto:
    """The second of two layers has neighbouring weights that overflow 16 bits on bright images."""
    network = Network((2, 4, 4), zero=0)
    same = np.array([[100, 0], [0, 100]], np.int8)[..., None, None]
    network.layer("Conv", same, np.array(0.01, np.float32))
    network.layer("Conv", np.full((3, 2, 1, 1), 127, np.int8), np.full(3, 0.001, np.float32))
    return network.finish()


def test_a_network_that_saturates_is_caught_and_its_rescaled_form_does_not(tmp_path: Path) -> None:
    bright = np.full((33, 2, 4, 4), 5.1, np.float32)
    path = save(saturating_network(), tmp_path)
    first, second = mismatches(path, bright, run_without_vnni)
    assert (first.wrong, first.rounding) == (0, 0)
    assert second.wrong == second.elements == 33 * 3 * 16
    assert second.largest == 32  # 64,770 became 32,767, at 1,000 to a step
    rescaled, certificate = rescale_channels(saturating_network())
    assert (certificate.unchanged_layers, certificate.rescaled_channels) == (1, 3)
    assert all(layer.wrong == 0 for layer in mismatches(save(rescaled, tmp_path), bright, run_without_vnni))


@pytest.mark.parametrize("variant", ["padded", "grouped", "depthwise", "relu"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_the_emulation_is_exact_where_nothing_saturates(variant: str, dtype: type, tmp_path: Path) -> None:
    path = save(convolutions(dtype, **VARIANTS[variant]), tmp_path)
    assert [layer.largest for layer in mismatches(path, images(4, 8, 9, 9), run_without_vnni)] == [0, 0]


def disturbed(index: int, change: float) -> Callable[[onnx.ModelProto, Array], dict[str, Array]]:
    """ONNX Runtime, but with one result of each layer changed."""

    def run(model: onnx.ModelProto, batch: Array) -> dict[str, Array]:
        results = run_onnxruntime(model, batch)
        if model.graph.input[0].name == INPUT:
            (array,) = results.values()
            array.flat[index] += change
        return results

    return run


def halves() -> onnx.ModelProto:
    """Each result is half of its input, in steps: a tie wherever the input is odd."""
    network = Network((1,), scale=1.0, zero=0)
    network.layer("Gemm", np.array([[1]], np.int8), np.array(0.5, np.float32))
    return network.finish()


def test_one_step_off_is_rounding_at_a_tie_and_wrong_elsewhere(tmp_path: Path) -> None:
    path, inputs = save(halves(), tmp_path), np.array([[8], [9], [10]], np.float32)  # 4, 4.5, 5
    assert mismatches(path, inputs) == [("layer0", 3, 0, 0, 0)]
    assert mismatches(path, inputs, disturbed(1, 1)) == [("layer0", 3, 1, 0, 1)]  # 4.5 to 5, not to even
    assert mismatches(path, inputs, disturbed(1, -1)) == [("layer0", 3, 0, 1, 1)]
    assert mismatches(path, inputs, disturbed(0, 1)) == [("layer0", 3, 0, 1, 1)]
    assert mismatches(path, inputs, disturbed(2, -3)) == [("layer0", 3, 0, 1, 3)]


def test_a_result_that_is_no_number_is_wrong(tmp_path: Path) -> None:
    network = Network((4,))
    network.layer("Gemm", random_weights((2, 4)), random_scales(2), transB=1, requantize=False)
    (found,) = mismatches(save(network.finish(), tmp_path), images(3, 4), disturbed(2, np.nan))
    assert found.wrong == 1


def test_a_fixed_batch_is_checked_in_whole_batches(tmp_path: Path) -> None:
    model = convolutions()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    path = save(model, tmp_path)
    first, _ = mismatches(path, images(8, 8, 9, 9))
    assert (first.elements, first.wrong) == (6 * 8 * 7 * 7, 0)
    with pytest.raises(UsageError, match="Give 3 or more"):
        mismatches(path, images(2, 8, 9, 9))


def test_what_cannot_be_checked_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too few images"):
        mismatches(save(halves(), tmp_path), np.empty((0, 1), np.float32))
    model = halves()
    next(node for node in model.graph.node if node.op_type == "Gemm").attribute.add(name="alpha", type=1, f=0.5)
    with pytest.raises(ReszooError, match=r"Gemm 'layer0' has an alpha"):
        mismatches(save(model, tmp_path), np.ones((1, 1), np.float32))


def quantized_digits(folder: Path) -> tuple[Path, Array]:
    """The bundled network through ONNX Runtime's own quantizer, and normalised images for it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    artifact = export(zoo.load("resnet8_v1.reszoo_digits"), "onnx", out=folder / "float")
    inputs = feed(datasets.load("digits", "train").images[:48], artifact.input, artifact.preprocess)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        batches = iter([{"input": inputs}])

        def get_next(self) -> dict[str, Array] | None:
            return next(self.batches, None)

    source, path = artifact.path / "model.onnx", folder / "int8.onnx"
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(source, path, Reader(), per_channel=True, **kinds)
    return path, inputs


def test_a_real_network_is_certified_and_then_right_on_any_cpu(tmp_path: Path) -> None:
    path, inputs = quantized_digits(tmp_path)
    assert sum(layer.wrong for layer in mismatches(path, inputs, run_without_vnni)) > 0
    rescaled, certificate = rescale_channels(onnx.load(path))
    assert certificate.layers == 8
    assert certificate.rescaled_channels > 0
    safe = save(rescaled, tmp_path)
    for run in (run_onnxruntime, run_without_vnni):
        found = mismatches(safe, inputs, run)
        assert len(found) == 8
        assert sum(layer.wrong for layer in found) == 0
    top1 = [next(iter(run_onnxruntime(onnx.load(file), inputs).values())).argmax(1) for file in (path, safe)]
    assert (top1[0] == top1[1]).mean() >= 47 / 48
