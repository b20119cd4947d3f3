"""`reszoo cache`, as its users type it."""

import json
from pathlib import Path

import pytest
from inprocess import reszoo

from reszoo import models, zoo
from reszoo.core.types import Preprocess


@pytest.fixture
def weights(cache: Path) -> Path:
    """The weights of a checkpoint in the cache."""
    spec = models.spec_of("resnet8_v1")
    checkpoint = zoo.save(
        cache / "checkpoints" / "resnet8_v1.mine",
        models.build(spec).state_dict(),
        ref="resnet8_v1.mine",
        spec=spec,
        preprocess=Preprocess(mean=(0.5,) * 3, std=(0.25,) * 3, input=spec.input),
        labels=tuple("0123456789"),
        dataset="mine",
        metrics=(),
        licence="MIT",
        provenance=(),
    )
    return checkpoint.weights_path


def test_path(cache: Path) -> None:
    assert reszoo("cache", "path").stdout == f"{cache}\n"


def test_list_and_verify(weights: Path) -> None:
    listed = json.loads(reszoo("cache", "list", "--json").stdout)
    assert [Path(entry["path"]) for entry in listed] == [weights.parent]
    assert "resnet8_v1.mine" in reszoo("cache", "list").stdout
    good = reszoo("cache", "verify")
    assert good.returncode == 0, good.stderr
    assert "good" in good.stdout

    weights.write_bytes(b"damaged")
    bad = reszoo("cache", "verify")
    assert bad.returncode == 1
    assert "1 of 1 checkpoints are damaged: resnet8_v1.mine" in bad.stderr
    assert "Traceback" not in bad.stderr
    assert "damaged" in json.loads(reszoo("cache", "verify", "--json").stdout)["resnet8_v1.mine"]


def test_gc(weights: Path, cache: Path) -> None:
    part = cache / "downloads" / "w.pth.reszoo-part"
    part.parent.mkdir()
    part.write_bytes(bytes(2500))
    assert reszoo("cache", "gc", "--dry-run").stdout == f"would remove {part} (2.5 kB)\n2.5 kB to free\n"
    done = reszoo("cache", "gc")
    assert done.stdout == f"removed {part} (2.5 kB)\n2.5 kB freed\n"
    assert reszoo("cache", "gc").stdout == "nothing to remove\n"
    assert weights.exists()
    assert str(weights.parent) in reszoo("cache", "gc", "--all").stdout
    assert not weights.parent.exists()
