"""How much the channels and blocks of a checkpoint matter, as it is and when it is pruned already."""

from copy import copy
from functools import cached_property

import msgspec
import numpy as np

from ..core.errors import UsageError
from ..core.threads import torch_threads
from ..core.types import ChannelPlan, Checkpoint, ModelSpec
from ..models.pruning import channel_groups, with_plan
from .applying import State, network, sliced, state_of
from .calibration import Batches, batches
from .config import PruneConfig
from .depth import block_importances
from .importance import Importances, importances, needs_data


def needs_images(config: PruneConfig) -> bool:
    """Whether these importances are computed from training images."""
    return config.method != "random" if config.remove == "blocks" else needs_data(config.method)


class Scorer:
    """Scores each network once: whoever asks for several costs of one checkpoint waits for its importances once."""

    def __init__(self, checkpoint: Checkpoint, config: PruneConfig) -> None:
        self.checkpoint, self.config = checkpoint, config
        self._state = state_of(checkpoint)
        self._channels: dict[bytes, Importances] = {}
        self._blocks: dict[bytes, dict[str, float]] = {}

    def channels(self, spec: ModelSpec) -> Importances:
        """The importances of every channel group of `spec`, which is the checkpoint's or a pruned one of it."""
        if self.config.remove != "channels":
            raise UsageError("channels are not scored where blocks are removed", "Choose to remove channels.")
        key, method = msgspec.json.encode(spec), self.config.method
        if key not in self._channels:
            data = self._data if needs_images(self.config) else []
            with torch_threads():
                self._channels[key] = importances(network(self._weights(spec), spec), method, data, self.config.seed)
        return self._channels[key]

    def blocks(self, spec: ModelSpec) -> dict[str, float]:
        """How much each removable block of `spec` matters; `depth` lists the methods."""
        key = msgspec.json.encode(spec)
        if key not in self._blocks:
            data = self._data if needs_images(self.config) else []
            with torch_threads():
                self._blocks[key] = block_importances(self._weights(spec), spec, self.config, data)
        return self._blocks[key]

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
    def _data(self) -> Batches:
        return batches(self.checkpoint, self.config)

    def _weights(self, spec: ModelSpec) -> State:
        return sliced(self._state, self.checkpoint.spec, spec)
