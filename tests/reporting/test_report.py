"""What a report says: rows with their intervals, the Pareto front, Markdown, CSV, JSON and the plot."""

import csv
import io
import json
import math
import random
import shlex
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from measurements import HOST, SCENARIO, a_measurement, a_zoo
from PIL import Image
from typer.main import get_command

from reszoo import zoo
from reszoo.bench.harness import subject
from reszoo.cli.main import app
from reszoo.cli.options import parse_half_width
from reszoo.core.errors import UsageError
from reszoo.core.measured import Accuracy, MeasurementWarning
from reszoo.core.palette import COLOURS
from reszoo.core.types import FileRecord
from reszoo.export import ExportOptions, export
from reszoo.quantize import QuantizeConfig
from reszoo.reporting import build
from reszoo.reporting.labels import labels
from reszoo.reporting.page import MOST_SAMPLES, quantiles_ms
from reszoo.reporting.plot import pareto_plot
from reszoo.reporting.rounding import figure
from reszoo.reporting.text import csv_text, json_rows, markdown_text


def test_a_row_has_the_measurements_figures_and_their_intervals() -> None:
    measurement = a_measurement(median_s=0.004, n=400, batch=8)
    (row,) = build([measurement]).rows
    ordered = sorted(measurement.samples_s)
    assert row.latency_s.value == pytest.approx((ordered[199] + ordered[200]) / 2)
    assert row.latency_s.low is not None
    assert row.latency_s.high is not None
    assert 0.0038 < row.latency_s.low < row.latency_s.value < row.latency_s.high < 0.0042
    assert row.images_per_s is not None
    assert row.images_per_s.value == pytest.approx(8 * 400 / sum(measurement.samples_s))
    assert row.accuracy is not None
    assert (row.accuracy.value, row.accuracy.is_shared) == (0.9173, False)
    # Wilson's interval, from the formula's published calculators
    assert (row.accuracy.low, row.accuracy.high) == pytest.approx((0.91174, 0.92254), abs=1e-5)
    parts = row.memory_bytes
    assert parts.runtime + parts.model + parts.first_run + parts.later == parts.taken == measurement.memory.taken_bytes


def test_quantiles_appear_only_where_the_samples_carry_them() -> None:
    few, many = (build([a_measurement(n=n)]).rows[0] for n in (20, 5000))
    assert few.p99_s is None
    assert many.p99_s is not None
    assert many.p99_s == pytest.approx(sorted(a_measurement(n=5000).samples_s)[4950], rel=0.02)
    blocks = build([a_measurement(n=5000, runs_per_sample=10)]).rows[0]
    assert (blocks.p90_s, blocks.p99_s) == (None, None)  # means of ten runs have no tail to speak of


def test_an_accuracy_stands_in_all_rows_of_its_artifact_and_runtime_and_in_no_others() -> None:
    counted = a_measurement(batch=32, correct=9000)
    other_scenario = a_measurement(batch=1, correct=None)
    other_runtime = a_measurement(batch=1, correct=None, runtime="torch")
    other_artifact = a_measurement(batch=1, correct=None, artifact_sha256="c" * 64)
    report = build([counted, other_scenario, other_runtime, other_artifact])
    shared = {(r.runtime, r.batch, r.artifact_sha256[0]): r.accuracy.is_shared for r in report.rows if r.accuracy}
    assert shared == {("onnxruntime", 32, "b"): False, ("onnxruntime", 1, "b"): True}


def test_rows_are_sorted_by_numbers_not_by_how_they_are_written() -> None:
    report = build([a_measurement(batch=batch) for batch in (8, 128, 1, 16)])
    assert [row.batch for row in report.rows] == [1, 8, 16, 128]
    assert [m.subject.scenario.batch for m in report.measurements] == [1, 8, 16, 128]


def test_the_front_is_what_brute_force_finds() -> None:
    rng = random.Random(3)  # noqa: S311 - not for security
    measurements = [
        a_measurement(
            median_s=rng.choice([1, 2, 3, 5, 8]) * 1e-3,
            correct=rng.choice([None, 9000, 9100, 9200, 9300]),
            seed=0,  # equal medians and equal accuracies do occur
            n=50,
            batch=rng.choice([1, 4]),
            artifact_sha256=f"{i:064x}",
            artifact_bytes=rng.choice([1, 2, 3]) * 1_000_000,
        )
        for i in range(60)
    ]
    rows = build(measurements).rows
    for axis, cost in {
        "latency": lambda row: row.latency_s.value,
        "throughput": lambda row: 1 / row.images_per_s.value,
        "size": lambda row: row.artifact_bytes,
        "memory": lambda row: row.memory_bytes.taken,
    }.items():
        for row in rows:
            rivals = [r for r in rows if r.accuracy and r.batch == row.batch] if row.accuracy else []
            beaten = any(
                (cost(r) < cost(row) and r.accuracy.value >= row.accuracy.value)
                or (cost(r) <= cost(row) and r.accuracy.value > row.accuracy.value)
                for r in rivals
            )
            assert (axis in row.pareto) == (row.accuracy is not None and not beaten), (axis, row)


def test_rows_that_answer_different_questions_do_not_compete() -> None:
    def dominated(**changes: object) -> bool:
        """Is a slow row beaten by a fast one of the same accuracy that differs from it in `changes`, too?"""
        fast = a_measurement(median_s=1e-3, **changes)
        slow = a_measurement(median_s=9e-3)
        rows = build([fast, slow]).rows
        return "latency" not in max(rows, key=lambda row: row.latency_s.value).pareto

    other_machine = msgspec.structs.replace(HOST, cpu="Cortex-A72")
    other_data = Accuracy(dataset="cifar100", split="test", n=10_000, correct=9173)
    assert dominated(threads=2)
    assert dominated(source_ref="resnet32_v1.akamaster_cifar10")
    assert not dominated(batch=4)
    assert not dominated(cold_cache=True)
    assert not dominated(host=other_machine)
    assert not dominated(accuracy=other_data)
    assert not dominated(accuracy=Accuracy(dataset="cifar10", split="test", n=10_000, correct=9173, among="network"))


def test_what_answers_were_chosen_among_is_said_and_measured_again() -> None:
    some = Accuracy(dataset="flowers", split="val", n=100, correct=90, among="data")
    report = build([a_measurement(accuracy=some)])
    assert shlex.split(report.rows[0].command)[-4:] == ["--accuracy", "flowers/val", "--among", "data"]
    assert "top-1 on flowers/val, answers among its classes (n = 100)" in markdown_text(report)


def test_a_cold_cache_has_no_throughput() -> None:
    assert build([a_measurement(cold_cache=True)]).rows[0].images_per_s is None


def test_no_measurement_is_a_usage_error_with_a_fix() -> None:
    with pytest.raises(UsageError, match=r"bench\(REF, out=DIR\)"):
        build([])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "reszoo bench resnet20_v1.akamaster_cifar10 --runtime onnxruntime --threads 1 --batch 1 --no-bind"),
        (
            {"runtime": "torch", "variant": "compile", "artifact_format": "torch", "batch": 8, "streams": 2}
            | {"cores": (0, 1), "cold_cache": True},
            "reszoo bench resnet20_v1.akamaster_cifar10 --runtime torch:compile --threads 1 --batch 8 --streams 2 "
            "--cold-cache",
        ),
        (
            {"precision": "fp16", "input_dtype": "uint8", "cores": (1,)},
            "reszoo export resnet20_v1.akamaster_cifar10 --to onnx --precision fp16 --input uint8 "
            "--out resnet20_v1.akamaster_cifar10-onnx-fp16-uint8 && "
            "reszoo bench resnet20_v1.akamaster_cifar10-onnx-fp16-uint8 --runtime onnxruntime --threads 1 --batch 1",
        ),
        (
            {"runtime": "openvino", "artifact_format": "openvino", "cores": (1,)},
            "reszoo export resnet20_v1.akamaster_cifar10 --to openvino --out "
            "resnet20_v1.akamaster_cifar10-openvino-fp32 && "
            "reszoo bench resnet20_v1.akamaster_cifar10-openvino-fp32 --runtime openvino --threads 1 --batch 1",
        ),
    ],
    ids=["plain", "options", "export first", "not the runtime's first format"],
)
def test_the_command_says_what_is_not_the_default(changes: dict[str, object], expected: str) -> None:
    assert build([a_measurement(correct=None, **changes)]).rows[0].command == expected


def test_the_command_says_which_classes_are_which_as_it_was_said() -> None:
    said_by = FileRecord(name="my map.csv", sha256="d" * 64, size_bytes=12)
    some = Accuracy(dataset="pets", split="val", n=100, correct=90, among="data", classes=said_by)
    (row,) = build([a_measurement(accuracy=some)]).rows
    assert row.command.endswith("--accuracy pets/val --among data --classes 'my map.csv'")


@pytest.mark.parametrize(
    "changes",
    [
        {"scenario": msgspec.structs.replace(SCENARIO, precision=0.02, sampling_limit_s=3.0, seed=4)},
        {"precision": "int8", "streams": 2},
        {"artifact_format": "torch", "runtime": "torch", "variant": "channels_last", "device": "cuda"},
    ],
    ids=["sampling", "export first", "elsewhere"],
)
def test_every_command_is_one_that_the_command_line_knows(changes: dict[str, object]) -> None:
    verbs = get_command(app).commands  # type: ignore[attr-defined]
    for part in build([a_measurement(**changes)]).rows[0].command.split(" && "):
        _, verb, *words = shlex.split(part)
        verbs[verb].make_context(verb, words)  # raises for an option that it does not have
        if verb == "bench" and "--half-width" in words:
            assert parse_half_width(words[words.index("--half-width") + 1]) == 0.02


def test_an_integer_artifact_is_made_again_as_it_was(tmp_path: Path) -> None:
    config = QuantizeConfig(calibration="minmax", images=64, bias_correction=False, keep_float=("head",))
    options = ExportOptions(precision="int8", quantize=config, batch=4)
    made = export(zoo.load("resnet8_v1.reszoo_digits"), "onnx", out=tmp_path / "made", options=options)
    m = msgspec.structs.replace(a_measurement(), subject=subject(made, SCENARIO))
    assert (
        build([m])
        .rows[0]
        .command.startswith(
            "reszoo quantize resnet8_v1.reszoo_digits --to onnx --batch 4 --calibration minmax --images 64 "
            "--no-bias-correction --keep-float head --out resnet8_v1.reszoo_digits-onnx-int8 && reszoo bench "
        )
    )


def test_the_command_is_quoted_for_a_shell() -> None:
    ref = "my net; rm -rf ~ $(id)"
    words = shlex.split(build([a_measurement(source_ref=ref)]).rows[0].command)
    assert words[:3] == ["reszoo", "bench", ref]
    assert words[-2:] == ["--accuracy", "cifar10"]


def test_markdown_marks_the_front_and_says_the_common_settings_once() -> None:
    text = markdown_text(build(a_zoo()))
    header, rule, *rest = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rest) == 16
    assert {line.count("|") for line in (header, rule, *rest)} == {header.count("|")}
    starred = [line for line in rest if "★" in line]
    assert len(starred) == 8
    assert all("onnxruntime" in line for line in starred)
    assert "device" not in header
    assert "All rows: device cpu, precision fp32" in text
    assert "91.73 (91.17–92.25)" in text
    assert "Neighbours" in text  # what to do about stolen time


def test_nothing_from_outside_becomes_markup_in_markdown() -> None:
    text = markdown_text(build([a_measurement(source_ref="<script>alert(1)</script> | [x](y)")]))
    assert "<script>" not in text.split("## How to repeat it")[0]
    assert r"&lt;script>alert(1)&lt;/script> \| \[x\](y)" in text
    repeat = text.split("## How to repeat it")[1]
    assert all(line.startswith("    ") for line in repeat.splitlines() if line)  # a code block


def test_two_checkpoints_of_one_name_are_told_apart() -> None:
    models = {row.model for row in build([a_measurement(weights_sha256=digit * 64) for digit in "12"]).rows}
    assert models == {f"resnet20_v1.akamaster_cifar10 (weights {digit * 8})" for digit in "12"}


def test_csv_holds_every_figure_in_full() -> None:
    nasty = a_measurement(
        source_ref='a "quoted", </script> name',
        warnings=(MeasurementWarning(kind="steal", detail="0.3 s; much"),),
        seed=5,
    )
    report = build([nasty, *a_zoo()])
    lines = list(csv.DictReader(io.StringIO(csv_text(report))))
    assert len(lines) == 17
    for line, row in zip(lines, report.rows, strict=True):
        assert line["model"] == row.model
        assert float(line["latency_s.value"]) == row.latency_s.value
        assert float(line["accuracy.high"]) == row.accuracy.high  # type: ignore[union-attr]
        assert int(line["memory_bytes.taken"]) == row.memory_bytes.taken
        assert (line["p99_s"] == "") == (row.p99_s is None)
        assert line["pareto"].split() == list(row.pareto)
    assert {line["warnings"] for line in lines if line["model"].startswith("a ")} == {"steal: 0.3 s; much"}


def test_json_rows_are_plain_unrounded_and_know_their_host() -> None:
    report = build([a_measurement(), a_measurement(host=msgspec.structs.replace(HOST, cpu="Cortex-A72"), seed=1)])
    document = json.loads(msgspec.json.encode(json_rows(report)))
    assert [row["latency_s"]["value"] for row in document["rows"]] == [row.latency_s.value for row in report.rows]
    assert [document["hosts"][row["host"]]["cpu"] for row in document["rows"]] == ["AMD EPYC 9R14", "Cortex-A72"]


def test_labels_say_what_differs_and_only_that() -> None:
    report = build(a_zoo())
    assert labels(report.rows)[0] == "resnet20_v1, onnxruntime, batch 1"  # the format follows from the runtime
    assert labels(build([a_measurement()]).rows) == ["resnet20_v1"]
    assert labels(build([a_measurement(source_ref="./my.net v1.2")]).rows) == ["./my.net v1.2"]
    two = [a_measurement(source_ref=f"resnet20_v1.{tag}") for tag in ("one", "two")]
    assert labels(build(two).rows) == ["resnet20_v1.one", "resnet20_v1.two"]
    again = build([a_measurement(seed=1), a_measurement(seed=2)])
    assert labels(again.rows) == ["resnet20_v1, #1", "resnet20_v1, #2"]


def test_few_samples_are_all_drawn_and_many_from_end_to_end() -> None:
    assert quantiles_ms((0.003, 0.001, 0.002)) == [1, 2, 3]
    assert quantiles_ms((0.004,)) == [4]
    samples = a_measurement(n=20_000).samples_s
    drawn = quantiles_ms(samples)
    assert len(drawn) == MOST_SAMPLES
    assert (drawn[0], drawn[-1]) == (1e3 * min(samples), 1e3 * max(samples))
    assert drawn[250] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.1, "4.10"),
        (0.0789, "0.0789"),
        (9.999, "10.0"),
        (1234.5, "1,234"),
        (0, "0"),
        (-0.5, "-0.500"),
        (103.49, "103"),
    ],
)
def test_figures_keep_three_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_the_plot_is_a_picture_with_the_names_in_it(tmp_path: Path) -> None:
    report = build(a_zoo())
    (tmp_path / "plot.png").write_bytes(pareto_plot(report, "png"))
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 50
    svg = pareto_plot(report, "svg")
    assert svg == pareto_plot(report, "svg")  # the same each time: a README's picture changes only if its figures do
    comments = texts_in(svg)
    for text in ("resnet56_v1", "onnxruntime, batch 32", "latency of a batch, ms (log scale)", "cifar10/test, %"):
        assert text in comments
    assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314 - our own


def test_labels_of_twelve_points_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    from reszoo.reporting import plot
    from reszoo.reporting.place import common_area

    placed = []
    place_label = plot.place_label
    monkeypatch.setattr(plot, "place_label", lambda *a: placed.append(place_label(*a)) or placed[-1])
    nets = [
        a_measurement(
            median_s=5e-4 * (1 + 0.18 * i),
            correct=9100 + 25 * i + 20 * (i % 3),
            source_ref=f"resnet{8 + 6 * i}_v1.akamaster_cifar10",
            artifact_sha256=f"{i:064x}",
        )
        for i in range(12)
    ]
    plot.pareto_plot(build(nets), "png")
    assert len(placed) == 12
    boxes = [(i, j) for i in range(12) for j in range(i) if common_area(placed[i], placed[j]) > 0]
    assert boxes == []


def texts_in(svg: bytes) -> str:
    """matplotlib draws text as paths, and says in a comment what each one reads."""
    return b"".join(part.split(b"-->")[0] for part in svg.split(b"<!--")[1:]).decode()


def test_each_data_set_has_a_plot_of_its_own() -> None:
    other = Accuracy(dataset="things", split="val", correct=281, n=300)
    two = [a_measurement(), msgspec.structs.replace(a_measurement(seed=1), accuracy=other)]
    texts = texts_in(pareto_plot(build(two), "svg"))
    assert "top-1 accuracy on cifar10/test, %" in texts
    assert "top-1 accuracy on things/val, %" in texts


def test_a_runtime_has_the_colour_that_the_page_gives_it() -> None:
    """Also where a runtime before it has no accuracy and so no point."""
    unseen, seen = a_measurement(runtime="aaa", correct=None), a_measurement(runtime="torch", seed=1)
    report = build([unseen, seen])
    assert [row.runtime for row in report.rows] == ["aaa", "torch"]
    svg = pareto_plot(report, "svg").decode().lower()
    assert COLOURS[1].lower() in svg
    assert COLOURS[0].lower() not in svg


def test_names_are_not_formulas_in_the_plot() -> None:
    nasty = a_measurement(source_ref="$\\frac{1$_<b>&.x", accuracy=Accuracy(dataset="$x", split="test", n=9, correct=8))
    assert pareto_plot(build([nasty]), "svg")


def test_a_plot_without_any_accuracy_says_how_to_get_one() -> None:
    with pytest.raises(UsageError, match="accuracy=DATASET"):
        pareto_plot(build([a_measurement(correct=None)]), "png")


def test_a_single_sample_has_no_infinite_interval() -> None:
    report = build([a_measurement(n=1)])
    row = report.rows[0]
    assert row.latency_s.low is None or math.isfinite(row.latency_s.low)
    assert markdown_text(report)
    assert csv_text(report)
