"""From the images to the runtime's kernels: the stage and the layer that are bad are found, and nothing else is."""

import numpy as np
import onnx
import pytest
from explanations import healthy, int8, planted
from msgspec.structs import replace
from outliers import PLANTED

from reszoo import datasets, zoo
from reszoo.core.errors import UsageError
from reszoo.core.types import Checkpoint
from reszoo.export import ExportOptions
from reszoo.export.bisect import explain, first_bad, further_images
from reszoo.export.explanation import advice
from reszoo.export.formats.onnx import OnnxFormat
from reszoo.quantize import QuantizeConfig
from reszoo.quantize.diagnosis import LEAST_DB
from reszoo.quantize.emulation import run_without_vnni

V1, V2 = "resnet8_v1.reszoo_digits", "resnet8_v2.reszoo_digits"


@pytest.mark.long
def test_a_healthy_network_has_nothing_bad_in_any_stage() -> None:
    found = healthy()
    assert found.bad is None
    assert (found.n, found.images) == (64, "digits/train, 65 to 128 as drawn with seed 0")
    stages = {stage.name: stage for stage in found.stages}
    assert list(stages) == ["preprocessing", "torch", "onnx", "quantized", "runtime"]
    assert all(stages[name].lowest_db > 90 for name in ("preprocessing", "torch", "onnx"))
    assert stages["onnx"].tensors >= 20  # nearly all keep their names
    assert stages["quantized"].sqnr_db == pytest.approx(found.layers[-1].so_far_db)
    assert stages["quantized"].sqnr_db < stages["runtime"].sqnr_db
    assert found.diagnosis.layer == min(found.layers, key=lambda layer: layer.own_db).name


@pytest.mark.long
def test_raw_pixels_and_a_fixed_batch_are_fed_as_the_graph_takes_them() -> None:
    told: list[tuple[str, int, int]] = []
    options = ExportOptions(precision="int8", quantize=QuantizeConfig(images=64), input="uint8", batch=12)
    found = explain(zoo.load(V2), options=options, progress=lambda *news: told.append(news))
    assert found.bad is None
    assert found.n == 60
    assert (told[0][0], told[-1]) == ("calibrating", ("comparing layers", 5, 5))


def test_planted_outliers_are_found_where_they_are_read() -> None:
    found = planted()
    assert found.bad is not None
    assert (found.bad.stage, found.bad.name, found.bad.reason) == ("quantized", PLANTED, "outliers")
    assert PLANTED in found.bad.advice
    assert [layer.name for layer in found.layers if layer.own_db < LEAST_DB] == [PLANTED]
    assert found.diagnosis.source == "input"
    assert len(found.diagnosis.histogram.stretched) == 1


def test_a_runtime_that_saturates_is_found() -> None:
    found = explain(zoo.load(V1), options=int8(saturation="ignore"), run=run_without_vnni)
    assert found.bad is not None
    assert (found.bad.stage, found.bad.reason) == ("runtime", "saturation")
    first = next(layer for layer in found.layers if layer.wrong)
    assert found.bad.name == first.name
    assert f"{first.wrong} of its results" in found.bad.what


def test_errors_that_add_up_are_not_blamed_on_a_layer() -> None:
    found = healthy()
    stages = [replace(stage, sqnr_db=17.32) if stage.name == "quantized" else stage for stage in found.stages]
    assert first_bad(found.stages, found.layers, found.diagnosis, onnx.ModelProto()) is None
    bad = first_bad(stages, found.layers, found.diagnosis, onnx.ModelProto())
    assert bad is not None
    assert (bad.stage, bad.name, bad.reason) == ("quantized", "logits", "accumulation")
    assert "add up to 17.3 dB" in bad.what


def test_the_images_are_not_those_of_the_calibration_unless_too_few_are_left() -> None:
    checkpoint, train = zoo.load(V1), datasets.load("digits", "train")
    config = QuantizeConfig(images=512, seed=3)
    calibrated, _ = next(datasets.calibration_sample("digits", 512, 3).batches(checkpoint.preprocess, 512))
    images, named = further_images(checkpoint, config, 64)
    assert named == "digits/train, 513 to 576 as drawn with seed 3"
    # equal pictures are in the set, but not many
    assert np.mean([(calibrated == image).all(axis=(1, 2, 3)).any() for image in images]) < 0.1
    _, named = further_images(checkpoint, QuantizeConfig(images=len(train) - 10), 64)
    assert named.endswith(f"to {len(train)} as drawn with seed 0, 54 of them calibrated on")


def test_advice_names_only_what_the_scheme_has_and_was_not_tried() -> None:
    clipped = advice("clipping", "node", QuantizeConfig(calibration="mse"), ("mse", "minmax"))
    assert clipped == "Try `calibration=minmax`. Try more `images`, or keep it in float: `keep_float=node`."
    tried = QuantizeConfig(calibration="minmax", equalise=True)
    assert "calibration" not in advice("clipping", "node", tried, ("minmax",))
    assert advice("outliers", "node", tried, ("minmax",)) == "Keep it in float: `keep_float=node`."
    assert advice("outliers", "node", tried, ("mse", "minmax")).startswith("Try `calibration=mse`.")


class Broken(OnnxFormat):
    """Writes a network whose last layer was disturbed after it was read."""

    def graph(self, checkpoint: Checkpoint, options: ExportOptions) -> bytes:
        model = onnx.load_from_string(super().graph(checkpoint, options))
        bias = next(tensor for tensor in model.graph.initializer if tensor.dims == [10])
        bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 0.1, bias.name))
        return model.SerializeToString()


def test_an_export_that_differs_is_found_before_any_quantization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reszoo.export.bisect.format_named", lambda name: Broken())
    found = explain(zoo.load(V1), options=int8())
    assert found.bad is not None
    assert (found.bad.stage, found.bad.name, found.bad.reason) == ("onnx", "logits", "conversion")


def test_what_cannot_be_explained_is_said() -> None:
    with pytest.raises(UsageError, match="only int8 ONNX graphs"):
        explain(zoo.load(V1), options=ExportOptions())
    with pytest.raises(UsageError, match="format torch has no precision int8"):
        explain(zoo.load(V1), "torch")
