"""What every quantization scheme must do, run over every scheme file found, with every format that it quantizes."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from reszoo import datasets, zoo
from reszoo.bench.evaluate import batch_size
from reszoo.core.errors import UsageError
from reszoo.core.types import Artifact
from reszoo.datasets.preprocess import normalise
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract.format import GraphFormat, formats
from reszoo.export.exporting import checked
from reszoo.export.feeding import feed
from reszoo.export.quantizing import config_for, format_for
from reszoo.export.ways import runnable
from reszoo.quantize import QuantizeConfig, Scheme, scheme_named
from reszoo.quantize.contract import schemes
from reszoo.quantize.summary import layers

# norms that no convolution in front can take in, option A's shortcut: what is hard to quantize is in it
REF = "resnet8_v2.reszoo_digits"
CONVERTED = [plugin for plugin in formats().values() if isinstance(plugin, GraphFormat)]
PAIRS = {
    f"{scheme.name}-{plugin.name}": (scheme, plugin)
    for scheme in schemes().values()
    for plugin in CONVERTED
    if plugin.fits(scheme)
}


@pytest.fixture(params=schemes().values(), ids=lambda scheme: scheme.name)
def scheme(request: pytest.FixtureRequest) -> Scheme:
    if missing := request.param.unavailable():
        pytest.skip(missing.reason)
    return request.param


@pytest.fixture(params=PAIRS.values(), ids=PAIRS.keys())
def pair(request: pytest.FixtureRequest) -> tuple[Scheme, GraphFormat]:
    scheme, plugin = request.param
    if missing := scheme.unavailable() or plugin.unavailable():
        pytest.skip(missing.reason)
    return scheme, plugin


@cache
def graph_for(kind: str) -> Any:
    """The float network as formats of that kind that keep it so are converted from it; tests must not change it."""
    plugin = next(plugin for plugin in CONVERTED if plugin.graph_kind == kind and "fp32" in plugin.precisions)
    return plugin.graph(zoo.load(REF), ExportOptions())


def content(graph: Any) -> bytes:
    """All that is in a graph."""
    if isinstance(graph, bytes):
        return graph
    tensors = {**graph.state_dict, **graph.constants}
    return str(graph.graph).encode() + b"".join(tensors[name].detach().numpy().tobytes() for name in sorted(tensors))


def test_a_format_says_what_int8_means_for_it_and_the_scheme_can_do_that() -> None:
    assert {"int8", "int8-nncf", "int8-litert", "int8-pt2e"} <= schemes().keys()
    assert {plugin.name for plugin in CONVERTED} >= {"onnx", "openvino", "ort", "litert", "executorch"}
    for plugin in CONVERTED:
        natural = config_for(plugin)
        scheme = schemes()[natural.scheme]
        assert scheme.complete(natural).scheme == natural.scheme
        assert (scheme.graph_kind, scheme.precision in plugin.precisions) == (plugin.graph_kind, True)
    others = [plugin for plugin in formats().values() if plugin not in CONVERTED]
    assert not any("int8" in plugin.precisions for plugin in others)


def test_a_scheme_names_the_format_that_it_is_made_for() -> None:
    assert format_for(None) == "onnx"
    expected = {"int8": "onnx", "int8-nncf": "onnx", "int8-litert": "litert", "int8-pt2e": "executorch"}
    here = [name for name in expected if not schemes()[name].unavailable()]
    assert {name: format_for(name) for name in here} == {name: expected[name] for name in here}


def test_a_scheme_that_is_not_there_or_is_for_other_formats_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown quantization scheme 'int9'(?s:.*)int8"):
        scheme_named("int9")
    with pytest.raises(UsageError, match=r"no scheme quantizes the format torch\n.*onnx"):
        config_for(formats()["torch"])
    for_engines = ExportOptions(precision="int8", quantize=QuantizeConfig(scheme="int8-nncf"))
    with pytest.raises(UsageError, match=r"int8-nncf does not quantize the format tensorrt-rtx\nChoose int8\."):
        checked(for_engines, formats()["tensorrt-rtx"])
    foreign = ExportOptions(precision="int8", quantize=QuantizeConfig(scheme="int8-litert"))
    with pytest.raises(UsageError, match="int8-litert does not quantize the format onnx\nChoose int8 or int8-nncf"):
        export(zoo.load(REF), "onnx", out=tmp_path / "made", options=foreign)


@pytest.mark.parametrize("config", [None, QuantizeConfig(images=64), QuantizeConfig(calibration="entropy")])
def test_what_the_user_leaves_open_is_what_the_format_takes(config: QuantizeConfig | None) -> None:
    options = ExportOptions(precision="int8", quantize=config)
    found = {name: checked(options, formats()[name]).quantize for name in ("onnx", "tensorrt-rtx")}
    chosen = [(each.activations, each.saturation) for each in found.values() if each]
    assert chosen == [("u8", "certify"), ("s8", "ignore")]
    u8 = QuantizeConfig(activations="u8")
    with pytest.raises(UsageError, match="no u8 activations\nLeave `activations` away, or choose s8"):
        checked(ExportOptions(precision="int8", quantize=u8), formats()["tensorrt-rtx"])


@pytest.mark.parametrize("choice", [{"equalise": True}, {"bias_correction": True}, {"saturation": "certify"}])
@pytest.mark.parametrize("name", ["int8-litert", "int8-pt2e"])
def test_what_a_scheme_cannot_do_is_refused_and_not_passed_over(name: str, choice: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"scheme {name} has no {next(iter(choice)).replace('_', ' ')}"):
        schemes()[name].complete(QuantizeConfig(scheme=name, **choice))


@pytest.mark.long("int8-pt2e-executorch", "int8-nncf-onnx", "int8-nncf-openvino")
def test_what_a_scheme_makes_is_proven_and_says_how_it_was_made(
    pair: tuple[Scheme, GraphFormat], tmp_path: Path
) -> None:
    scheme, plugin = pair
    checkpoint = zoo.load(REF)
    config = replace(config_for(plugin, scheme.name), images=64)
    made = export(
        checkpoint, plugin.name, out=tmp_path / "made", options=ExportOptions(precision="int8", quantize=config)
    )
    assert artifacts.read(tmp_path / "made") == made
    assert made.parity.top1_agreement >= 0.98
    assert made.parity.max_abs_error > 1e-4
    assert [step.name for step in made.provenance[-2:]] == ["export", "quantize"]
    assert made.provenance[-1].config["scheme"] == scheme.name
    assert set(scheme.packages) <= made.provenance[-1].versions.keys()
    options = checked(ExportOptions(), plugin) if "fp32" in plugin.precisions else ExportOptions()
    is_free = made.input.batch_limits[1] is None
    graph = graph_for(scheme.graph_kind) if is_free else plugin.graph(checkpoint, options)
    source = hashlib.sha256(graph).hexdigest() if isinstance(graph, bytes) else checkpoint.sha256
    assert made.provenance[-1].input_sha256 == source
    if not plugin.is_for_gpus and plugin.name != "c":  # an engine holds kernels too, and C is text
        carried = (".xml", ".js", ".mjs", ".wasm", ".txt")  # a graph without weights, and runtimes for browsers
        weights = (file.size_bytes for file in made.files if not file.name.endswith(carried))
        assert sum(weights) < 0.5 * checkpoint.size_bytes
    assert accuracy(made, plugin) >= next(m.value for m in checkpoint.metrics if m.split == "test") - 0.01
    assert (made.certificate is None) == (made.provenance[-1].config["saturation"] == "ignore")
    if plugin.name == "onnx":
        found = layers(made.path / made.files[0].name)
        assert made.certificate is not None
        assert (found.floats, found.quantized) == ((), made.certificate.layers)


def accuracy(artifact: Artifact, plugin: GraphFormat) -> float:
    """On all test images."""
    test = datasets.load("digits", "test")
    model, runtime = runnable(artifact, plugin.parity_runtime)
    answers, expected = [], []
    with runtime.load(model, device=runtime.devices[0], threads=2, variant="") as session:
        for images, labels in test.batches(artifact.preprocess, batch_size(artifact, 64)):
            answers.append(session.predict(feed(images, model.input, model.preprocess)).argmax(1))
            expected.append(labels)
    return float((np.concatenate(answers) == np.concatenate(expected)).mean())


@pytest.mark.long("int8-pt2e")
@pytest.mark.afresh
def test_the_same_inputs_give_the_same_graph_and_never_twice_over(scheme: Scheme) -> None:
    """Whatever was made before, and with layers in float too, which have to be some that are there."""
    checkpoint = zoo.load(REF)
    raw, _ = next(datasets.calibration_sample("digits", 32, seed=0).batches(checkpoint.preprocess, 32))
    batch = normalise(raw, checkpoint.preprocess)
    config = QuantizeConfig(scheme=scheme.name)
    source = graph_for(scheme.graph_kind)
    before = content(source)
    passes = 0

    def feeds() -> "np.typing.NDArray":  # each batch counted
        nonlocal passes
        passes += 1
        return iter([batch])

    variants = scheme.variants(source, feeds, scheme.complete(config))
    assert passes == scheme.passes(config)
    made = variants.quantized(())
    first = next(layer.name for layer in variants.layers if layer.macs)
    kept = variants.quantized([first])
    assert content(kept.graph) != content(made.graph)
    again = scheme.apply(source, feeds, config)
    assert content(again.graph) == content(made.graph)
    assert content(source) == before
    with pytest.raises(UsageError, match="unknown graph node 'conv1'"):
        variants.quantized(["conv1"])
    with pytest.raises(UsageError, match="quantized already"):
        scheme.apply(made.graph, feeds, config)
