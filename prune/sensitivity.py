"""What each space can spare: accuracy on val against the share of its channels that is dropped, one space at a time."""

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
from .judging import Judge
from .planning import judged_spaces, most_important, with_channels

IMAGES = 1000  # of val, drawn once and for all: enough to see what a space can spare


class Row(Record, frozen=True, kw_only=True):
    """One network: `space` has `kept` of its `channels`, about a share of `ratio` was dropped; the rest is whole."""

    space: str
    channels: Positive
    kept: Positive
    ratio: Fraction
    accuracy: Accuracy


def sensitivity(checkpoint: Checkpoint, config: PruneConfig, ratios: Sequence[float]) -> Iterator[Row]:
    """A row for every space that is not excluded and every ratio, without any fine-tuning, on up to IMAGES of val.

    The ratio 0 is the network as it is. At least one channel (or block of a group norm) stays.
    """
    if wrong := next((ratio for ratio in ratios if not 0 <= ratio < 1), None):
        raise UsageError(f"a share of {wrong} of a space's channels cannot be dropped", "Choose from 0 to below 1.")
    state, spec = state_of(checkpoint), checkpoint.spec
    datasets.check_classes(checkpoint.dataset, checkpoint.labels, checkpoint.ref)
    val = datasets.load(checkpoint.dataset, "val")
    val = val.subset(shuffled(len(val), 0)[:IMAGES])
    for one in judged_spaces(spec, Judge(checkpoint, config).channels(spec), config).values():
        for ratio in ratios:
            kept = most_important(one.space, one.blocks, max(round(len(one.blocks) * (1 - ratio)), 1))
            pruned = with_channels(spec, {one.space.name: kept})
            model = network(sliced(state, spec, pruned), pruned)
            correct = count_correct(model, val, checkpoint.preprocess, torch.device("cpu"))
            yield Row(
                space=one.space.name,
                channels=one.space.width,
                kept=len(kept),
                ratio=ratio,
                accuracy=Accuracy(dataset=checkpoint.dataset, split="val", n=len(val), correct=correct),
            )
