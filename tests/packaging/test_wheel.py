"""The wheel holds one top-level name and everything it needs at run time."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_one_top_level_name(members: dict[str, int]) -> None:
    tops = {name.split("/")[0] for name in members if ".dist-info/" not in name}
    assert tops == {"reszoo"}


IN_A_CHECKOUT = ROOT / "bench" / "validation"  # it measures the harness itself


def test_exactly_the_files_of_the_packages_are_in_it(members: dict[str, int]) -> None:
    packages = [path.parent for path in ROOT.glob("*/__init__.py")]
    inside = [path for package in packages for path in package.rglob("*") if path.is_file()]
    wanted = [path for path in inside if "__pycache__" not in path.parts and not path.is_relative_to(IN_A_CHECKOUT)]
    expected = {f"reszoo/{path.relative_to(ROOT).as_posix()}" for path in wanted}
    expected |= {f"reszoo/{path.name}" for path in (ROOT / "src" / "reszoo").iterdir() if path.is_file()}
    assert {name for name in members if ".dist-info/" not in name} == expected


def test_it_carries_trained_weights_and_stays_small(members: dict[str, int]) -> None:
    weights = {name: size for name, size in members.items() if name.endswith("weights.safetensors")}
    assert len(weights) >= 2
    assert sum(weights.values()) < 15e6


def test_no_test_or_script_is_shipped(members: dict[str, int]) -> None:
    assert not [name for name in members if name.split("/")[1:2] in (["tests"], ["scripts"], ["docs"])]
