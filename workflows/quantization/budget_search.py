"""Quantization within an accuracy budget: measure what each set of float layers loses, and keep the fewest that do."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from ...bench.accuracy import Paired, Verdict, compare_predictions, drop_verdict
from ...bench.evaluate import evaluate
from ...bench.predictions import Predictions
from ...core.errors import ReszooError, UsageError
from ...core.hosts import available_cores
from ...core.missing import unavailable_error
from ...core.progress import Progress, silent
from ...core.types import Candidate, Checkpoint
from ...export.contract.format import format_named
from ...export.contract.options import ExportOptions
from ...export.contract.runtime import runtimes
from ...export.exporting import checked
from ...export.quantizing import Calibrated, calibrated
from ...quantize.search import fewest_float_layers
from .layer_damage import Damage, Load, damages

BATCH = 64
NAMED = 5  # layers in float that an error names


class SearchTrial(NamedTuple):
    """What is lost on `val` against the float model with some layers kept in float.

    kept        their names: those that were given, then the others in the graph's order
    kept_macs   their share of all multiply-adds, from 0 to 1
    verdict     of the drop: with few images, it may be within the budget by chance
    refused     what `export` would refuse the artifact for, if it would
    """

    kept: tuple[str, ...]
    kept_macs: float
    verdict: Verdict
    refused: str | None = None

    @property
    def paired(self) -> Paired:
        return self.verdict.paired

    @property
    def is_within(self) -> bool:
        """Whether the drop that was measured is within the budget."""
        return self.paired.loses_at_most(self.verdict.max_drop)

    @property
    def meets(self) -> bool:
        """Whether it is, and `export` takes the artifact."""
        return self.is_within and self.refused is None


class SearchResult(NamedTuple):
    """A budget that is met.

    trials   all that were measured, in that order
    chosen   the one that `options` stand for
    damages  of each layer alone, the greatest first; none where no layer has to stay in float
    options  the ones given, with the layers to keep in float filled in
    """

    trials: tuple[SearchTrial, ...]
    chosen: SearchTrial
    damages: tuple[Damage, ...]
    options: ExportOptions


def search_within_budget(
    checkpoint: Checkpoint,
    format_name: str,
    options: ExportOptions,
    max_drop: float,
    *,
    progress: Progress = silent,
    on_damages: Callable[[tuple[Damage, ...]], None] = lambda damages: None,
    on_trial: Callable[[SearchTrial], None] = lambda trial: None,
) -> SearchResult:
    """Find the fewest layers to keep in float so that at most `max_drop` of the accuracy is lost, a fraction.

    Measured image by image against the float model, on all of the `val` split of the network's own data set, with the
    format's parity runtime; `val` has chosen the layers, so that only `test` tells what is really lost. What `export`
    would refuse, as too far from its source, meets no budget. Layers that `options` name already stay in float in any
    case. `progress` is told of the stages "calibrating" and "float model" (images), "layer damage" (layers), "trial 1",
    "trial 2 of at most 27" and so on (images). `on_damages` and `on_trial` are told what is found as soon as it is.

    Raises UsageError for a `max_drop` that is not from 0 to below 1 or options that are not quantized,
    UnavailableError where the data set or the runtime is not on this machine, and ReszooError if the budget cannot be
    met.
    """
    if not 0 <= max_drop < 1:
        raise UsageError(
            f"an accuracy cannot drop by at most {max_drop:g}", "Give a fraction from 0 to below 1, such as 0.005."
        )
    plugin = format_named(format_name)
    options = checked(options, plugin)
    if options.quantize is None:
        raise UsageError(f"precision {options.precision} has no layer to keep in float", "Choose precision int8.")
    runtime = runtimes()[plugin.parity_runtime]
    device = runtime.devices[0]
    if missing := runtime.unavailable(device):
        raise unavailable_error(missing)
    load = partial(runtime.load, device=device, threads=available_cores(), variant="")
    with calibrated(checkpoint, plugin, options, options.quantize, progress) as model:
        measured = _Trials(model, load, max_drop, progress, on_trial)
        chosen: frozenset[str] = frozenset()
        harm: tuple[Damage, ...] = ()
        if not measured.meets(chosen):
            given = options.quantize.keep_float
            harm = damages(model, load, BATCH, partial(progress, "layer damage"), keep_float=given)
            on_damages(harm)
            found = fewest_float_layers([damage.layer for damage in harm], measured.meets, measured.bound)
            if found is None:
                raise _not_met(checkpoint, list(measured.trials.values()))
            chosen = found
    trial = measured.trials[chosen]
    config = msgspec.structs.replace(options.quantize, keep_float=trial.kept)
    return SearchResult(tuple(measured.trials.values()), trial, harm, msgspec.structs.replace(options, quantize=config))


class _Trials:
    """Measures trials and keeps them, by the layers that each keeps in float beside those that stay there anyway."""

    def __init__(
        self,
        model: Calibrated,
        load: Load,
        max_drop: float,
        progress: Progress,
        on_trial: Callable[[SearchTrial], None],
    ) -> None:
        self.model, self.load, self.max_drop, self.progress, self.on_trial = model, load, max_drop, progress, on_trial
        self.trials: dict[frozenset[str], SearchTrial] = {}
        self.at_most: int | None = None  # trials in all
        self.reference = self._predictions(model.floats, "float model")

    def bound(self, most: int) -> None:
        self.at_most = len(self.trials) + most

    def meets(self, names: frozenset[str]) -> bool:
        layers = self.model.variants.layers
        kept = (*self.model.config.keep_float, *(layer.name for layer in layers if layer.name in names))
        stage = f"trial {len(self.trials) + 1}" + (f" of at most {self.at_most}" if self.at_most else "")
        with self.model.keeping(kept) as candidate:
            paired = compare_predictions(self.reference, self._predictions(candidate, stage))
            refused = self.model.refusal(candidate)
        kept_macs = sum(layer.macs for layer in layers if layer.name in kept)
        share = kept_macs / max(sum(layer.macs for layer in layers), 1)
        trial = self.trials[names] = SearchTrial(kept, share, drop_verdict(paired, self.max_drop), refused)
        self.on_trial(trial)
        return trial.meets

    def _predictions(self, candidate: Candidate, stage: str) -> Predictions:
        with self.load(candidate) as session:
            return evaluate(session, candidate, candidate.dataset, "val", BATCH, partial(self.progress, stage))


def _not_met(checkpoint: Checkpoint, trials: list[SearchTrial]) -> ReszooError:
    best = min(trials, key=lambda trial: (trial.refused is not None, trial.paired.drop, len(trial.kept)))
    drop, (low, high) = best.paired.drop, best.paired.drop_interval
    net = best.paired.only_reference - best.paired.only_candidate
    met = -(-10_000 * net // best.paired.n) / 100  # rounded up, in integers: what would have been met
    allow = f"Allow it with `max_drop={met / 100:g}`, or try"
    return ReszooError(
        f"{checkpoint.ref} cannot be quantized within {100 * best.verdict.max_drop:.6g} points: the best of "
        f"{len(trials)} tries keeps {_named(best.kept)} in float and loses {100 * drop:.2f} points "
        f"(95 %: {100 * low:.2f} to {100 * high:.2f}, n = {best.paired.n})"
        + (f", and export would refuse it: {best.refused}" if best.refused else ""),
        f"{'Try' if best.refused else allow} another `calibration`, `equalise=True` or more `images`.",
    )


def _named(layers: tuple[str, ...]) -> str:
    """ "3 layers (a, b, c)"; of many, the first names."""
    if not layers:
        return "no layer"
    rest = len(layers) - NAMED
    names = ", ".join(layers) if rest < 2 else f"{', '.join(layers[:NAMED])} and {rest} others"
    return f"{len(layers)} layer{'s' if len(layers) > 1 else ''} ({names})"
