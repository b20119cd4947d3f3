import pytest

from reszoo.core.pictures import dress, picture


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_same_drawing_gives_the_same_bytes(kind, begins):
    def draw(figure):
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], label="a line")
        dress(axes)

    first, again = (picture(draw, (3, 2), kind) for _ in range(2))
    assert first == again
    assert first.startswith(begins)


def test_a_dressed_plot_has_no_frame_above_or_on_the_right():
    def draw(figure):
        axes = figure.subplots()
        dress(axes, quiet=True)
        assert [name for name, spine in axes.spines.items() if spine.get_visible()] == ["left", "bottom"]

    picture(draw, (3, 2), "svg")
