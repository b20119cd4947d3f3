"""What every quantization scheme must do, run over every scheme file found."""

from pathlib import Path

import numpy as np
import pytest

from reszoo import datasets, zoo
from reszoo.core.errors import ReszooError, UsageError
from reszoo.datasets.preprocess import normalise
from reszoo.export import ExportOptions, artifacts, export
from reszoo.export.contract import formats
from reszoo.quantize import QuantizeConfig, Scheme, natural_scheme, scheme_named
from reszoo.quantize.contract import schemes
from reszoo.quantize.summary import layers

REF = "resnet8_v1.reszoo_digits"


@pytest.fixture(params=schemes().values(), ids=lambda scheme: scheme.name)
def scheme(request: pytest.FixtureRequest) -> Scheme:
    if missing := request.param.unavailable():
        pytest.skip(missing.reason)
    return request.param


def test_schemes_are_found_by_listing_the_folder() -> None:
    assert "int8" in schemes()
    assert natural_scheme("onnx").name == "int8"
    for scheme in schemes().values():
        assert set(scheme.natural_for) <= set(scheme.formats) <= formats().keys()
        assert all(scheme.precision in formats()[name].precisions for name in scheme.formats)


def test_a_format_has_one_natural_scheme_at_most() -> None:
    natural = [name for scheme in schemes().values() for name in scheme.natural_for]
    assert len(natural) == len(set(natural))


def test_an_unknown_scheme_or_a_format_without_one_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown quantization scheme 'int9'(?s:.*)int8"):
        scheme_named("int9")
    with pytest.raises(UsageError, match="no scheme quantizes the format torch"):
        natural_scheme("torch")


@pytest.fixture(params=["resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"])
def ref(request: pytest.FixtureRequest) -> str:
    return request.param


def test_what_a_scheme_makes_is_proven_and_says_how_it_was_made(scheme: Scheme, ref: str, tmp_path: Path) -> None:
    checkpoint = zoo.load(ref)
    config = QuantizeConfig(scheme=scheme.name, images=64)
    options = ExportOptions(precision=scheme.precision, quantize=config)
    for name in scheme.formats:
        made = export(checkpoint, name, out=tmp_path / name, options=options)
        assert artifacts.read(tmp_path / name) == made
        assert made.parity.top1_agreement >= 0.98
        assert [step.name for step in made.lineage[-2:]] == ["export", "quantize"]
        assert made.lineage[-1].config["scheme"] == scheme.name
        assert set(scheme.packages) <= made.lineage[-1].versions.keys()
        floats = export(checkpoint, name, out=tmp_path / "float")
        assert made.certificate is not None
        found = layers(made.path / made.files[0].name)
        assert (found.floats, found.quantized) == ((), made.certificate.layers)
        assert made.size_bytes < 0.5 * floats.size_bytes
        assert made.lineage[-1].input_sha256 == floats.files[0].sha256


def test_the_same_inputs_give_the_same_bytes_and_never_twice_over(scheme: Scheme, ref: str, tmp_path: Path) -> None:
    checkpoint = zoo.load(ref)
    raw, _ = next(datasets.calibration_sample("digits", 32, seed=0).batches(checkpoint.preprocess, 32))
    batch = normalise(raw, checkpoint.preprocess)
    config = QuantizeConfig(scheme=scheme.name)
    for name in scheme.formats:
        folder = tmp_path / name
        folder.mkdir()
        formats()[name].write(checkpoint, ExportOptions(), folder)
        (source,) = folder.iterdir()
        before = source.read_bytes()
        made = [folder / label for label in ("first", "second")]
        passes = 0

        def feeds() -> "np.typing.NDArray":  # each batch counted
            nonlocal passes
            passes += 1
            return iter([batch])

        for path in made:
            scheme.apply(source, path, feeds, config)
        assert passes == 2 * scheme.passes(config)
        assert made[0].read_bytes() == made[1].read_bytes()
        assert source.read_bytes() == before
        with pytest.raises((UsageError, ReszooError), match="quantized already"):
            scheme.apply(made[0], folder / "third", feeds, config)
        assert not (folder / "third").exists()
