"""The docs keep the figures of what was measured, and not its samples."""

import json
from pathlib import Path

import pytest
import rows
from figures import MEASUREMENTS, save, save_comparison, saved_comparison, summary
from measurements import a_measurement
from msgspec.structs import replace
from transfer import FINETUNED, SCRATCH, WAYS

from reszoo.core.documents import read_json
from reszoo.core.measured import Comparison

SCHEMA_1 = Path(__file__).resolve().parents[1] / "documents" / "schema1"


@pytest.fixture
def comparison() -> Comparison:
    """A real one; its last contestant differs from the first in its scenario too."""
    found = replace(read_json(SCHEMA_1 / "comparison.json", Comparison, ""), gate=1.03)
    *others, last = found.subjects
    assert last.scenario != others[0].scenario
    return found


def test_all_measurements_in_the_docs_take_less_than_a_megabyte_and_a_half() -> None:
    files = [path for path in MEASUREMENTS.rglob("*") if path.is_file()]
    assert len(files) > 40
    assert sum(file.stat().st_size for file in files) < 1_500_000


def test_a_comparison_keeps_its_ratios_its_medians_and_where_it_comes_from(
    comparison: Comparison, tmp_path: Path
) -> None:
    save_comparison(tmp_path / "c.json", comparison, [{"channels": {"stem": [0, 1]}}])
    kept = saved_comparison(tmp_path / "c.json")
    assert kept.plans == [{"channels": {"stem": [0, 1]}}]
    assert replace(kept.comparison, rounds=(), conditions=()) == replace(comparison, rounds=(), conditions=())
    assert kept.medians_s == [comparison.median_s(number) for number in range(len(comparison.subjects))]
    for number in range(1, len(comparison.subjects)):
        now, before = kept.comparison.ratio(number), comparison.ratio(number)
        assert (now.value, *now.interval) == pytest.approx((before.value, *before.interval), rel=1e-6)


def test_transfer_is_shown_of_seeds_that_were_trained_in_every_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that was stopped in the middle has left runs without their pair."""

    def run(data: str, seed: int, way: str) -> dict[str, object]:
        correct = 50 + 10 * (way != SCRATCH) + seed
        return {"data": data, "seed": seed, "way": way, "images": 9, "classes": 2, "correct": correct, "n": 100}

    of_all = [run("digits", seed, way) for seed in (0, 1) for way in WAYS]
    halves = [run("digits", 2, FINETUNED), run("renamed", 0, SCRATCH), run("cifar100", 0, FINETUNED)]
    save(tmp_path / "accuracy.json", {"figures": [*of_all, *halves]})
    monkeypatch.setattr(rows, "TRANSFER", tmp_path / "accuracy.json")
    found = list(rows.transfer())
    assert [(row["way"], row["top_1"], row["seeds"]) for row in found] == [
        ("from scratch", 50.5, 2),
        *((way, 60.5, 2) for way in WAYS if way != SCRATCH),
    ]


def test_a_measurement_keeps_its_figures_without_the_samples() -> None:
    m = a_measurement(n=1000)
    kept = summary(m)
    assert (kept["median_s"], kept["interval_s"]) == (m.median_s, m.interval_s)
    assert kept["subject"]["source_ref"] == m.subject.source_ref
    assert {"samples_s", "windows", "host"} & kept.keys() == set()


def test_a_document_has_a_line_for_each_figure(tmp_path: Path) -> None:
    document = {"host": {"cpu": "é"}, "figures": [{"a": [1, 2]}, {"a": [3]}], "none": [], "numbers": [1, 2]}
    save(tmp_path / "d.json", document)
    text = (tmp_path / "d.json").read_text()
    assert json.loads(text) == document
    assert '"figures": [\n{"a":[1,2]},\n{"a":[3]}\n],\n' in text
    assert '"numbers": [1, 2]\n' in text
