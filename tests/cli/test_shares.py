import pytest

from reszoo.cli.shares import parse_share
from reszoo.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "share"),
    [("0.5%", 0.005), ("0.005", 0.005), ("0.7%", 0.007), (".5%", 0.005), ("2%", 0.02), ("0", 0.0), ("100%", 1.0)],
)
def test_a_percentage_and_a_fraction_are_the_same_number(text: str, share: float) -> None:
    assert parse_share(text, "--max-drop") == share


@pytest.mark.parametrize(
    "text", ["", "%", ".", "half", "-0.5%", "101%", "1.5", "0,5%", "0.5 %", "nan", "inf%", "1e-3", "0.5%%", "٥%"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-drop 0\.5%"):
        parse_share(text, "--max-drop")


def test_a_bare_one_is_not_taken_for_everything() -> None:
    """Whoever means 1 % must not switch the gate off."""
    with pytest.raises(UsageError, match="fraction below 1"):
        parse_share("1", "--max-drop")
