"""What `--max-drop` shows: the worst layers, and every trial with what it loses."""

import json
import re
from typing import Any

import pytest

from reszoo.bench.accuracy import Paired, drop_verdict
from reszoo.cli import search_table
from reszoo.cli.quantize import quantize
from reszoo.export import ExportOptions
from reszoo.quantize.contract import Layer
from reszoo.workflows.quantization import budget_search
from reszoo.workflows.quantization.budget_search import SearchResult, SearchTrial
from reszoo.workflows.quantization.layer_damage import Damage

REF = "resnet8_v1.reszoo_digits"


def trial(kept: tuple[str, ...], lost: int, refused: str | None = None) -> SearchTrial:
    return SearchTrial(kept, 0.125 * len(kept), drop_verdict(Paired(1000, lost, 1, 1000 - lost), 0.005), refused)


TRIALS = (trial((), 80), trial(("[a]",), 30), trial(("a", "b", "c", "d"), 2))
DAMAGES = tuple(Damage(Layer(f"[{i}]", "Conv", 10**i), 0.5 / (i + 1), 12 - i, 1000) for i in range(12))


def test_a_trial_names_few_layers_and_counts_many(capsys: pytest.CaptureFixture[str]) -> None:
    search_table.print_trials(TRIALS, TRIALS[2])
    lines = capsys.readouterr().out.strip().splitlines()[-3:]
    assert [re.split("  +", line.strip()) for line in lines] == [
        ["1", "0", "0.0%", "7.90", "6.35 to 9.76", "missed"],
        ["2", "1", "12.5%", "2.90", "1.97 to 4.16", "missed", "[a]"],
        ["3", "4", "50.0%", "0.10", "-0.38 to 0.64", "chosen"],
    ]


def test_the_worst_layers_are_shown_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    search_table.print_damages(DAMAGES)
    printed = capsys.readouterr().out
    assert "[9]" in printed
    assert "[10]" not in printed
    assert "2 other layers have at most 0.045 nats each" in printed
    search_table.print_damages(())
    assert capsys.readouterr().out == ""


def test_records_say_which_trial_was_chosen_and_why() -> None:
    records = search_table.as_records(SearchResult(TRIALS, TRIALS[2], DAMAGES, ExportOptions()))
    assert [record["kind"] for record in records] == ["damage"] * 12 + ["trial"] * 3
    assert records[0] == {"kind": "damage", "name": "[0]", "op": "Conv", "macs": 1, "kl": 0.5, "flips": 12, "n": 1000}
    assert [record["chosen"] for record in records[12:]] == [False, False, True]
    assert [record["verdict"] for record in records[12:]] == ["fail", "fail", "undecided"]
    assert records[-1]["keep_float"] == ("a", "b", "c", "d")


def test_what_export_would_refuse_is_shown_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    search_table.print_trials([trial((), 80, "[far]"), trial(("a",), 2, "top-1 agreement [0.9]"), TRIALS[2]], TRIALS[2])
    printed = capsys.readouterr().out
    assert re.findall("missed|refused|chosen", printed) == ["missed", "refused", "chosen"]
    assert "export would refuse trial 2: top-1 agreement [0.9]" in printed
    assert "[far]" not in printed


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_loses_no_measurement(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, on_damages: Any, on_trial: Any, **others: object) -> None:
        on_trial(TRIALS[0])
        on_damages(DAMAGES)
        raise KeyboardInterrupt

    monkeypatch.setattr(budget_search, "search_within_budget", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantize([REF], max_drop="0.5%", json=as_json)
    printed = capsys.readouterr().out
    if as_json:
        (record,) = json.loads(printed)
        assert (record["source"], record["error"]) == (REF, "KeyboardInterrupt")
        assert [entry["kind"] for entry in record["search"]] == ["damage"] * 12 + ["trial"]
    else:
        assert "[9]" in printed
        assert "6.35 to 9.76" in printed
