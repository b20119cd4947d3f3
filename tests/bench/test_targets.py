"""Targets: how they are written, and that nothing that is said of one mixes it with another."""

from pathlib import Path

import pytest
from measurements import a_measurement

from reszoo.bench.fastest import fastest
from reszoo.bench.results import write
from reszoo.bench.ssh.address import Address
from reszoo.bench.ssh.reasons import unreachable
from reszoo.bench.table import HEADERS, rows, shared_settings
from reszoo.bench.target import parse_target, target_kinds
from reszoo.core.errors import UsageError
from reszoo.core.measured import LOCAL, Way
from reszoo.reporting import build
from reszoo.reporting.pareto import group
from reszoo.reporting.text import markdown_text

BOARD = "ssh://pi@board"
ESTIMATED = Way(kind="estimated", by="Vela 5.2")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (BOARD, Address("pi@board")),
        ("ssh://board:2222", Address("board", 2222)),
        ("ssh://pi@10.0.0.7:22/home/pi/env/bin/python", Address("pi@10.0.0.7", 22, "/home/pi/env/bin/python")),
    ],
)
def test_a_device_is_written_as_a_url(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", ["ssh://", "ssh://host:99999", "ssh://-oProxyCommand=x", "ssh://a b", "ssh:host"])
def test_what_is_no_device_is_a_mistake_in_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is no device"):
        parse_target(text)


def test_this_machine_is_a_target_like_others() -> None:
    assert parse_target("local").name == LOCAL
    assert {"local", "ssh"} <= set(target_kinds())
    with pytest.raises(UsageError, match="unknown target 'shh'"):
        parse_target("shh://board")
    with pytest.raises(UsageError, match="Write local"):
        parse_target("local:0")


def test_no_ranking_mixes_targets_or_ways() -> None:
    here, there = a_measurement(median_s=1e-3), a_measurement(median_s=2e-3, target=BOARD, runtime="ncnn")
    guessed = a_measurement(median_s=1e-4, way=ESTIMATED, runtime="litert")
    assert fastest([here, there, guessed]) == []  # there was no choice anywhere
    slower = a_measurement(median_s=4e-3, target=BOARD)
    (line,) = fastest([here, there, guessed, slower])
    assert line.startswith(f"fastest with 1 thread, batch 1, at {BOARD}: ncnn")
    made = build([here, there, guessed])
    assert len({group(row, made.hosts) for row in made.rows}) == 3
    assert all("latency" in row.pareto for row in made.rows)


def test_every_table_says_where_and_how_figures_were_got() -> None:
    here, there = a_measurement(), a_measurement(target=BOARD)
    (row,) = rows([here])
    assert (row.target, row.way) == ("", "")  # as ever
    assert shared_settings(rows([there]))[HEADERS.target] == BOARD
    assert [row.way for row in rows([there, a_measurement(way=ESTIMATED)])] == ["measured", "estimated by Vela 5.2"]
    text = markdown_text(build([here, there]))
    assert BOARD in text
    assert "measured" in text
    assert [row.command.count(f"--target {BOARD}") for row in build([here, there]).rows] == [0, 1]


def test_an_accuracy_of_one_target_is_no_other_ones() -> None:
    here, there = a_measurement(), a_measurement(target=BOARD, correct=None)
    assert [bool(row.accuracy) for row in rows([here, there])] == [True, False]
    assert [bool(row.accuracy) for row in build([here, there]).rows] == [True, False]


def test_files_of_two_targets_have_two_names(tmp_path: Path) -> None:
    here, there = (write(tmp_path, m) for m in (a_measurement(), a_measurement(target=BOARD)))
    assert here != there
    assert sorted(tmp_path.iterdir()) == sorted([here, there])


@pytest.mark.parametrize(
    ("said", "reason", "fix"),
    [
        ("ssh: connect to host board port 22: Connection timed out", "it does not answer", "ping"),
        ("ssh: connect to host board port 22: No route to host", "no way leads there", "ping"),
        (
            "kex_exchange_identification: Connection closed",
            "ssh ended with exit code 255: kex_exch",
            "Try: ssh pi@board",
        ),
    ],
)
def test_what_ssh_said_is_the_reason(said: str, reason: str, fix: str) -> None:
    error = unreachable(Address("pi@board"), 255, said)
    assert reason in error.problem
    assert fix in error.fix
