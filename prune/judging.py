"""How much the channels and units of a checkpoint matter, as it is and when it is pruned already."""

from copy import copy
from functools import cached_property

import msgspec
import numpy as np

from ..core.errors import UsageError
from ..core.types import ChannelPlan, Checkpoint, ModelSpec
from ..models.channels import spaces
from .applying import State, network, sliced, state_of
from .calibration import Batches, batches
from .config import PruneConfig
from .depth import damages
from .importance import Importances, importances, needs_data


def needs_images(config: PruneConfig) -> bool:
    """Whether these importances are judged on training images."""
    return config.method != "random" if config.remove == "units" else needs_data(config.method)


class Judge:
    """Judges each network once: who asks for several costs of one checkpoint waits for its importances once."""

    def __init__(self, checkpoint: Checkpoint, config: PruneConfig) -> None:
        self.checkpoint, self.config = checkpoint, config
        self._state = state_of(checkpoint)
        self._channels: dict[bytes, Importances] = {}
        self._units: dict[bytes, dict[str, float]] = {}

    def channels(self, spec: ModelSpec) -> Importances:
        """The importances of every space of `spec`, which is the checkpoint's or a pruned one of it."""
        if self.config.remove != "channels":
            raise UsageError("units have no channels to judge", "Choose to remove channels.")
        key, method = msgspec.json.encode(spec), self.config.method
        if key not in self._channels:
            data = self._data if needs_images(self.config) else []
            self._channels[key] = importances(network(self._weights(spec), spec), method, data, self.config.seed)
        return self._channels[key]

    def units(self, spec: ModelSpec) -> dict[str, float]:
        """What each unit of `spec` that can be removed would be missed by; `depth` lists the ways."""
        key = msgspec.json.encode(spec)
        if key not in self._units:
            data = self._data if needs_images(self.config) else []
            self._units[key] = damages(self._weights(spec), spec, self.config, data)
        return self._units[key]

    def rounding_to(self, multiple: int) -> "Judge":
        """Who keeps channels in other multiples. Importances do not depend on them, and are shared."""
        other = copy(self)
        other.config = msgspec.structs.replace(self.config, round_to=multiple)
        return other

    def kept(self, plan: ChannelPlan) -> float:
        """The share of a space's importance that stays with this plan, as the mean over those that are judged."""
        spec = self.checkpoint.spec
        judged, after = self.channels(spec), spaces(msgspec.structs.replace(spec, plan=plan))
        shares = []
        for space, left in zip(spaces(spec), after, strict=True):
            if (values := judged.get(space.name)) is not None and values.any():
                shares.append(values[np.isin(space.kept, left.kept)].sum() / values.sum())
        return float(np.mean(shares or [1.0]))

    @cached_property
    def _data(self) -> Batches:
        return batches(self.checkpoint, self.config)

    def _weights(self, spec: ModelSpec) -> State:
        return sliced(self._state, self.checkpoint.spec, spec)
