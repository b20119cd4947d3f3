"""How much the channels and blocks of a checkpoint matter, as it is and when it is pruned already."""

from copy import copy
from functools import cached_property

import msgspec
import numpy as np

from ..core.errors import UsageError
from ..core.progress import Progress, silent
from ..core.threads import torch_threads
from ..core.types import ChannelPlan, Checkpoint, ModelSpec
from ..models.pruning import channel_groups, with_plan
from .applying import State, network, sliced, state_of
from .calibration import Batches, batches
from .config import PruneConfig
from .depth import block_importances, mean_loss
from .importance import Importances, importances, needs_data
from .statistics import has_batch_norms, use_those_of_batches


def needs_images(config: PruneConfig) -> bool:
    """Whether training images are needed: for what is removed first, or for the statistics of batch norms."""
    return _scores_by_images(config) or config.statistics == "renewed"


def is_renewed(spec: ModelSpec, config: PruneConfig) -> bool:
    """Whether batch norms get new statistics: by default where images are read anyway."""
    chosen = _scores_by_images(config) if config.statistics is None else config.statistics == "renewed"
    return chosen and has_batch_norms(spec)


def _scores_by_images(config: PruneConfig) -> bool:
    if config.remove == "mixed":
        return True
    return config.method != "random" if config.remove == "blocks" else needs_data(config.method)


class Scorer:
    """Scores each network once: whoever asks for several costs of one checkpoint waits for its importances once."""

    def __init__(self, checkpoint: Checkpoint, config: PruneConfig, progress: Progress = silent) -> None:
        self.checkpoint, self.config = checkpoint, config
        self._progress = progress
        self._state = state_of(checkpoint)
        self._channels: dict[bytes, Importances] = {}
        self._blocks: dict[bytes, dict[str, float]] = {}
        self._losses: dict[bytes, float] = {}

    def channels(self, spec: ModelSpec) -> Importances:
        """The importances of every channel group of `spec`, which is the checkpoint's or a pruned one of it."""
        if self.config.remove == "blocks":
            raise UsageError("channels are not scored where blocks are removed", "Choose to remove channels.")
        key, method = msgspec.json.encode(spec), self.config.method
        if key not in self._channels:
            data = self._data if needs_data(method) else []
            with torch_threads():
                self._channels[key] = importances(network(self._weights(spec), spec), method, data, self.config.seed)
        return self._channels[key]

    def blocks(self, spec: ModelSpec) -> dict[str, float]:
        """How much each removable block of `spec` matters; `depth` lists the methods."""
        key = msgspec.json.encode(spec)
        if key not in self._blocks:
            data = self._data if _scores_by_images(self.config) else []
            with torch_threads():
                self._blocks[key] = block_importances(self._weights(spec), spec, self.config, data)
        return self._blocks[key]

    def loss(self, spec: ModelSpec) -> float:
        """The loss on the training images of what is left, with the statistics that its batch norms will have."""
        key = msgspec.json.encode(spec)
        if key not in self._losses:
            model = network(self._weights(spec), spec)
            if self._is_renewed:
                use_those_of_batches(model)
            with torch_threads():
                self._losses[key] = mean_loss(model, self._data)
            self._progress("measuring what is lost", len(self._losses))
        return self._losses[key]

    @property
    def renewing(self) -> Batches:
        """The images that batch norms get new statistics from; none where they keep theirs."""
        return self._data if self._is_renewed else []

    def rounding_to(self, multiple: int) -> "Scorer":
        """One that keeps channels in other multiples. Importances do not depend on them, and are shared."""
        other = copy(self)
        other.config = msgspec.structs.replace(self.config, round_to=multiple)
        return other

    def importance_kept(self, plan: ChannelPlan) -> float:
        """The share of its importance that a channel group keeps with this plan: the mean over those with scores."""
        spec = self.checkpoint.spec
        scores, after = self.channels(spec), channel_groups(with_plan(spec, plan))
        shares = []
        for group, pruned in zip(channel_groups(spec), after, strict=True):
            if (values := scores.get(group.name)) is not None and values.any():
                shares.append(values[np.isin(group.kept, pruned.kept)].sum() / values.sum())
        return float(np.mean(shares or [1.0]))

    @cached_property
    def _is_renewed(self) -> bool:
        return is_renewed(self.checkpoint.spec, self.config)

    @cached_property
    def _data(self) -> Batches:
        return batches(self.checkpoint, self.config)

    def _weights(self, spec: ModelSpec) -> State:
        return sliced(self._state, self.checkpoint.spec, spec)
