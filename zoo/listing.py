"""What can be had: the catalogue's checkpoints, without a look at any weights."""

from typing import Literal

from ..core.types import Positive, Record
from ..models.cost import cost_of
from . import catalogue, checkpoints


class ModelCard(Record, frozen=True, kw_only=True):
    """A checkpoint of the catalogue.

    Attributes:
        ref: Its name, "ARCH.TAG".
        arch: The architecture's name.
        dataset: What it was trained on.
        accuracy: Top-1, a fraction; None where nobody says.
        origin: Who says so: it was published by others, or measured by us.
        licence: Of the weights.
        params: Parameters of the network.
        macs: Multiply-adds of one image.
        where: Bundled with reszoo, downloaded, or empty.
    """

    ref: str
    arch: str
    dataset: str
    accuracy: float | None
    origin: Literal["published", "measured", ""]
    licence: str
    params: Positive
    macs: Positive
    where: Literal["bundled", "downloaded", ""]

    @property
    def is_local(self) -> bool:
        """Whether loading it needs no network."""
        return bool(self.where)


def list_models(pattern: str = "*") -> list[ModelCard]:
    """The checkpoints of the catalogue.

    Args:
        pattern: A name, or one with wildcards: `resnet*_v2*`.

    Returns:
        A card for each, in the catalogue's order.

    Raises:
        UsageError: Nothing has that name.
    """
    return [model_card(ref) for ref in catalogue.resolve(pattern)]


def model_card(ref: str) -> ModelCard:
    """Of one name in the catalogue."""
    return _of_bundled(ref) if ref in catalogue.bundled() else _of_card(catalogue.card(ref))


def _of_card(card: catalogue.Card) -> ModelCard:
    cost = cost_of(card.model_spec())
    return ModelCard(
        ref=card.ref,
        arch=card.arch,
        dataset=card.dataset,
        accuracy=card.accuracy.value if card.accuracy else None,
        origin="published" if card.accuracy else "",
        licence=card.licence,
        params=cost.params,
        macs=cost.macs,
        where="downloaded" if (catalogue.folder_of(card.ref) / checkpoints.DOCUMENT).is_file() else "",
    )


def _of_bundled(ref: str) -> ModelCard:
    checkpoint = checkpoints.describe(catalogue.folder_of(ref))
    cost, metric = cost_of(checkpoint.spec), next(iter(checkpoint.metrics), None)
    return ModelCard(
        ref=ref,
        arch=ref.partition(".")[0],
        dataset=checkpoint.dataset,
        accuracy=metric.value if metric else None,
        origin=metric.origin if metric else "",
        licence=checkpoint.licence,
        params=cost.params,
        macs=cost.macs,
        where="bundled",
    )
