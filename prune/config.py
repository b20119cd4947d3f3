"""What the user chooses about pruning: data only."""

from typing import Literal, get_args

from ..core.choices import Choices
from ..core.registry import unknown
from ..core.types import Fraction, NotNegative, Positive

ChannelImportance = Literal["l1", "l2", "bn_scale", "taylor", "hessian", "fpgm", "random"]
BlockImportance = Literal["loss", "change", "random"]
Ranking = Literal["local", "global", "isomorphic"]
Remove = Literal["channels", "blocks", "mixed"]
Statistics = Literal["renewed", "kept"]
# What counts of channels are multiples of. Most kernels work on 4 or 8 channels at a time, some on 16.
COARSE, FINE = 16, 8
IMAGES = 256


class PruneConfig(Choices, frozen=True, kw_only=True):
    """How a plan is chosen.

    Attributes:
        remove: Channels, whole residual blocks (depth pruning), or both in one plan, which `mixed` chooses.
        importance: How much a channel or a block matters; `importance` and `depth` list the methods with their
            sources. None is taylor for channels and loss for blocks. In a mixed plan it is that of channels, and
            compares those of one channel group.
        ranking: What a channel is compared with: local with those of its own channel group, global with all,
            isomorphic with those of channel groups with the same layers around them (Fang et al. 2024, section 3.2).
        steps: 1 prunes all at once; more prune little by little, and the remaining network is scored anew after each.
        round_to: Each channel group keeps a multiple of this many channels, or all; 1 allows any number.
        min_share: The share of its channels that each channel group always keeps.
        exclude: Channel groups or blocks that are not pruned, as names with wildcards: `stages.2*` or `*.convs.0`.
        images: How many training images are used by importances that need some; None is 256, or all where there are
            fewer.
        seed: Chooses those images, and what is removed at random.
        statistics: Whether the means and variances of batch norms are computed anew for what is left, over those
            images (`statistics`). None is renewed where importances need images, else kept.
    """

    remove: Remove = "channels"
    importance: ChannelImportance | BlockImportance | None = None
    ranking: Ranking = "isomorphic"
    steps: Positive = 1
    round_to: Positive = 1
    min_share: Fraction = 0.1
    exclude: tuple[str, ...] = ()
    images: Positive | None = None
    seed: NotNegative = 0
    statistics: Statistics | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        methods = get_args(BlockImportance if self.remove == "blocks" else ChannelImportance)
        if self.importance not in (None, *methods):
            raise unknown(str(self.importance), methods, f"importance of {self.remove}")

    @property
    def method(self) -> str:
        """The importance, chosen or not."""
        return self.importance or ("loss" if self.remove == "blocks" else "taylor")
