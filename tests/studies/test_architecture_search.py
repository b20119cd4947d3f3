"""Every choice is a network, fronts and their areas are exact, and a killed search goes on as if it were not."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from smoke import Smoke

from reszoo.core.documents import read_json
from reszoo.core.types import ResNetSpec
from reszoo.models import spec_of
from reszoo.studies import StudyResult
from reszoo.studies.architecture_search import (
    SPACE,
    Choice,
    Found,
    arch_of,
    by_hand,
    front,
    hypervolume,
    kept,
    search,
    skips,
    structured,
    whole_stages,
)
from reszoo.studies.engine.records import RunResult

CHOICE = by_hand(1)


@pytest.mark.parametrize("number", range(30))
def test_a_choice_is_a_network(number: int) -> None:
    draw = Random(number)  # noqa: S311
    choice = {name: draw.choice(values) for name, values in SPACE.items()}
    spec = spec_of(arch_of(choice))
    assert isinstance(spec, ResNetSpec)
    families = [spec.family_of(stage, block) for stage in range(3) for block in range(spec.depths[stage])]
    assert families == ["v1" if is_kept else "plain" for is_kept in skips(choice)]
    assert spec.depths == tuple(choice[f"depth_{stage}"] for stage in range(3))
    assert spec.widths == tuple(choice[f"width_{stage}"] for stage in range(3))
    assert spec.skip == (str(choice["skip"]).partition("-")[0] if "v1" in families else "identity")


@pytest.mark.parametrize(("blocks", "arch"), [(1, "resnet8_v1"), (2, "resnet14_v1"), (3, "resnet20_v1")])
def test_by_hand_are_the_networks_of_the_papers(blocks: int, arch: str) -> None:
    assert spec_of(arch_of(by_hand(blocks))) == spec_of(arch)
    assert all(by_hand(blocks)[name] in values for name, values in SPACE.items())


def test_the_share_of_blocks_with_skips() -> None:
    assert kept(CHOICE) == 1
    assert kept({**CHOICE, "kept_1": "011"}) == pytest.approx(2 / 3)  # of a stage with one block, the first bit
    assert skips({**CHOICE, "depth_2": 3, "kept_2": "101"}) == [True, True, True, False, True]


def found(gain: float, cost: float) -> Found:
    return Found(CHOICE, gain, cost)


def test_a_front_has_what_nothing_beats() -> None:
    cheap, dear, beaten, equal, lesser = (
        found(0.2, 0.1),
        found(0.9, 0.6),
        found(0.1, 0.3),
        found(0.9, 0.8),
        found(0.1, 0.1),
    )
    assert front([dear, beaten, lesser, equal, cheap]) == [cheap, dear]
    assert front([]) == []


def test_the_area_under_a_front() -> None:
    assert hypervolume([]) == 0
    assert hypervolume([found(1, 0)]) == 1
    assert hypervolume([found(0.9, 0.6), found(0.2, 0.1)]) == pytest.approx(0.5 * 0.2 + 0.4 * 0.9)
    assert hypervolume([found(0.9, 0.6), found(0.2, 0.1), found(0.1, 0.3)]) == pytest.approx(0.5 * 0.2 + 0.4 * 0.9)
    assert hypervolume([found(0.9, 1.0)]) == 0


def test_the_area_of_the_known_front() -> None:
    assert hypervolume([structured(choice) for choice in whole_stages()]) == pytest.approx(35 / 48)


def evaluated(choice: Choice, number: int) -> Found:
    return structured(choice)


def test_searches_of_one_seed_begin_alike_and_then_part() -> None:
    pytest.importorskip("optuna")
    evolved, drawn = (search(how, evaluated, 12, 4, seed=3) for how in ("nsga2", "random"))
    assert evolved[:4] == drawn[:4]
    assert evolved != drawn
    assert search("nsga2", evaluated, 4, 4, seed=4) != evolved[:4]


@pytest.mark.parametrize("how", ["nsga2", "random"])
def test_a_search_that_is_killed_goes_on_as_if_it_were_not(how: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna")

    def until(last: int) -> Callable[[Choice, int], Found]:
        def evaluate(choice: Choice, number: int) -> Found:
            if number == last:
                raise KeyboardInterrupt
            return structured(choice)._replace(test=50.0, images=number)

        return evaluate

    for last in (3, 7):
        with pytest.raises(KeyboardInterrupt):
            search(how, until(last), 12, 4, seed=0, journal=tmp_path / "journal")
    resumed = search(how, until(99), 12, 4, seed=0, journal=tmp_path / "journal")
    assert resumed == search(how, until(99), 12, 4, seed=0)
    assert [each.images for each in resumed if each] == list(range(12))


def test_a_failure_costs_its_place() -> None:
    pytest.importorskip("optuna")

    def evaluate(choice: Choice, number: int) -> Found | None:
        return None if number % 3 == 1 else structured(choice)

    result = search("nsga2", evaluate, 9, 3, seed=0)
    assert [number for number, each in enumerate(result) if each is None] == [1, 4, 7]


def test_without_the_extra_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    from reszoo.core.errors import UnavailableError

    monkeypatch.setattr("reszoo.core.missing.find_spec", lambda name: None if name == "optuna" else True)
    with pytest.raises(UnavailableError, match="optuna is not installed") as refused:
        search("random", evaluated, 1, 2, seed=0)
    assert refused.value.fix == "pip install 'reszoo[search]'"


@pytest.mark.long
@pytest.mark.alone
def test_what_it_finds_on_digits(smoke: Smoke) -> None:
    folder = smoke("architecture-search")
    result = read_json(folder / "result.json", StudyResult, "")
    assert len(result.findings) == 5
    for name, networks in (("nsga2", 3), ("random", 3), ("by-hand", 1)):
        measured = read_json(folder / "runs" / f"networks-{name}.0.json", RunResult, "").measured
        growth = measured.series["growth"]
        assert list(growth) == sorted(growth)
        assert (len(growth), growth[-1]) == (networks, measured.values["hypervolume"])
        assert measured.values["best_test"] > 15
