"""The sensitivity of each channel group: accuracy on val against the share of its channels that is dropped."""

from collections.abc import Iterator, Sequence

import torch

from .. import datasets
from ..core.errors import UsageError
from ..core.measured import Accuracy
from ..core.types import Checkpoint, Fraction, Positive, Record
from ..datasets.splits import shuffled
from ..training.evaluate import count_correct
from .applying import network, sliced, state_of
from .config import PruneConfig
from .planning import most_important, scored_groups, with_channels
from .scoring import Scorer

IMAGES = 1000  # of val, always the same: enough to see what a channel group can spare


class Row(Record, frozen=True, kw_only=True):
    """One network: `group` keeps `kept` of its `channels`, so that about `ratio` is dropped; the rest is not pruned."""

    group: str
    channels: Positive
    kept: Positive
    ratio: Fraction
    accuracy: Accuracy


def sensitivity(checkpoint: Checkpoint, config: PruneConfig, ratios: Sequence[float]) -> Iterator[Row]:
    """A row for every channel group that is not excluded and every ratio, on up to IMAGES of val.

    One group is pruned at a time, and nothing is fine-tuned. The ratio 0 is the network as it is.
    At least one channel (or one set of a group norm) stays.
    """
    if wrong := next((ratio for ratio in ratios if not 0 <= ratio < 1), None):
        raise UsageError(
            f"a share of {wrong} of a channel group's channels cannot be dropped", "Choose from 0 to below 1."
        )
    state, spec = state_of(checkpoint), checkpoint.spec
    val = datasets.load(checkpoint.dataset, "val").for_network(checkpoint.ref, checkpoint.labels)
    val = val.subset(shuffled(len(val), 0)[:IMAGES])
    for scored in scored_groups(spec, Scorer(checkpoint, config).channels(spec), config).values():
        group, scores = scored.group, scored.scores
        for ratio in ratios:
            kept = most_important(group, scores, max(round(len(scores) * (1 - ratio)), 1))
            pruned = with_channels(spec, {group.name: kept})
            model = network(sliced(state, spec, pruned), pruned)
            correct = count_correct(model, val, checkpoint.preprocess, torch.device("cpu"))
            yield Row(
                group=group.name,
                channels=group.width,
                kept=len(kept),
                ratio=ratio,
                accuracy=Accuracy(dataset=checkpoint.dataset, split="val", n=len(val), correct=correct),
            )
