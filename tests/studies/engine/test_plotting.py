"""What is drawn: a mean and an interval for each place, on axes that say what they are."""

import math

import pytest
from matplotlib.figure import Figure as Canvas
from msgspec.structs import replace

from reszoo.core.estimates import mean_interval
from reszoo.studies.engine import plotting
from reszoo.studies.engine.records import Condition, Figure, Measured, RunResult
from reszoo.studies.engine.registry import study_named
from reszoo.studies.engine.verdicts import Runs


def run(condition: Condition, seed: int, value: float) -> RunResult:
    measured = Measured(values={"factor": value}, series={"norms": (value, 2 * value)})
    return RunResult(version="0" * 64, condition=condition, seed=seed, measured=measured, core_s=0, host="")


VALUES = {("v1", 20): [1.0, 2.0, 4.0], ("v1", 8): [1.0, 1.0, 1.0], ("v2", 8): [3.0, 5.0, 4.0]}
RUNS = Runs(
    [
        run({"family": family, "depth": depth}, seed, value)
        for (family, depth), values in VALUES.items()
        for seed, value in enumerate(values)
    ]
)


def figure(**changes: object) -> Figure:
    fields: dict[str, object] = {"name": "f", "title": "A title", "y": "factor", "x": "depth", "where": {}}
    return Figure(**(fields | {"lines": ("family",), "x_title": "depth, layers"} | changes))  # type: ignore[arg-type]


def test_each_line_has_its_points_in_order_with_their_intervals() -> None:
    lines = plotting.lines_of(figure(), RUNS)
    assert list(lines) == ["v1", "v2"]
    assert [point.x for point in lines["v1"]] == [8, 20]
    mean, (low, high) = mean_interval([1.0, 2.0, 4.0])
    assert lines["v1"][1][1:] == pytest.approx((mean, low, high))


def test_a_logarithmic_axis_has_geometric_means_whose_intervals_are_above_0() -> None:
    point = plotting.lines_of(figure(log_y=True), RUNS)["v1"][1]
    assert point.mean == pytest.approx(2)
    assert 0 < point.low < 2 < point.high
    assert math.isclose(point.low * point.high, 4)


def test_a_series_is_drawn_by_its_positions() -> None:
    lines = plotting.lines_of(figure(y="norms", x="position", where={"depth": 8}), RUNS)
    assert [(point.x, point.mean) for point in lines["v2"]] == [(1, 4), (2, 8)]


def test_one_metric_against_another_is_drawn_at_its_mean_and_what_was_not_measured_is_left_out() -> None:
    def measured(family: str, seed: int, **values: float) -> RunResult:
        made = run({"family": family}, seed, 0.0)
        return replace(made, measured=Measured(values=values))

    found = plotting.lines_of(
        figure(x="ms"),
        Runs(
            [
                *(measured("v1", seed, ms=seed + 1.0, factor=10.0 * seed) for seed in range(3)),
                measured("v2", 0, ms=4.0, factor=7.0),
                measured("v2", 1, factor=9.0),
                measured("v2", 2, ms=6.0),
                measured("plain", 0, factor=1.0),
            ]
        ),
    )
    assert list(found) == ["v1", "v2"]
    ((x, mean, low, high),) = found["v1"]
    assert (x, mean) == (2, 10)
    assert low < 10 < high
    assert [point[:2] for point in found["v2"]] == [(4, 7)]


def test_a_figure_of_nothing_is_drawn() -> None:
    study = study_named("gradient-flow")
    assert plotting.draw(study, figure(), Runs([]), "png").startswith(b"\x89PNG")


def test_one_run_has_no_interval() -> None:
    (point,) = plotting.lines_of(figure(), Runs([run({"family": "v1", "depth": 8}, 0, 2.0)]))["v1"]
    assert point[1:] == (2, 2, 2)


def test_axes_have_titles_units_and_a_legend() -> None:
    study = study_named("gradient-flow")
    axes = Canvas().add_subplot()
    plotting._draw_line(axes, plotting.lines_of(figure(), RUNS)["v1"], "v1", 0)
    plotting._dress(axes, study, figure())
    plotting._mark(axes, [8.0, 20.0], is_log=True)
    assert axes.get_title(loc="left") == "A title"
    assert axes.get_xlabel() == "depth, layers"
    assert axes.get_ylabel().replace("\n", " ") == study.metrics["factor"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["8", "20"]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["v1"]


def test_the_same_runs_give_the_same_bytes() -> None:
    study = study_named("gradient-flow")
    for kind in plotting.KINDS:
        assert plotting.draw(study, figure(), RUNS, kind) == plotting.draw(study, figure(), RUNS, kind)


def test_a_series_may_be_drawn_over_another() -> None:
    runs = Runs(
        [
            RunResult(
                version="0" * 64,
                condition={"family": "v1"},
                seed=seed,
                measured=Measured(values={}, series={"budget": (0.4, 1.0), "val": (value, 2 * value)}),
                core_s=0,
                host="",
            )
            for seed, value in enumerate((3.0, 5.0))
        ]
    )
    (points,) = plotting.lines_of(figure(y="val", x="budget"), runs).values()
    assert [(point.x, point.mean) for point in points] == [(0.4, 4), (1.0, 8)]


def test_what_a_run_could_not_measure_is_left_out() -> None:
    nothing = RunResult(
        version="0" * 64,
        condition={"family": "v1", "depth": 8},
        seed=3,
        measured=Measured(values={}),
        core_s=0,
        host="",
    )
    known = [run for condition in RUNS.conditions.values() for run in RUNS.of(condition).values()]
    both = Runs([*known, nothing])
    assert plotting.lines_of(figure(), both) == plotting.lines_of(figure(), RUNS)
    assert plotting.lines_of(figure(), Runs([nothing])) == {}
