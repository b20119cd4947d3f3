"""What each space can spare: accuracy on val against the share of its channels that is dropped, one space at a time."""

from collections.abc import Iterator, Sequence

import torch

from .. import datasets
from ..core.errors import UsageError
from ..core.measured import Accuracy
from ..core.types import Checkpoint, Fraction, Noun, Positive
from ..models.channels import spaces
from ..train.evaluate import count_correct
from .applying import network, sliced, state_of
from .config import PruneConfig
from .planning import matching, most_important, with_channels
from .pruning import judge_channels


class Row(Noun, frozen=True, kw_only=True):
    """One network: `space` has `kept` of its `channels`, about a share of `ratio` was dropped; the rest is whole."""

    space: str
    channels: Positive
    kept: Positive
    ratio: Fraction
    accuracy: Accuracy


def sensitivity(checkpoint: Checkpoint, config: PruneConfig, ratios: Sequence[float]) -> Iterator[Row]:
    """A row for every space that is not excluded and every ratio, without any fine-tuning.

    The ratio 0 is the network as it is. At least one channel (or block of a group norm) stays.
    """
    if wrong := next((ratio for ratio in ratios if not 0 <= ratio < 1), None):
        raise UsageError(f"a share of {wrong} of a space's channels cannot be dropped", "Choose from 0 to below 1.")
    state, spec = state_of(checkpoint), checkpoint.spec
    val = datasets.load(checkpoint.dataset, "val")
    importances = judge_channels(checkpoint, state, spec, config)
    excluded = matching([space.name for space in spaces(spec)], config.exclude, "space")
    for space in spaces(spec):
        if space.name in excluded or space.name not in importances:
            continue
        blocks = importances[space.name].reshape(-1, space.group).mean(axis=1)
        for ratio in ratios:
            kept = most_important(space, blocks, max(round(len(blocks) * (1 - ratio)), 1))
            pruned = with_channels(spec, {space.name: kept})
            model = network(sliced(state, spec, pruned), pruned)
            correct = count_correct(model, val, checkpoint.preprocess, torch.device("cpu"))
            yield Row(
                space=space.name,
                channels=space.width,
                kept=len(kept),
                ratio=ratio,
                accuracy=Accuracy(dataset=checkpoint.dataset, split="val", n=len(val), correct=correct),
            )
