"""One line of the catalogue: what `reszoo list` shows of a checkpoint."""

from typing import Literal

from ..core.types import Noun
from . import catalogue, checkpoints


class Summary(Noun, frozen=True, kw_only=True):
    """`accuracy` is top-1, a fraction, and `origin` who says so: published by others, or measured by us."""

    ref: str
    arch: str
    dataset: str
    accuracy: float | None
    origin: Literal["published", "measured", ""]
    licence: str
    where: Literal["bundled", "downloaded", ""]


def summary(ref: str) -> Summary:
    """What is known of a name in the catalogue, without a look at any weights."""
    if ref in catalogue.bundled():
        return _of_bundled(ref)
    card = catalogue.card(ref)
    return Summary(
        ref=ref,
        arch=card.arch,
        dataset=card.dataset,
        accuracy=card.accuracy.value if card.accuracy else None,
        origin="published" if card.accuracy else "",
        licence=card.licence,
        where="downloaded" if (catalogue.folder_of(ref) / checkpoints.DOCUMENT).is_file() else "",
    )


def _of_bundled(ref: str) -> Summary:
    checkpoint = checkpoints.describe(catalogue.folder_of(ref))
    metric = next(iter(checkpoint.metrics), None)
    return Summary(
        ref=ref,
        arch=ref.partition(".")[0],
        dataset=checkpoint.dataset,
        accuracy=metric.value if metric else None,
        origin=metric.origin if metric else "",
        licence=checkpoint.licence,
        where="bundled",
    )
