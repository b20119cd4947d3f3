"""Quantization within a budget: planted outliers are found and kept in float, and what is promised is what is made."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from outliers import PLANTED, plant

from reszoo import zoo
from reszoo.bench.accuracy import Paired, compare_predictions, drop_verdict
from reszoo.bench.evaluate import evaluate
from reszoo.core.errors import ReszooError, UnavailableError, UsageError
from reszoo.core.types import Candidate, Checkpoint
from reszoo.datasets.preprocess import normalise
from reszoo.export import ExportOptions, export
from reszoo.export.contract.format import format_named
from reszoo.export.contract.runtime import runtimes
from reszoo.export.exporting import checked
from reszoo.export.feeding import sample_images
from reszoo.export.formats.onnx import OnnxFormat
from reszoo.export.quantizing import calibrated
from reszoo.quantize import QuantizeConfig
from reszoo.workflows.quantization.budget_search import SearchResult, SearchTrial, _not_met, search_within_budget
from reszoo.workflows.quantization.layer_damage import Damage

REF = "resnet8_v1.reszoo_digits"


def int8(**choices: object) -> ExportOptions:
    return ExportOptions(precision="int8", quantize=QuantizeConfig(images=64, calibration="minmax", **choices))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return plant(tmp_path_factory.mktemp("outliers") / "planted")


@pytest.fixture(scope="module")
def fitted(planted: Checkpoint) -> SearchResult:
    return search_within_budget(planted, "onnx", int8(), 0.005)


def losses(reference: Candidate, candidate: Candidate, split: str) -> Paired:
    made = []
    for model in (reference, candidate):
        with runtimes()["onnxruntime"].load(model, device="cpu", threads=1, variant="") as session:
            made.append(evaluate(session, model, "digits", split, 64, lambda done, total: None))
    return compare_predictions(*made)


def float_logits(checkpoint: Checkpoint) -> np.ndarray:
    images, _ = sample_images("digits", checkpoint.preprocess, 64)
    with torch.inference_mode():
        return zoo.build(checkpoint)(torch.from_numpy(normalise(images, checkpoint.preprocess))).numpy()


def test_planting_changes_nothing_in_float(planted: Checkpoint) -> None:
    np.testing.assert_array_equal(float_logits(planted), float_logits(zoo.load(REF)))


def test_outliers_cost_more_than_five_points_and_two_layers_in_float_mend_it(fitted: SearchResult) -> None:
    first, chosen = fitted.trials[0], fitted.chosen
    assert first.kept == ()
    assert first.paired.drop > 0.05
    assert chosen.meets
    assert chosen.paired.n == 143  # all of val
    assert len(chosen.kept) == 2  # what writes the outliers, and what reads them
    assert PLANTED in chosen.kept
    assert 0 < chosen.kept_macs < 0.5


def test_the_planted_layers_do_the_most_damage(fitted: SearchResult) -> None:
    assert PLANTED in [damage.layer.name for damage in fitted.damages[:2]]
    assert {damage.layer.name for damage in fitted.damages[:2]} == set(fitted.chosen.kept)
    assert fitted.damages[1].kl > 10 * fitted.damages[2].kl
    assert fitted.damages[1].flips > 0
    assert len(fitted.damages) == 15


def test_what_is_exported_is_what_was_measured(fitted: SearchResult, planted: Checkpoint, tmp_path: Path) -> None:
    floats = export(planted, "onnx", out=tmp_path / "float")
    made = export(planted, "onnx", out=tmp_path / "made", options=fitted.options)
    assert losses(floats, made, "val") == fitted.chosen.paired
    assert losses(floats, made, "test").drop < 0.005
    assert made.provenance[-1].config["keep_float"] == ",".join(fitted.chosen.kept)


def test_what_export_would_refuse_meets_no_budget(fitted: SearchResult, planted: Checkpoint) -> None:
    """All other layers are in float already, and one of the two has to be quantized."""
    others = tuple(damage.layer.name for damage in fitted.damages[2:])
    seen: list[SearchTrial] = []
    harm: list[Damage] = []
    stages: set[str] = set()
    with pytest.raises(
        ReszooError, match=r"the best of 2 tries keeps 13 layers \(.* and 8 others\).* refuse"
    ) as caught:
        search_within_budget(
            planted,
            "onnx",
            int8(keep_float=others),
            0.95,
            progress=lambda stage, *_: stages.add(stage),
            on_damages=harm.extend,
            on_trial=seen.append,
        )
    assert caught.value.exit_code == 1
    assert "top-1 agreement" in caught.value.problem
    assert "max_drop" not in caught.value.fix
    assert all(trial.is_within and trial.refused and not trial.meets for trial in seen)
    assert [trial.kept[:13] for trial in seen] == [others, others]
    assert [len(trial.kept) for trial in seen] == [13, 14]
    assert {damage.layer.name for damage in harm} == set(fitted.chosen.kept)
    assert {"trial 1", "trial 2 of at most 4"} < stages


def test_a_budget_that_cannot_be_met_names_the_best_attempt(planted: Checkpoint) -> None:
    """That is one that export would take."""

    def trial(kept: tuple[str, ...], lost: int, refused: str | None = None) -> SearchTrial:
        return SearchTrial(kept, 0.1, drop_verdict(Paired(900, lost, 0, 900 - lost), 0.005), refused)

    error = _not_met(planted, [trial((), 80), trial(("a", "b"), 8), trial(("c",), 2, "max error 9 (allowed 1)")])
    assert (
        "within 0.5 points: the best of 3 tries keeps 2 layers (a, b) in float and loses 0.89 points" in error.problem
    )
    assert "refuse" not in error.problem
    assert "Allow it with `max_drop=0.0089`, or try another" in error.fix


def test_the_drop_that_would_be_allowed_is_rounded_up_only_where_it_must_be(planted: Checkpoint) -> None:
    """69 of 1000 are 6.9 %, although 1e4 * 0.069 is more than 690."""
    trial = SearchTrial((), 0.1, drop_verdict(Paired(1000, 69, 0, 931), 0.005))
    assert "Allow it with `max_drop=0.069`, or" in _not_met(planted, [trial]).fix


def test_a_drop_of_just_the_budget_is_within_it() -> None:
    assert SearchTrial((), 0.1, drop_verdict(Paired(10, 3, 0, 7), 0.7 - 0.4)).is_within
    assert not SearchTrial((), 0.1, drop_verdict(Paired(10, 4, 0, 6), 0.7 - 0.4)).is_within


def test_a_healthy_network_needs_no_more_float_layers_than_were_given() -> None:
    stages: dict[str, tuple[float, float | None]] = {}

    def note(stage: str, done: float = 0, total: float | None = None, /) -> None:
        stages[stage] = done, total

    options = ExportOptions(
        precision="int8",
        quantize=QuantizeConfig(images=64, calibration="mse", keep_float=("head",)),
        batch=10,
        input="uint8",
    )
    found = search_within_budget(zoo.load(REF), "onnx", options, 0.02, progress=note)
    assert (found.options, found.damages) == (checked(options, format_named("onnx")), ())
    assert [trial.kept for trial in found.trials] == [("head",)]
    assert stages == {"calibrating": (128, 128), "float model": (143, 143), "trial 1": (143, 143)}


def test_a_variant_is_there_for_a_runtime_and_gone_afterwards(planted: Checkpoint) -> None:
    options = int8()
    assert options.quantize is not None
    with calibrated(planted, format_named("onnx"), options, options.quantize) as model:
        with model.keeping([PLANTED]) as variant:
            assert losses(model.floats, variant, "val").n == 143
            assert variant.provenance[-1].input_sha256 == model.floats.files[0].sha256
        assert not variant.path.exists()
        assert model.floats.path.exists()
    assert not model.floats.path.exists()


def test_a_full_disk_is_told_plainly(planted: Checkpoint) -> None:
    class Full(OnnxFormat):
        def convert(self, graph: bytes, checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> None:
            Path("/dev/full").write_bytes(graph)

    options = int8()
    assert options.quantize is not None
    with (
        calibrated(planted, format_named("onnx"), options, options.quantize) as model,
        pytest.raises(ReszooError, match=r"no space left on the disk for .*reszoo-"),
        replace(model, plugin=Full()).keeping([]),
    ):
        pass


@pytest.mark.parametrize(("node", "kind"), [("stem.act", "float"), ("preprocess.add", "uint8")])
def test_what_is_no_layer_cannot_be_kept_in_float(node: str, kind: Literal["float", "uint8"]) -> None:
    config = QuantizeConfig(images=16, calibration="minmax", keep_float=(node,))
    options = ExportOptions(precision="int8", quantize=config, input=kind)
    with (
        pytest.raises(UsageError, match=f"unknown layer to keep in float: '{node}'(?s:.*)(Known|Did you mean)"),
        calibrated(zoo.load(REF), format_named("onnx"), options, config),
    ):
        pass


def test_a_layer_that_is_named_twice_is_kept_once() -> None:
    assert QuantizeConfig(keep_float=("b", "a", "b")) == QuantizeConfig(keep_float=("b", "a"))


@pytest.mark.parametrize("max_drop", [-0.001, 1.0, float("nan")])
def test_a_drop_that_cannot_be_meant_is_refused(max_drop: float) -> None:
    with pytest.raises(UsageError, match="cannot drop by at most"):
        search_within_budget(zoo.load(REF), "onnx", int8(), max_drop)


def test_a_precision_without_layers_to_keep_is_refused() -> None:
    with pytest.raises(UsageError, match="precision fp16 has no layer to keep in float"):
        search_within_budget(zoo.load(REF), "onnx", ExportOptions(precision="fp16"), 0.01)


def test_without_the_data_set_it_says_what_is_missing() -> None:
    with pytest.raises(UnavailableError, match="needs training images of cifar10"):
        search_within_budget(zoo.load("resnet8_v1.reszoo_cifar10"), "onnx", int8(), 0.01)
