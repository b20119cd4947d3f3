"""What changes of a recipe are worth: the script in small, and the table of what it writes."""

import json
import sys
from pathlib import Path
from typing import Any

import checkpoints
import pytest
import rows
import training_table
from figures import save
from training_table import PLAIN

CHANGED = "look-ahead"


def run(monkeypatch: pytest.MonkeyPatch, script: Any, *arguments: object) -> int | None:
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, arguments)])
    code: int | None = script.main()
    return code


def test_every_variant_is_a_recipe() -> None:
    from reszoo import training

    for changes in (training_table.VARIANTS | training_table.TAUGHT).values():
        training.override(training.load(training_table.RECIPE), training_table.COMMON | changes)


def test_runs_are_made_once_and_shared_between_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parts: the first makes the plain runs of one and four epochs, the second that of two and the variant."""
    small = ("--networks", "resnet8_v1", "--data", "digits", "--recipe", "digits", "--epochs", 2, "--seeds", 1)
    options = (tmp_path / "runs", *small, "--variants", CHANGED, "--out", tmp_path / "worth.json")
    made = []
    for part in ("1/2", "2/2"):
        run(monkeypatch, training_table, *options, "--part", part)
        made.append(json.loads((tmp_path / "worth.json").read_text())["figures"])
    assert [(each["variant"], each["epochs"]) for each in made[1]] == [(PLAIN, 1), (PLAIN, 2), (PLAIN, 4), (CHANGED, 2)]
    assert made[0] == [made[1][0], made[1][2]]
    assert [each["images"] for each in made[1]] == [epochs * 20 * 64 for epochs in (1, 2, 4, 2)]
    assert all(0 < each["correct"] <= each["n"] and each["seconds"] > 0 for each in made[1])
    before = (tmp_path / "worth.json").read_bytes()
    run(monkeypatch, training_table, *options)
    assert (tmp_path / "worth.json").read_bytes() == before
    with pytest.raises(SystemExit, match=r"worth.json has runs of another recipe, data set or variant"):
        run(monkeypatch, training_table, *options, "--recipe", "cifar-fast")
    changed = {**training_table.VARIANTS, CHANGED: {"lookahead": "3"}}
    monkeypatch.setattr(training_table, "VARIANTS", changed)
    run(monkeypatch, training_table, *options)
    again = json.loads((tmp_path / "worth.json").read_text())["figures"]
    assert again[:3] == made[1][:3]
    assert again[3] != made[1][3]


def test_one_that_diverges_stops_no_other_and_other_processors_take_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = {PLAIN: {}, "wild": {"lr": "1e30"}, "the same": {"epochs": "1"}, CHANGED: {"lookahead": "5"}}
    monkeypatch.setattr(training_table, "VARIANTS", wild)
    small = ("--networks", "resnet8_v1", "--data", "digits", "--recipe", "digits", "--epochs", 1)
    options, out = (tmp_path / "runs", *small, "--out", tmp_path / "worth.json"), tmp_path / "worth.json"
    assert run(monkeypatch, training_table, *options, "--seeds", 1) == 1
    assert "wild: 1: 0: the training went bad" in capsys.readouterr().err
    before = json.loads(out.read_text())
    assert [(each["variant"], each["epochs"]) for each in before["figures"]] == [(PLAIN, 1), (PLAIN, 2), (CHANGED, 1)]
    for each in before["figures"]:
        each["cpu"] = "another"
    out.write_text(json.dumps(before))
    chosen = ("--seeds", 2, "--variants", CHANGED)
    monkeypatch.setattr(training_table, "figure", figure_of_seed_one(training_table.figure))
    assert run(monkeypatch, training_table, *options, *chosen) == 0
    now = json.loads(out.read_text())["figures"]
    assert [each["cpu"] == "another" for each in now] == 3 * [True, False]
    monkeypatch.setattr(training_table, "pick_precision", lambda recipe, device: "bf16")
    with pytest.raises(SystemExit, match="runs of another recipe"):
        run(monkeypatch, training_table, *options, *chosen)


def figure_of_seed_one(original: Any) -> Any:
    """What is finished on the other processor is not there to be looked at again."""

    def figure(trial: Any, folder: Path, options: Any, teacher: Any) -> Any:
        found = original(trial, folder, options, teacher)
        return found | {"cpu": "another"} if trial.seed == 0 else found

    return figure


def test_a_variant_is_worth_the_images_that_the_plain_recipe_needs_for_as_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each doubling brings the plain recipe 2 points: one point more is worth as much as 1.41 times the images."""

    def trial(variant: str, epochs: int, seed: int, correct: int, seconds: float) -> dict[str, Any]:
        images = {"images": 100 * epochs, "correct": correct + seed, "n": 1000, "seconds": seconds}
        named = {"network": "resnet8_v1", "variant": variant, "epochs": epochs, "seed": seed}
        return {**named, **images, "cpu": "one" if seed else "other"}

    lengths = {5: 800, 10: 820, 20: 840, 40: 860}
    plain = [trial(PLAIN, epochs, seed, correct, epochs) for epochs, correct in lengths.items() for seed in range(3)]
    better = [trial(CHANGED, 20, seed, 850, 25.0) for seed in range(2)]
    alone = [trial("cutout 8", 20, 0, 850, 20.0)]
    save(tmp_path / "worth.json", {"figures": [*plain, *better, *alone]})
    monkeypatch.setattr(rows, "WORTH", tmp_path / "worth.json")
    *plain_rows, row = rows.training_worth()
    assert [(each["network"], each["epochs"], each["worth"]) for each in plain_rows] == [
        ("`resnet8_v1`", 5, ""),
        ("", 10, ""),
        ("", 20, ""),
        ("", 40, ""),
    ]
    assert (row["variant"], row["seeds"], row["top_1"]) == (CHANGED, 2, 85.05)
    assert row["gain"] == "+1.00 (+1.00 to +1.00)"
    assert row["worth"] == "1.41 (1.41 to 1.41)"
    assert row["cost"] == "1.25 (1.25 to 1.25)"


@pytest.mark.long
def test_checkpoints_are_trained_into_the_folder_and_not_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = (tmp_path, "resnet8_v2", "resnet8_v1", "--data", "digits", "--recipe", "digits")
    teacher = ("--teacher", "resnet8_v1.reszoo_digits", "--", "--epochs", "1")
    assert run(monkeypatch, checkpoints, *small, *teacher) == 0
    for arch in ("resnet8_v1", "resnet8_v2"):
        card = json.loads((tmp_path / f"{arch}.reszoo_dist_digits" / "training.json").read_text())
        assert card["run"]["teacher"].startswith("resnet8_v1.reszoo_digits ")
        assert (card["run"]["recipe"]["teacher_views"], card["run"]["recipe"]["threads"]) == (checkpoints.VIEWS, 1)
    # all that decides them lies in the folder, and each view was asked for once
    assert {"digits.toml", "teacher"} < {path.name for path in tmp_path.iterdir()}
    assert len(list((cache / "answers").glob("*/*.safetensors"))) == 1
    capsys.readouterr()
    assert run(monkeypatch, checkpoints, *small, *teacher) == 0
    assert capsys.readouterr().out.count("is there") == 2
    with pytest.raises(
        SystemExit, match=r"teacher was made of resnet8_v1.reszoo_digits, not of resnet8_v2.reszoo_digits"
    ):
        run(monkeypatch, checkpoints, *small, "--teacher", "resnet8_v2.reszoo_digits")
    assert run(monkeypatch, checkpoints, tmp_path, "resnet9", *small[3:], *teacher) == 1
    assert "unknown" in (tmp_path / "resnet9.reszoo_dist_digits.log").read_text()
