"""`reszoo report` as a user meets it."""

import json
from functools import partial
from pathlib import Path

import msgspec
import pytest
from inprocess import reszoo
from measurements import HOST, SUBJECT, a_measurement, a_zoo

from reszoo.core.documents import write_json
from reszoo.core.measured import Block, Comparison

report = partial(reszoo, "report")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with results/, as `reszoo bench` leaves it."""
    for i, measurement in enumerate(a_zoo()):
        write_json(tmp_path / "results" / f"{i:02d}.json", measurement)
    return tmp_path


def a_comparison() -> Comparison:
    block = Block(contestant=0, samples_s=(0.001,))
    return Comparison(
        subjects=(SUBJECT, SUBJECT),
        host=HOST,
        started_at="2026-11-22T13:00:00.000+00:00",
        rounds=((block,),),
        conditions=(),
        warnings=(),
    )


def test_without_options_it_prints_markdown(home: Path) -> None:
    done = report("results", cwd=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert "| model | runtime |" in done.stdout
    assert sum(line.startswith("| resnet") for line in done.stdout.splitlines()) == 16


def test_every_file_that_was_asked_for_is_written(home: Path) -> None:
    files = ["page.html", "table.md", "rows.csv", "pareto.svg"]
    done = report(
        *("results", "--html", "page.html", "--markdown", "table.md", "--csv", "rows.csv", "--plot", "pareto.svg"),
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert all(f"wrote {name}" in done.stderr for name in files)
    assert sorted(path.name for path in home.iterdir() if path.is_file()) == sorted(files)  # and nothing else
    assert (home / "page.html").read_text().startswith("<!doctype html>")
    assert len((home / "rows.csv").read_text().splitlines()) == 17


def test_json_is_for_machines(home: Path) -> None:
    document = json.loads(report("results", "--json", cwd=home).stdout)
    assert len(document["rows"]) == 16
    assert document["rows"][0]["pareto"] == ["latency", "throughput", "size", "memory"]


def test_a_file_named_twice_is_one_row(home: Path) -> None:
    done = report("results/00.json", "results", "results/../results/00.json", "--json", cwd=home)
    assert len(json.loads(done.stdout)["rows"]) == 16


def test_a_comparison_in_a_folder_is_left_out_in_words_and_named_itself_it_is_refused(home: Path) -> None:
    write_json(home / "results" / "versus.json", a_comparison())
    done = report("results", "--json", cwd=home)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["rows"]) == 16
    assert done.stderr.strip() == "results/versus.json is a comparison, not a measurement: left out"
    alone = report("results/versus.json", cwd=home)
    assert alone.returncode == 1
    assert "results/versus.json" in alone.stderr
    assert "Traceback" not in alone.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"schema": 1, "subject": ', "not valid JSON"),
        (b'{"schema": 7}', "schema is 7"),
        (b"[]", "expected an object"),
        (
            msgspec.json.encode({"schema": 1, **msgspec.to_builtins(a_measurement())} | {"samples_s": ["fast"]}),
            "$.samples_s",
        ),
        (msgspec.json.encode({"schema": 1, **msgspec.to_builtins(a_measurement())} | {"samples_s": []}), "samples_s"),
        (msgspec.json.encode({"schema": 1, **msgspec.to_builtins(a_measurement())} | {"windows": []}), "windows"),
    ],
    ids=["cut off", "other schema", "list", "wrong type", "no samples", "no windows"],
)
def test_a_broken_file_stops_it_and_is_named(home: Path, content: bytes, named: str) -> None:
    (home / "results" / "05b.json").write_bytes(content)
    done = report("results", "--html", "page.html", cwd=home)
    assert done.returncode == 1
    assert "results/05b.json" in done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "page.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["empty"], "reszoo bench"),
        (["results", "--plot", "pareto.jpeg"], "--plot pareto.svg"),
        (["plain", "--html", "page.html", "--plot", "pareto.png"], "--accuracy"),
    ],
    ids=["no such folder", "empty folder", "unknown kind of picture", "nothing to plot"],
)
def test_wrong_usage_says_what_to_do(home: Path, arguments: list[str], said: str) -> None:
    (home / "empty").mkdir()
    write_json(home / "plain" / "one.json", a_measurement(correct=None))
    done = report(*arguments, cwd=home)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (home / "page.html").exists()  # all or nothing
