"""What can be had: the catalogue's checkpoints and those that were made here, without a look at any weights."""

from typing import Literal

from ..core.types import Checkpoint, Positive, Record
from ..models.cost import cost_of
from . import catalogue, checkpoints, local, names


class ModelCard(Record, frozen=True, kw_only=True):
    """A checkpoint of the catalogue, or one that was made here.

    Attributes:
        ref: Its name, "ARCH.TAG"; of one made here whose name another has as well, its folder.
        arch: The architecture's name; of an imported one, as its weights were recognised.
        dataset: What it was trained on.
        accuracy: Top-1, a fraction; None where nobody says.
        origin: Who says so: it was published by others, or measured by us.
        licence: Of the weights.
        params: Parameters of the network.
        macs: Multiply-adds of one image.
        where: Bundled with reszoo, downloaded, made here (local), or empty.
    """

    ref: str
    arch: str
    dataset: str
    accuracy: float | None
    origin: Literal["published", "measured", ""]
    licence: str
    params: Positive
    macs: Positive
    where: Literal["bundled", "downloaded", "local", ""]

    @property
    def is_local(self) -> bool:
        """Whether loading it needs no network."""
        return bool(self.where)


def list_models(pattern: str = "*") -> list[ModelCard]:
    """The checkpoints of the catalogue, and those that were trained, pruned or imported on this machine.

    Args:
        pattern: A name, or one with wildcards: `resnet*_v2*` is of architectures, `*.akamaster*` of tags.

    Returns:
        A card for each, in the catalogue's order, and then those that were made here.

    Raises:
        UsageError: Nothing has that name.
    """
    mine = local.found()
    chosen = set(catalogue.matching(pattern, [*catalogue.refs(), *(each.checkpoint.ref for each in mine)]))
    cards = [model_card(ref) for ref in catalogue.refs() if ref in chosen]
    cards += [_of_checkpoint(each.ref, each.checkpoint, "local") for each in mine if each.checkpoint.ref in chosen]
    if not cards:
        names.resolve(pattern)  # says so
    return cards


def model_card(ref: str) -> ModelCard:
    """Of one name in the catalogue."""
    if ref in catalogue.bundled():
        return _of_checkpoint(ref, checkpoints.describe(catalogue.folder_of(ref)), "bundled")
    return _of_card(catalogue.card(ref))


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


def _of_checkpoint(ref: str, checkpoint: Checkpoint, where: Literal["bundled", "local"]) -> ModelCard:
    cost, metric = cost_of(checkpoint.spec), next(iter(checkpoint.metrics), None)
    return ModelCard(
        ref=ref,
        arch=_arch(checkpoint),
        dataset=checkpoint.dataset,
        accuracy=metric.value if metric else None,
        origin=metric.origin if metric else "",
        licence=checkpoint.licence,
        params=cost.params,
        macs=cost.macs,
        where=where,
    )


def _arch(checkpoint: Checkpoint) -> str:
    """As an import recognised it, whose name may be any; else from the name."""
    recognised = (step.config["arch"] for step in checkpoint.provenance if "arch" in step.config)
    return next(recognised, catalogue.divided(checkpoint.ref).arch)
