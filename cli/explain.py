"""What `reszoo quantize --explain` shows: the stages, the layers up to the first bad one, and its likely reason."""

from pathlib import Path
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..core.types import Checkpoint
    from ..export.contract.options import ExportOptions
    from ..export.explanation import Explanation
    from ..quantize.layerwise import LayerError

NUMBERS = ("error", "cosine", "tensors", "lowest", "alone", "so far", "runtime", "wrong")


def explained(source: "Checkpoint", format_name: str, options: "ExportOptions") -> "Explanation":
    """Look for the first bad layer, with a progress bar."""
    from ..export.bisect import explain

    with output.bar(source.ref) as progress:
        return explain(source, format_name, options, progress=progress)


def write_plot(explanation: "Explanation", path: Path) -> None:
    from ..core.files import write_atomic
    from ..workflows.quantization.noise_plot import noise_plot
    from ..workflows.reporting import plot_format

    write_atomic(path, noise_plot(explanation, plot_format(path)))
    output.err_console().print(f"wrote {path}", markup=False)


def print_explanation(explanation: "Explanation") -> None:
    bad, diagnosis = explanation.bad, explanation.diagnosis
    _say(f"{explanation.ref} on {explanation.n} images of {explanation.images}; errors are SQNRs in dB")
    _print_stages(explanation)
    _print_layers(explanation)
    if bad is None:
        _say("Nothing is bad.")
    elif bad.reason == "accumulation":
        _say(f"In {bad.name}, {bad.what}.")
    else:
        _say(f"The first that is bad is {bad.name}. The likely reason is {bad.reason}: {bad.what}.")
    if _no_layer_is_bad(explanation):
        _say(f"The weakest layer is {diagnosis.layer}: {diagnosis.what}.")
    if _no_layer_is_bad(explanation) or (bad and bad.name == diagnosis.layer):
        alone = ", ".join(f"{source} {_db(db)}" for source, db in diagnosis.source_db.items())
        _say(f"With the error of one source alone it has: {alone}.")
    if bad is not None:
        _say(bad.advice)


def _no_layer_is_bad(explanation: "Explanation") -> bool:
    """Nothing is, or no single layer."""
    return explanation.bad is None or explanation.bad.reason == "accumulation"


def _print_stages(explanation: "Explanation") -> None:
    bad = explanation.bad.stage if explanation.bad else None
    table = output.table("stage", "against", "error", "cosine", "tensors", "lowest", "at", right=NUMBERS)
    for stage in explanation.stages:
        table.add_row(
            stage.name,
            stage.against,
            _db(stage.sqnr_db),
            f"{stage.cosine:.6f}",
            str(stage.tensors),
            _db(stage.lowest_db),
            stage.lowest,
            style="red" if stage.name == bad else None,
        )
    output.console().print(table)


def _print_layers(explanation: "Explanation") -> None:
    """Up to the first bad layer; all if no single one is bad."""
    table = output.table("layer", "operator", "alone", "so far", "cosine", "runtime", "wrong", right=NUMBERS)
    bad = explanation.bad.name if explanation.bad else None
    for layer in _up_to_the_bad_one(explanation):
        table.add_row(
            layer.name,
            layer.operator,
            _db(layer.own_db),
            _db(layer.so_far_db),
            f"{layer.cosine:.5f}",
            _db(layer.runtime_db),
            "" if layer.wrong is None else str(layer.wrong),
            style="red" if layer.name == bad else None,
        )
    output.console().print(table)
    if rest := len(explanation.layers) - table.row_count:
        _say(f"{rest} layers behind it are not shown")


def _up_to_the_bad_one(explanation: "Explanation") -> "list[LayerError]":
    """All if no single one is bad; none if something is before any layer is quantized."""
    layers, bad = list(explanation.layers), explanation.bad
    if bad is None or bad.reason == "accumulation":
        return layers
    names = [layer.name for layer in layers]
    return layers[: names.index(bad.name) + 1] if bad.name in names else []


def _say(text: str) -> None:
    output.console().print(text, markup=False)


def _db(value: float) -> str:
    from ..quantize.noise import EXACT_DB

    return "exact" if value >= EXACT_DB else f"{value:.1f}"
