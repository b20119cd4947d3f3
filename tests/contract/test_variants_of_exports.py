"""What the variants of residual networks compute, they compute as ONNX. Each network has several of them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from families import BASE
from foreign import untrained

from reszoo.export import export

VARIANTS: dict[str, dict[str, Any]] = {
    "dense, norms on both sides, v2 to v1": {"skip": "dense", "norm_place": "both", "families": ("v2", "v1")},
    "attention, activations first": {"skip": "attention", "order": "act-norm-conv", "family": "v2"},
    "weights of channels, norms in front": {"skip": "channel_weight", "norm_place": "before", "activation": "mish"},
    "one weight, layer norms, no activations": {
        "skip": "skipinit",
        "norm": "layer",
        "order": "norm-conv",
        "families": ("v1", "v2"),
    },
    "blocks without skips": {"families": ("plain", "v1", "plain"), "skip": "gate", "shortcut": "B"},
    "group norms behind": {"norm": "group", "norm_place": "after", "family": "v2"},
}


@pytest.mark.long(*list(VARIANTS)[1:])
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_is_exported_with_parity(changes: dict[str, Any], tmp_path: Path) -> None:
    spec = msgspec.structs.replace(BASE, input=(3, 16, 16), depths=(1, 2), **changes)
    parity = export(untrained(tmp_path / "checkpoint", spec), "onnx", out=tmp_path / "onnx").parity
    assert parity.top1_agreement == 1
    assert parity.max_abs_error < 1e-5
