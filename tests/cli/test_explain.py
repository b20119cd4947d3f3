"""What `reszoo quantize --explain` prints and draws."""

import io
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from explanations import healthy, planted
from outliers import PLANTED
from PIL import Image

from reszoo.cli import explain as cli
from reszoo.core.errors import UsageError
from reszoo.export.explanation import Explanation, FirstBad
from reszoo.workflows.quantization.noise_plot import noise_plot
from reszoo.workflows.reporting import plot_format

STAGES = ["preprocessing", "torch", "onnx", "quantized", "runtime"]


def test_the_table_ends_at_the_first_bad_layer_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    cli.print_explanation(planted())
    printed = capsys.readouterr().out
    first_cells = [line.split()[0] for line in printed.splitlines() if line.strip()]
    assert [cell for cell in first_cells if cell in STAGES] == STAGES
    names = [layer.name for layer in planted().layers]
    position = names.index(PLANTED)
    assert [cell for cell in first_cells if cell in names] == names[: position + 1]
    assert f"{len(names) - position - 1} layers behind it are not shown" in printed
    assert (
        f"The first that is bad is {PLANTED}. The likely reason is outliers: the range of stages.2.0.act"
        in " ".join(printed.split())
    )
    assert f"--keep-float {PLANTED}" in " ".join(printed.split())


def test_all_layers_of_a_healthy_network_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    cli.print_explanation(healthy())
    printed = capsys.readouterr().out
    assert all(re.search(rf"^ *{layer.name} ", printed, re.MULTILINE) for layer in healthy().layers)
    assert f"Nothing is bad.\nThe weakest layer is {healthy().diagnosis.layer}" in printed


def test_errors_that_add_up_are_told_with_all_layers_and_the_weakest(capsys: pytest.CaptureFixture[str]) -> None:
    what = "no single layer is bad, but their errors add up to 17.3 dB"
    bad = FirstBad(stage="quantized", name="logits", reason="accumulation", what=what, advice="Let --max-drop choose.")
    cli.print_explanation(msgspec.structs.replace(healthy(), bad=bad))
    printed = capsys.readouterr().out
    assert all(re.search(rf"^ *{layer.name} ", printed, re.MULTILINE) for layer in healthy().layers)
    assert f"In logits, {what}.\nThe weakest layer is {healthy().diagnosis.layer}" in printed
    assert "With the error of one source alone" in printed
    assert bad.advice in printed
    assert "Nothing is bad" not in printed


def test_json_holds_it_all_and_can_be_read_back() -> None:
    assert msgspec.json.decode(msgspec.json.encode(planted()), type=Explanation) == planted()


def test_the_plot_is_the_same_each_time_and_names_the_layer() -> None:
    svg = noise_plot(planted(), "svg")
    assert svg == noise_plot(planted(), "svg")
    # matplotlib draws text as paths, and says in a comment what each one reads
    assert f"<!-- first bad layer: {PLANTED} -->" in svg.decode()
    assert f"<!-- {planted().diagnosis.histogram.tensor}, the input of {PLANTED} -->" in svg.decode()


def test_the_plot_is_written_as_its_name_says(tmp_path: Path) -> None:
    cli.write_plot(planted(), tmp_path / "plot.png")
    with Image.open(io.BytesIO((tmp_path / "plot.png").read_bytes())) as picture:
        assert picture.size == (1920, 1520)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50
    with pytest.raises(UsageError, match=r"plot.pdf is neither a .png nor a .svg"):
        plot_format(tmp_path / "plot.pdf")


def test_many_layers_are_named_in_part_but_the_weakest_is() -> None:
    found = healthy()
    copies = tuple(
        msgspec.structs.replace(layer, name=f"{layer.name}_{i}") for i in range(20) for layer in found.layers
    )
    name = f"{found.diagnosis.layer}_7"
    diagnosis = msgspec.structs.replace(found.diagnosis, layer=name)
    deep = msgspec.structs.replace(found, layers=copies, diagnosis=diagnosis)
    svg = noise_plot(deep, "svg").decode()
    assert f"<!-- {name} -->" in svg
    assert 30 < sum(f"<!-- {layer.name} -->" in svg for layer in copies) <= 60
