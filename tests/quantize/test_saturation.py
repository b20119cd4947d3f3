"""Weights that are certified never saturate 16 bits; the others can, and are rescaled until they cannot."""

from itertools import permutations, product

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from qdq import Array, Network, random_scales, random_weights

from reszoo.core.errors import ReszooError
from reszoo.quantize.emulation import saturating_conv
from reszoo.quantize.integer import run_as_written, run_onnxruntime
from reszoo.quantize.saturation import excess, rescale_channels


def constants(model: onnx.ModelProto) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def saturates_somehow(weights: Array) -> bool:
    """Try each order of the weights and each input of zeros and 255s; a pair's sum is extreme at one of those."""
    for order in permutations(weights.tolist()):
        for first, second in zip(order[::2], order[1::2], strict=False):
            sums = [255 * (a * first + b * second) for a, b in product((0, 1), repeat=2)]
            if not all(-(2**15) <= value < 2**15 for value in sums):
                return True
    return False


def test_the_bound_is_exactly_whether_some_order_can_saturate() -> None:
    edges = [[64, 64, 0, 0], [64, 65, 0, 0], [-64, -64, 127, 1], [-64, -65, 1, 1], [-128, 0, 0, 1], [-128, -1, 0, 0]]
    weights = np.array([*edges, *random_weights((60, 4), largest=90)], np.int8)
    expected = [saturates_somehow(row) for row in weights]
    assert (excess(weights) > 0).tolist() == expected
    assert 10 < sum(expected) < 60
    assert excess(np.array([[127], [-128]], np.int8)).max() <= 0  # alone, a weight is always within the bound


def adversarial(rows: Array) -> Array:
    """For each row of weights, the inputs that make its sums largest and smallest, as (N, n, 1, 1) images."""
    return np.concatenate([np.where(rows > 0, 255, 0), np.where(rows < 0, 255, 0)]).astype(np.uint8)[..., None, None]


def test_certified_channels_never_saturate_and_others_can() -> None:
    weights = random_weights((40, 9), largest=80)
    certified = excess(weights) <= 0
    assert 0 < certified.sum() < 40
    images, kernels = adversarial(weights), weights[..., None, None]
    exact = np.einsum("nc,oc->no", images[..., 0, 0].astype(int), weights.astype(int))
    rng = np.random.default_rng(1)
    for order in (rng.permutation(9) for _ in range(20)):
        found = saturating_conv(images, kernels, order)[..., 0, 0]
        np.testing.assert_array_equal(found[:, certified], exact[:, certified])
    for channel in np.flatnonzero(~certified):
        rising = np.argsort(weights[channel])
        worst = np.array([*rising[:2], *rising[:-3:-1], *rising[2:-2]])  # the two lowest a pair, and the two highest
        found = saturating_conv(images, kernels, worst)[..., 0, 0]
        assert (found[:, channel] != exact[:, channel]).any()


def pairs_network(sign: int) -> Network:
    """A channel for every pair of weights of one sign that does not fit into 16 bits."""
    pairs = [(a, b) for a in range(129 - (sign > 0)) for b in range(a + 1) if a + b > 128]
    weights = sign * np.array(pairs)
    network = Network((2,))
    network.layer("Gemm", weights.astype(np.int8), random_scales(len(weights)), transB=1)
    return network


@pytest.mark.parametrize("sign", [1, -1])
def test_every_pair_is_brought_to_the_bound_and_no_further(sign: int) -> None:
    before = pairs_network(sign).finish()
    after, certificate = rescale_channels(before)
    old, new = constants(before), constants(after)
    weights, name = new["layer0.weight.values"], "layer0.weight.scale"
    assert (excess(weights) == 0).all()
    assert (certificate.layers, certificate.unchanged_layers, certificate.rescaled_channels) == (1, 0, len(weights))
    growth = new[name] / old[name]
    assert growth.min() > 1
    assert growth.max() <= 2  # never more than one bit
    error = weights * new[name][:, None] - old["layer0.weight.values"] * old[name][:, None]
    assert (np.abs(error) <= new[name][:, None] * 0.5001).all()


def convolution(weights: Array, **options: object) -> onnx.ModelProto:
    network = Network((weights.shape[1], 6, 6))
    bias = np.random.default_rng(3).integers(-9000, 9000, len(weights)).astype(np.int32)
    network.layer("Conv", weights, random_scales(len(weights)), bias, **options)
    return network.finish()


def test_only_channels_beyond_the_bound_change_and_biases_follow() -> None:
    weights = random_weights((6, 3, 3, 3))
    weights[::2] //= 2
    before = convolution(weights)
    untouched = before.SerializeToString()
    after, certificate = rescale_channels(before)
    assert before.SerializeToString() == untouched
    assert (certificate.layers, certificate.unchanged_layers, certificate.rescaled_channels) == (1, 0, 3)
    old, new = constants(before), constants(after)
    for kind in ("weight", "bias"):
        for part in ("values", "scale"):
            same = np.array_equal(old[f"layer0.{kind}.{part}"][::2], new[f"layer0.{kind}.{part}"][::2])
            assert same, (kind, part)
    np.testing.assert_allclose(new["layer0.bias.scale"], new["layer0.weight.scale"] * new["scale"], rtol=1e-6)
    bias = [parts["layer0.bias.values"] * parts["layer0.bias.scale"] for parts in (old, new)]
    assert (np.abs(bias[1] - bias[0]) <= new["layer0.bias.scale"] * 0.5001).all()


def test_a_rescaled_network_computes_nearly_the_same() -> None:
    """As it is written: a CPU without VNNI saturates sums of the network that is not rescaled."""
    before = convolution(random_weights((6, 3, 3, 3)), pads=[1] * 4)
    image = np.random.default_rng(5).normal(size=(8, 3, 6, 6)).astype(np.float32)
    ((old,), (new,)) = (run_as_written(model, image).values() for model in (before, rescale_channels(before)[0]))
    assert 0 < np.abs(new - old).mean() < 0.02 * np.abs(old).mean()


def test_rescaling_again_changes_nothing() -> None:
    once, _ = rescale_channels(convolution(random_weights((6, 3, 3, 3))))
    twice, certificate = rescale_channels(once)
    assert twice == once
    assert (certificate.layers, certificate.unchanged_layers, certificate.rescaled_channels) == (1, 1, 0)


def test_weights_of_one_scale_are_rescaled_together() -> None:
    network = Network((4,))
    weights = np.array([[100, 100, 0, 0], [10, 20, 30, 40]], np.int8)
    network.layer("Gemm", weights, np.array(0.01, np.float32), np.array([500, -500], np.int32), transB=1)
    after, certificate = rescale_channels(network.finish())
    new = constants(after)
    assert certificate.rescaled_channels == 2
    assert new["layer0.weight.values"].tolist() == [[64, 64, 0, 0], [6, 13, 19, 26]]
    assert new["layer0.weight.scale"] == np.float32(0.01 * 200 / 128)
    assert new["layer0.bias.values"].tolist() == [320, -320]


@pytest.mark.parametrize("op_type", ["Gemm", "MatMul"])
def test_the_channels_of_a_matrix_product_are_its_columns(op_type: str) -> None:
    network = Network((2,))
    weights = np.array([[100, 100, 1], [1, 100, 100]], np.int8)  # (in, out): only the second column is beyond
    network.layer(op_type, weights, random_scales(3), axis=1)
    after, certificate = rescale_channels(network.finish())
    assert certificate.rescaled_channels == 1
    assert constants(after)["layer0.weight.values"].tolist() == [[100, 64, 1], [1, 64, 100]]


def test_layers_that_share_tensors_are_rescaled_each_for_itself() -> None:
    """Tools that merge equal constants make two layers read one scale, or one bias."""
    network = Network((2,))
    scales, bias = np.array([0.01, 0.01], np.float32), np.array([1000, 1000], np.int32)
    network.layer("Gemm", np.array([[100, 100], [127, 127]], np.int8), scales, bias, transB=1)
    network.layer("Gemm", np.array([[50, 50], [80, 80]], np.int8), scales, bias, transB=1)
    separate = network.finish()
    first, second = (node for node in network.nodes if node.op_type == "Gemm")
    second.input[2] = first.input[2]
    weights = [node for node in network.nodes if node.output[0] in (first.input[1], second.input[1])]
    weights[1].input[1] = weights[0].input[1]
    merged, image = network.finish(), np.array([[1.0, -0.5]], np.float32)
    assert merged != separate
    expected, found = (run_onnxruntime(rescale_channels(model)[0], image) for model in (separate, merged))
    np.testing.assert_array_equal(list(found.values()), list(expected.values()))


def with_weights(weights: Array, zero: int) -> onnx.ModelProto:
    model = convolution(random_weights((6, 3, 3, 3)))
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, array in (("values", weights), ("zero", np.full(6, zero, weights.dtype))):
        tensors[f"layer0.weight.{name}"].CopyFrom(numpy_helper.from_array(array, f"layer0.weight.{name}"))
    return model


def test_weights_of_another_kind_are_refused() -> None:
    with pytest.raises(ReszooError, match=r"layer0.*uint8 weights with zero point 128"):
        rescale_channels(with_weights(np.full((6, 3, 3, 3), 130, np.uint8), 128))
    with pytest.raises(ReszooError, match="int8 weights with zero point 3"):
        rescale_channels(with_weights(random_weights((6, 3, 3, 3)), 3))


def test_scales_along_the_inputs_are_refused() -> None:
    network = Network((2,))
    network.layer("Gemm", random_weights((2, 2)), random_scales(2), axis=1, transB=1)
    with pytest.raises(ReszooError, match="do not follow its 2 output channels"):
        rescale_channels(network.finish())


def test_a_model_whose_integers_cannot_be_read_is_refused() -> None:
    """A certificate of layers that nobody looked at would be worth nothing."""
    model = convolution(random_weights((6, 3, 3, 3)))
    dequantize = next(node for node in model.graph.node if node.output[0] == "layer0.weight")
    dequantize.input[0] = "computed"
    model.graph.node.insert(0, helper.make_node("Identity", ["layer0.weight.values"], ["computed"]))
    with pytest.raises(ReszooError, match="'computed', which is computed, not stored"):
        rescale_channels(model)
    model = convolution(random_weights((6, 3, 3, 3)))
    model.graph.node.append(helper.make_node("QLinearConv", [], ["other"]))
    with pytest.raises(ReszooError, match=r"holds QLinearConv.*\n.*QDQ format"):
        rescale_channels(model)


def test_a_layer_kept_in_float_is_not_counted() -> None:
    model = convolution(random_weights((6, 3, 3, 3)))
    next(node for node in model.graph.node if node.op_type == "Conv").input[0] = "input"
    assert rescale_channels(model)[1].layers == 0


def test_a_layer_behind_a_pool_is_refused_not_missed() -> None:
    """Some runtimes compute it in integers all the same, so a certificate without it would be false."""
    model = convolution(random_weights((6, 3, 3, 3)))
    position, node = next((i, node) for i, node in enumerate(model.graph.node) if node.op_type == "Conv")
    pool = helper.make_node("MaxPool", [node.input[0]], ["pooled"], kernel_shape=[1, 1])
    node.input[0] = "pooled"
    model.graph.node.insert(position, pool)
    with pytest.raises(ReszooError, match="is on integers, but what it reads is not quantized right in front of it"):
        rescale_channels(model)
